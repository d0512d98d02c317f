"""The 95 % interval of an accuracy: over seeds and tasks, or over puzzles where seeds are few."""

from dataclasses import dataclass, replace

from hrm.evaluation.wilson import wilson
from sweep_platform.report.analysis.difference import Difference
from sweep_platform.report.analysis.evidence import Confirmed, evidence_of
from sweep_platform.report.analysis.points import Point
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.summary import Evaluation, SweepSummary, TrialSummary


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
    return interval_from(found, trial.evaluations[-1])


def interval_from(accuracy: Difference, evaluation: Evaluation) -> Interval:
    """Its own interval where it has one, else Wilson's over what was evaluated.

    That counts tasks, where the answers or a vote tell how many: the views and pairs of one ARC
    task are no independent ones.
    """
    if accuracy.low is not None and accuracy.high is not None:
        low, high = max(0.0, accuracy.low), min(1.0, accuracy.high)
        return Interval(low=low, high=high, over_seeds=True)
    voted = evaluation.votes.tasks if evaluation.votes else evaluation.curve.puzzles
    low, high = wilson(accuracy.mean, accuracy.tasks or voted)
    return Interval(low=low, high=high, over_seeds=False)


def measured_accuracy(sweep: SweepSummary, trial: TrialSummary) -> Difference:
    """The accuracy of an evaluated trial over its own replicates, with its interval."""
    found = evidence_of(sweep).accuracy(trial, Purpose.MEASURE)
    return _with(interval_from(found, trial.evaluations[-1]), found)


def confirmed_accuracy(found: Confirmed) -> Difference:
    """The accuracy of a confirmed trial over its fresh seeds, with its interval."""
    return _with(interval_from(found.accuracy, found.evaluation), found.accuracy)


def _with(interval: Interval, accuracy: Difference) -> Difference:
    return replace(accuracy, low=interval.low, high=interval.high)
