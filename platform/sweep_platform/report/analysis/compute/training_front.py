"""The front of accuracy and training compute, where that is a knob, and the knobs along it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from scipy.stats import theilslopes

from sweep_platform.report.analysis.points import Point, final_points
from sweep_platform.spec.settings import BUDGET_KNOB
from sweep_platform.store.summary import SweepSummary, TrialSummary

FEWEST = 4
"""Trials of the front below which it tells no tendency of a knob."""


@dataclass(frozen=True, kw_only=True)
class Buy:
    """The best that a training budget bought: a trial and its final point."""

    trial: TrialSummary
    point: Point

    @property
    def training_flops(self) -> int:
        """Of each of its replicates, and of their ancestors."""
        return self.trial.record.lineage_flops


@dataclass(frozen=True, kw_only=True)
class Tendency:
    """By what a knob's best value is multiplied where the budget is tenfold."""

    knob: str
    factor: float


def varies_budget(sweep: SweepSummary) -> bool:
    """Whether training compute is a knob of a sweep."""
    return BUDGET_KNOB in sweep.record.spec.get("space", {})


def training_front(complete: Iterable[TrialSummary]) -> list[Buy]:
    """The complete trials that no other beats in accuracy and training FLOPs, by these.

    Of equals the first stands for all; those that solve nothing are left out.
    """
    found = [Buy(trial=trial, point=point) for trial, point in final_points(complete)]
    found.sort(key=lambda one: (one.training_flops, -one.point.exact_accuracy))
    front: list[Buy] = []
    for _, alike in groupby(found, key=lambda one: one.training_flops):
        best = next(alike)
        if best.point.exact_accuracy > (front[-1].point.exact_accuracy if front else 0.0):
            front.append(best)
    return front


def tendencies(front: Sequence[Buy]) -> list[Tendency]:
    """How the best values of knobs with numbers above zero move along a front that is long enough.

    A straight line in powers of ten, by the median of the slopes between all pairs of trials.
    """
    if len(front) < FEWEST:
        return []
    found = []
    for name in sorted(set[str]().union(*(one.trial.knobs for one in front)) - {BUDGET_KNOB}):
        values = [one.trial.knobs.get(name) for one in front]
        pairs = [
            (np.log10(one.training_flops), np.log10(value))
            for one, value in zip(front, values, strict=True)
            if isinstance(value, int | float) and not isinstance(value, bool) and value > 0
        ]
        if len(pairs) >= FEWEST and len(pairs) == len([v for v in values if v is not None]):
            x, y = zip(*pairs, strict=True)
            slope = float(theilslopes(y, x).slope)
            found.append(Tendency(knob=name, factor=float(10**slope)))
    return found
