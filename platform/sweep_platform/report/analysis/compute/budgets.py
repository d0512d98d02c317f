"""Whether effects hold at other budgets, and what a stated accuracy costs in training."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from statsmodels.duration.survfunc import SurvfuncRight

from puzzle_datasets.common.text import percent
from sweep_platform.report.analysis.compute.log_rank import log_rank
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.analysis.effects import Effect, effects_among
from sweep_platform.report.analysis.evidence import evidence_of
from sweep_platform.report.analysis.points import ordered
from sweep_platform.report.analysis.targets import reached
from sweep_platform.store.summary import SweepSummary, TrialSummary

FEWEST = 3
"""Trials of a value below which it is not compared."""


@dataclass(frozen=True, kw_only=True)
class AtBudget:
    """Every knob's effects after so many training FLOPs of a replicate."""

    training_flops: float
    effects: tuple[Effect, ...]


def effects_at_budgets(sweep: SweepSummary) -> tuple[AtBudget, ...] | Unknown:
    """The effects at each evaluation that came after equal training, the earliest first."""
    stages = evidence_of(sweep).stages
    if len(stages) < 2:
        return Unknown(
            "No effect is given at several budgets: complete trials share fewer than two "
            "evaluations after equal training FLOPs."
        )
    return tuple(
        AtBudget(
            training_flops=stage.training_flops,
            effects=tuple(effects_among(sweep, stage.answers)),
        )
        for stage in stages
    )


@dataclass(frozen=True, kw_only=True)
class TargetCost:
    """Training FLOPs to an accuracy at one value of a knob, by Kaplan and Meier's estimate.

    Attributes:
        trials: evaluated ones, of which `met` reached the target. The others count with the FLOPs
            that they spent, as needing more.
        median: FLOPs by which half of the trials have reached it; None where fewer did.
        low, high: its 95 % interval; None where the data sets no bound on that side.
    """

    value: Any
    trials: int
    met: int
    median: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class TargetCosts:
    """Of each value of a knob with enough trials.

    `p` is that of no difference, by the log-rank test, with trials dealt to the values anew. It is
    None where all trials met the target at the same FLOPs, as at the first evaluation.
    """

    knob: str
    target: float
    values: tuple[TargetCost, ...]
    p: float | None


def target_costs(sweep: SweepSummary, knob: str, target: float) -> TargetCosts | Unknown:
    """What reaching a target cost at each value of a knob, over all trials that were evaluated."""
    by_value = _by_value(sweep, knob)
    values = list(by_value)
    if len(values) < 2:
        return Unknown(
            f"What {percent(target)} costs is not compared by {knob}: fewer than two of its "
            f"values have {FEWEST} evaluated trials."
        )
    found = [_spent(trials, target) for trials in by_value.values()]
    times, met = (np.concatenate(each) for each in zip(*found, strict=True))
    if not met.any():
        return Unknown(f"What {percent(target)} costs is not known: no trial reached it.")
    groups = np.repeat(np.arange(len(by_value)), [len(one) for one, _ in found])
    costs = [_cost(value, *one) for value, one in zip(by_value, found, strict=True)]
    return TargetCosts(
        knob=knob, target=target, values=tuple(costs), p=log_rank(times, met, groups)
    )


def compared(sweep: SweepSummary, knob: str) -> bool:
    """Whether two values of a knob have enough evaluated trials to be compared by their cost."""
    return len(_by_value(sweep, knob)) > 1


def _by_value(sweep: SweepSummary, knob: str) -> dict[Any, list[TrialSummary]]:
    """The evaluated trials of each value that has enough of them."""
    found: dict[Any, list[TrialSummary]] = {}
    for trial in sweep.trials:
        if knob in trial.knobs and trial.evaluations:
            found.setdefault(trial.knobs[knob], []).append(trial)
    return {value: found[value] for value in ordered(found) if len(found[value]) >= FEWEST}


def _spent(trials: list[TrialSummary], target: float) -> tuple[Any, Any]:
    """Training FLOPs until each met the target, or that it spent, and which of both it is."""
    met = [reached(trial, target) for trial in trials]
    spent = [
        float(trial.evaluations[-1].lineage_flops) if cost is None else cost
        for trial, cost in zip(trials, met, strict=True)
    ]
    return np.array(spent), np.array([cost is not None for cost in met], int)


def _cost(value: Any, times: Any, met: Any) -> TargetCost:
    median, low, high = None, None, None
    if met.any():
        # Where all or none have met it, the estimate's own error is infinite or no number.
        with np.errstate(divide="ignore", invalid="ignore"):
            estimate = SurvfuncRight(times, met)
            median = _finite(estimate.quantile(0.5))
            low, high = map(_finite, estimate.quantile_ci(0.5))
    return TargetCost(
        value=value, trials=len(met), met=int(met.sum()), median=median, low=low, high=high
    )


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
