"""The floor of a sweep's puzzles, and whether the best accuracy beats it."""

from puzzle_datasets.common.records import record_from
from puzzle_datasets.kinds.floors import FloorResult, best_floor
from sweep_platform.report.analysis.effects import confirmed
from sweep_platform.report.analysis.intervals import Interval, interval_from, interval_of
from sweep_platform.report.analysis.points import best
from sweep_platform.store.summary import SweepSummary


def floor_of(sweep: SweepSummary) -> FloorResult | None:
    """The floor of the sweep's puzzles that is hardest to beat; None where none is recorded."""
    recorded = sweep.record.dataset.get("floors", ())
    return best_floor(record_from(one, FloorResult) for one in recorded)


def best_interval(sweep: SweepSummary) -> Interval | None:
    """The 95 % interval of the accuracy that the headline quotes; None where it has none."""
    if confirmations := confirmed(sweep):
        found = confirmations[0]
        return interval_from(found.accuracy, found.evaluation)
    picked = best(sweep.complete) or best(sweep.trials)
    return interval_of(sweep, picked[1]) if picked else None
