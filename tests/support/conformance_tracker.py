"""The contract of trackers as tests, which every implementation inherits.

See `sweep_platform.tracking.tracker.Tracker`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest
from sweep_builders import first
from trackers import replicates_of, report_again

from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.trial import Outcome, TrialState
from sweep_platform.tracking.tracker import Tracker, TrackingError

COMPLETE, STOPPED = TrialState.COMPLETE, TrialState.STOPPED
PAUSED = TrialState.PAUSED
MakeSweep = Callable[..., SweepFolder]


@dataclass(frozen=True)
class Shown:
    """What the service shows: training FLOPs by step for each replicate, states, names of files.

    Replicates are named by signature and label, and the sweep itself is the empty one.
    """

    reports: dict[str, list[tuple[int, int]]]
    states: dict[str, str]
    files: set[str]


class TrackerConformance:
    """The contract. A subclass has fixtures for its tracker and for a look at its service."""

    @pytest.fixture
    def make(self) -> Callable[[SweepFolder], Tracker]:
        """Makes a tracker to the one service, as each session of a sweep does."""
        raise NotImplementedError

    @pytest.fixture
    def shown(self) -> Callable[[SweepFolder], Shown]:
        """Reads what the service shows of a sweep."""
        raise NotImplementedError

    @pytest.fixture
    def away(self) -> Callable[[], AbstractContextManager[None]]:
        """Makes a context within which the service takes nothing."""
        raise NotImplementedError

    def test_all_of_a_sweep_is_sent(self, make_sweep: MakeSweep, make: Any, shown: Any) -> None:
        sweep = make_sweep(COMPLETE, STOPPED, None)
        tracker = make(sweep)
        tracker.check()
        assert tracker.unsent() >= reports_of(sweep)
        tracker.sync()
        assert tracker.unsent() == 0
        assert_same(shown(sweep), sweep, "running", ["complete", "stopped", "running"])

    def test_each_replicate_is_sent_by_itself(
        self, make_sweep: MakeSweep, make: Any, shown: Any
    ) -> None:
        sweep = make_sweep(COMPLETE, None, replicates=2)
        synced(make(sweep))
        states = ["complete", "complete", "running", "running"]
        assert_same(shown(sweep), sweep, "running", states)

    def test_what_is_new_is_counted_and_sent(
        self, make_sweep: MakeSweep, make: Any, shown: Any
    ) -> None:
        sweep = make_sweep(None, COMPLETE)
        tracker = synced(make(sweep))
        report_again(sweep.trials()[0], 110)
        end(sweep)
        sweep.session_ended(SessionEnd.DONE)
        assert tracker.unsent() == 3  # a report, the end of its trial, and that of the sweep
        tracker.sync()
        assert tracker.unsent() == 0
        assert_same(shown(sweep), sweep, "done", ["complete", "complete"])

    def test_a_new_session_sends_nothing_twice(
        self, make_sweep: MakeSweep, make: Any, shown: Any
    ) -> None:
        sweep = make_sweep(COMPLETE, None)
        synced(make(sweep))
        before = shown(sweep)
        again = synced(make(sweep))
        again.sync()
        assert again.unsent() == 0
        assert shown(sweep) == before

    def test_an_interrupted_sweep_leaves_nothing_running_until_it_is_resumed(
        self, make_sweep: MakeSweep, make: Any, shown: Any
    ) -> None:
        sweep = make_sweep(COMPLETE, None)
        tracker = synced(make(sweep))
        sweep.session_ended(SessionEnd.INTERRUPTED)
        tracker.sync()
        assert_same(shown(sweep), sweep, "interrupted", ["complete", "interrupted"])
        sweep.session_started()
        synced(make(sweep))
        assert_same(shown(sweep), sweep, "running", ["complete", "running"])

    def test_a_paused_trial_is_shown_as_such_also_when_its_sweep_has_ended(
        self, make_sweep: MakeSweep, make: Any, shown: Any
    ) -> None:
        sweep = make_sweep(None)
        end(sweep, PAUSED)
        tracker = synced(make(sweep))
        assert_same(shown(sweep), sweep, "running", ["paused"])
        sweep.session_ended(SessionEnd.DONE)
        tracker.sync()
        assert_same(shown(sweep), sweep, "done", ["paused"])

    def test_what_a_service_missed_is_sent_when_it_is_back(
        self, make_sweep: MakeSweep, make: Any, shown: Any, away: Any
    ) -> None:
        sweep = make_sweep(None)
        tracker = synced(make(sweep))
        with away():
            report_again(sweep.trials()[0], 110)
            for _ in range(2):
                with pytest.raises(Exception):  # noqa: B017 - any, says the contract
                    tracker.sync()
            assert tracker.unsent() == 1
        tracker.sync()
        assert tracker.unsent() == 0
        assert_same(shown(sweep), sweep, "running", ["running"])

    def test_a_service_that_is_away_is_an_error_of_the_user(
        self, make_sweep: MakeSweep, make: Any, away: Any
    ) -> None:
        with away(), pytest.raises(TrackingError):
            make(make_sweep(None)).check()

    def test_record_and_report_are_stored(
        self, make_sweep: MakeSweep, make: Any, shown: Any
    ) -> None:
        sweep = make_sweep(COMPLETE)
        sweep.report.mkdir()
        (sweep.report / "report.md").write_text("# Toy\n")
        synced(make(sweep)).send_files()
        assert shown(sweep).files >= {"sweep.json", "report.md"}


def synced(tracker: Tracker) -> Tracker:
    tracker.check()
    tracker.sync()
    return tracker


def end(sweep: SweepFolder, state: TrialState = COMPLETE) -> None:
    """Let the first trial, of one replicate, end or pause."""
    first(sweep.trials()[0]).end(Outcome(state=state, reason="so it is", ended=1_790_000_200.0))


def reports_of(sweep: SweepFolder) -> int:
    return sum(len(list(one.measurements())) for one in replicates_of(sweep).values())


def assert_same(shown: Shown, sweep: SweepFolder, state: str, replicates: list[str]) -> None:
    """The service shows what the folder holds, nothing twice, and the given states."""
    folders = replicates_of(sweep)
    assert shown.reports == {
        name: [(m.progress.step, m.progress.training_flops) for m in folder.measurements()]
        for name, folder in folders.items()
    }
    assert shown.states == {"": state, **dict(zip(folders, replicates, strict=True))}
