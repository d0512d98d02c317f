"""The floor of a sweep's puzzles, and whether the best accuracy beats it."""

from hrm.evaluation.wilson import wilson
from puzzle_datasets.common.records import record_from
from puzzle_datasets.kinds.floors import FloorResult, best_floor
from sweep_platform.report.analysis.effects import confirmed, measured
from sweep_platform.report.analysis.points import best
from sweep_platform.store.summary import SweepSummary


def floor_of(sweep: SweepSummary) -> FloorResult | None:
    """The floor of the sweep's puzzles that is hardest to beat; None where none is recorded."""
    recorded = sweep.record.dataset.get("floors", ())
    return best_floor(record_from(one, FloorResult) for one in recorded)


def best_interval(sweep: SweepSummary) -> tuple[float, float] | None:
    """The 95 % interval of the accuracy that the headline quotes; None where it has none.

    Over seeds and tasks where there are enough, else Wilson's over puzzles, of which several
    views count as one.
    """
    if confirmations := confirmed(sweep):
        found, accuracy = confirmations[0].trial, confirmations[0].accuracy
        puzzles = confirmations[0].puzzles
    else:
        picked = best(sweep.complete) or best(sweep.trials)
        if picked is None:
            return None
        found, accuracy, puzzles = picked[0], measured(sweep, picked[0]), picked[1].puzzles
    if accuracy.low is not None and accuracy.high is not None:
        return accuracy.low, accuracy.high
    return wilson(accuracy.mean, found.votes.inputs if found.votes else puzzles)
