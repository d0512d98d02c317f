"""The 95 % interval of an accuracy: over seeds and tasks, or over puzzles where seeds are few."""

from dataclasses import dataclass

from hrm.evaluation.wilson import wilson
from sweep_platform.report.analysis.difference import Difference
from sweep_platform.report.analysis.evidence import evidence_of
from sweep_platform.report.analysis.points import Point
from sweep_platform.store.summary import SweepSummary, TrialSummary


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Between these the accuracy lies; `over_seeds` says whether for other seeds as well."""

    low: float
    high: float
    over_seeds: bool

    @property
    def words(self) -> str:
        """It in percent.

        >>> Interval(low=0.105, high=0.348, over_seeds=True).words
        '10.5 to 34.8 %'
        """
        return f"{100 * self.low:.1f} to {100 * self.high:.1f} %"


def interval_of(sweep: SweepSummary, point: Point) -> Interval:
    """That of a trial's replicates after so many segments."""
    trial = next(one for one in sweep.trials if one.number == point.trial)
    found = evidence_of(sweep).after(trial, point.segments)
    if found is None:
        found = Difference(mean=point.exact_accuracy, seeds=len(trial.accuracies), tasks=0)
    return interval_from(found, trial, point.puzzles)


def interval_from(accuracy: Difference, trial: TrialSummary, puzzles: int) -> Interval:
    """Its own interval where it has one, else Wilson's.

    That counts each puzzle once; the views and pairs of one ARC task are no independent ones, so
    that there it counts tasks.
    """
    if accuracy.low is not None and accuracy.high is not None:
        low, high = max(0.0, accuracy.low), min(1.0, accuracy.high)
        return Interval(low=low, high=high, over_seeds=True)
    low, high = wilson(accuracy.mean, trial.votes.tasks if trial.votes else puzzles)
    return Interval(low=low, high=high, over_seeds=False)
