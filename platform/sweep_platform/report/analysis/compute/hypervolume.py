"""How the front grew as the sweep spent compute: its hypervolume, trial by trial.

That is the area below the front's steps: exact accuracy, from 0, times powers of ten of inference
FLOPs, up to the most that any point of a complete trial costs. All curves' points count, so that a
trial that solves as much after fewer segments adds to it.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass

from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.analysis.points import points
from sweep_platform.store.summary import SweepSummary


@dataclass(frozen=True, kw_only=True)
class Grown:
    """The front's hypervolume when a trial had ended.

    Attributes:
        trial: its number.
        training_flops: spent by then by all trials that had ended, stopped and failed ones too,
            confirmation aside, which comes later.
        hypervolume: accuracy times powers of ten of inference FLOPs, up to `reference`.
    """

    trial: int
    training_flops: int
    hypervolume: float


@dataclass(frozen=True, kw_only=True)
class Growth:
    """All trials that ended, in the order in which they did; `reference` in inference FLOPs."""

    reference: int
    trials: tuple[Grown, ...]


def growth(sweep: SweepSummary) -> Growth | Unknown:
    """How the hypervolume of the front grew."""
    costs = [point.inference_flops for trial in sweep.complete for point in points(trial)]
    if not costs:
        return Unknown("No growth of the front is given: no complete trial has been evaluated.")
    below = Steps(math.log10(max(costs)))
    spent, found = 0, []
    ended = [(one.ended, one.number, one) for one in sweep.trials if one.ended is not None]
    for *_, trial in sorted(ended, key=lambda one: one[:2]):
        spent += sum(
            one.last.training_flops
            for one in trial.replicates
            if one.last and one.replicate.purpose.of_search
        )
        for point in points(trial) if trial.complete else ():
            below.add(math.log10(point.inference_flops), point.exact_accuracy)
        found.append(
            Grown(
                trial=trial.number,
                training_flops=spent,
                hypervolume=below.area,
            )
        )
    return Growth(reference=max(costs), trials=tuple(found))


class Steps:
    """The steps of a front, which rise in cost and accuracy, and the area below them.

    Costs are in powers of ten, and count up to a `reference`.
    """

    def __init__(self, reference: float) -> None:
        self.area = 0.0
        self._costs, self._heights, self._reference = [reference], [math.inf], reference

    def add(self, cost: float, height: float) -> None:
        """Add a point: where it is dominated, nothing changes; those that it dominates go."""
        at = bisect_left(self._costs, cost, hi=len(self._costs) - 1)
        below = self._heights[at - 1] if at else 0.0
        here = self._costs[at] == cost and self._heights[at] < math.inf
        if height <= max(below, self._heights[at] if here else 0.0):
            return
        end, left = at, cost
        while self._heights[end] <= height:
            self.area += (self._costs[end] - left) * (height - below)
            left, below = self._costs[end], self._heights[end]
            end += 1
        self.area += (self._costs[end] - left) * (height - below)
        self._costs[at:end], self._heights[at:end] = [cost], [height]
