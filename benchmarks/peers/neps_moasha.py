"""NePS's MOASHA: random cells that pause at rungs and are promoted, by an epsilon-net of fronts.

python -m venv .venv-neps && .venv-neps/bin/pip install neural-pipeline-search==0.17.0
"""

import random
from typing import Any

import neps
import numpy as np
import torch
from lines import serve
from neps.optimizers.algorithms import moasha


class Moasha:
    """Minimizes the error and the inference FLOPs; what is promoted goes on where it paused."""

    def __init__(self, values: dict[str, list[Any]], shares: list[float], seed: int) -> None:
        for make in (random.seed, np.random.seed, torch.manual_seed):
            make(seed)  # it draws from everybody's generators
        self._times = [round(share / shares[0]) for share in shares]
        knobs = {name: neps.HPOCategorical(list(of)) for name, of in values.items()}
        fidelity = neps.HPOInteger(1, self._times[-1], is_fidelity=True)
        space = neps.SearchSpace({**knobs, "time": fidelity})
        self._search = neps.AskAndTell(moasha(space, eta=2))
        self._trials: dict[str, Any] = {}
        self._keys: dict[str, str] = {}

    def start(self, key: str) -> dict[str, Any]:
        """A random cell from its beginning, or one that was promoted."""
        trial = self._search.ask()
        self._trials[key] = trial
        of_whom = trial.metadata.previous_trial_id
        self._keys[trial.metadata.id] = self._keys.get(of_whom, key)
        cell = {name: value for name, value in trial.config.items() if name != "time"}
        if of_whom is None:
            return {"cell": cell}
        before = self._search.trials[of_whom].config["time"]
        return {"cell": cell, "of": self._keys[of_whom], "rung": self._times.index(before) + 1}

    def report(self, key: str, rung: int, values: dict[str, float]) -> bool:
        """Whether the time that it was asked to train for is not over."""
        return self._times[rung] < int(self._trials[key].config["time"])

    def ended(self, key: str, rung: int, values: dict[str, float]) -> None:
        """Tell the objectives."""
        objectives = [1 - values["exact_accuracy"], values["inference_flops"]]
        self._search.tell(self._trials.pop(key), {"objective_to_minimize": objectives})


if __name__ == "__main__":
    serve(Moasha)
