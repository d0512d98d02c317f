"""What people use otherwise: random search, Optuna's samplers, Ray's ASHA with OptunaSearch."""

import contextlib
import io
import random
from types import SimpleNamespace
from typing import Any

import optuna

from quality.record import RUNGS
from quality.simulation import Work
from quality.table import NAMES, Rung, Table

TIMES = [round(share / RUNGS[0]) for share in RUNGS]
"""Rungs in whole numbers, as schedulers of others count time."""


class Random:
    """Cells in random order, each once."""

    def __init__(self, table: Table, seed: int) -> None:
        self._generator = random.Random(seed)
        self._seeds = table.seeds
        self._left = self._generator.sample(table.cells, len(table.cells))

    def start(self) -> Work | None:
        """The next cell, with a seed of its own."""
        if not self._left:
            return None
        cell = self._left.pop()
        return Work(str(cell), cell, self._generator.choice(self._seeds))

    def report(self, work: Work, rung: int, found: Rung) -> bool:
        """Every training goes on to its end."""
        return True

    def ended(self, work: Work, last: Rung) -> None:
        """Learn nothing."""


class Optuna:
    """A plain Optuna study of accuracy and inference FLOPs, asked and told."""

    def __init__(self, table: Table, seed: int, sampler: optuna.samplers.BaseSampler) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._table, self._generator = table, random.Random(seed)
        self._study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
        self._trials: dict[str, optuna.Trial] = {}

    def start(self) -> Work:
        """What the sampler proposes, though it may have been trained before."""
        trial = self._study.ask()
        cell = tuple(self._suggested(trial, name) for name in NAMES)
        self._trials[str(trial.number)] = trial
        return Work(str(trial.number), cell, self._generator.choice(self._table.seeds))

    def report(self, work: Work, rung: int, found: Rung) -> bool:
        """Optuna prunes no trial of several objectives."""
        return True

    def ended(self, work: Work, last: Rung) -> None:
        """Tell the study."""
        self._study.tell(self._trials.pop(work.key), [last.accuracy, float(last.cost)])

    def _suggested(self, trial: optuna.Trial, name: str) -> int:
        values = self._table.values[name]
        return values[trial.suggest_int(name, 0, len(values) - 1)]


def tpe(table: Table, seed: int) -> Optuna:
    """Optuna's TPE; the index of a value stands for it, so that their order is known."""
    return Optuna(table, seed, optuna.samplers.TPESampler(seed=seed))


def nsga2(table: Table, seed: int) -> Optuna:
    """Optuna's NSGA-II."""
    return Optuna(table, seed, optuna.samplers.NSGAIISampler(seed=seed, population_size=16))


class StockRay:
    """Ray Tune's ASHA, which compares accuracies alone, with OptunaSearch for both objectives."""

    def __init__(self, table: Table, seed: int) -> None:
        from ray.tune.schedulers import AsyncHyperBandScheduler
        from ray.tune.search.optuna import OptunaSearch

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._table, self._generator, self._count = table, random.Random(seed), 0
        self._metrics = ["exact_accuracy", "inference_flops"]
        space: dict[str, Any] = {
            name: optuna.distributions.IntDistribution(0, len(values) - 1)
            for name, values in table.values.items()
        }
        with contextlib.redirect_stderr(io.StringIO()):
            self._search = OptunaSearch(
                space, metric=self._metrics, mode=["max", "min"], seed=seed
            )
        self._scheduler = AsyncHyperBandScheduler(
            time_attr="time",
            metric="exact_accuracy",
            mode="max",
            max_t=TIMES[-1],
            grace_period=TIMES[0],
            reduction_factor=2,
        )
        self._trials: dict[str, Any] = {}

    def start(self) -> Work:
        """What OptunaSearch suggests."""
        self._count += 1
        key = str(self._count)
        at = self._search.suggest(key)
        cell = tuple(self._table.values[name][at[name]] for name in NAMES)
        self._trials[key] = SimpleNamespace(trial_id=key, config=at)
        self._scheduler.on_trial_add(None, self._trials[key])
        return Work(key, cell, self._generator.choice(self._table.seeds))

    def report(self, work: Work, rung: int, found: Rung) -> bool:
        """What ASHA decides."""
        trial = self._trials[work.key]
        return bool(
            self._scheduler.on_trial_result(None, trial, self._result(rung, found)) != "STOP"
        )

    def ended(self, work: Work, last: Rung) -> None:
        """Tell both."""
        rung = self._rung(work, last)
        result, trial = self._result(rung, last), self._trials.pop(work.key)
        self._scheduler.on_trial_complete(None, trial, result)
        self._search.on_trial_complete(work.key, result)

    def _rung(self, work: Work, last: Rung) -> int:
        return list(self._table.training(work.cell, work.seed)).index(last)

    def _result(self, rung: int, found: Rung) -> dict[str, float]:
        return {
            "time": TIMES[rung],
            "exact_accuracy": found.accuracy,
            "inference_flops": float(found.cost),
        }
