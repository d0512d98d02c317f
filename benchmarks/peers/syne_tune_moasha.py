"""Syne Tune's MOASHA: random cells, halved at rungs by non-dominated sorting.

python -m venv .venv-syne && .venv-syne/bin/pip install syne-tune==0.16.0
"""

from datetime import datetime
from typing import Any

import numpy as np
from lines import serve
from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import choice
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA


class Moasha:
    """Minimizes the error and the inference FLOPs."""

    def __init__(self, values: dict[str, list[Any]], shares: list[float], seed: int) -> None:
        np.random.seed(seed)  # noqa: NPY002 - its spaces draw from it
        self._times = [round(share / shares[0]) for share in shares]
        self._search = MOASHA(
            {name: choice(list(of)) for name, of in values.items()},
            metrics=["error", "inference_flops"],
            time_attr="time",
            max_t=self._times[-1],
            grace_period=1,
            reduction_factor=2,
            random_seed=seed,
        )
        self._trials: dict[str, Trial] = {}

    def start(self, key: str) -> dict[str, Any]:
        """A random cell."""
        config = {name: int(value) for name, value in self._search.suggest().config.items()}
        self._trials[key] = Trial(int(key), config, datetime.now())
        self._search.on_trial_add(self._trials[key])
        return {"cell": config}

    def report(self, key: str, rung: int, values: dict[str, float]) -> bool:
        """What MOASHA decides."""
        decision = self._search.on_trial_result(self._trials[key], self._result(rung, values))
        return bool(decision == "CONTINUE")

    def ended(self, key: str, rung: int, values: dict[str, float]) -> None:
        """Forget the trial, whose last result was reported."""
        self._search.on_trial_remove(self._trials.pop(key))

    def _result(self, rung: int, values: dict[str, float]) -> dict[str, float]:
        error = 1 - values["exact_accuracy"]
        cost = values["inference_flops"]
        return {"error": error, "inference_flops": cost, "time": self._times[rung]}


if __name__ == "__main__":
    serve(Moasha)
