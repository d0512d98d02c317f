"""The background thread: trouble with a service is told once, and stops nothing."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from trackers import report_again

from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.tracking.tracker import TrackerThread

MakeSweep = Callable[..., SweepFolder]
PATIENCE = 120.0
"""Seconds after which a test fails that waits for what never comes."""


class Watched:
    """A tracker that tells of each attempt to sync, and can be made to wait in one."""

    def __init__(self, tracker: Any) -> None:
        self._tracker = tracker
        self._attempted = threading.Condition()
        self.attempts = 0
        self.may_sync = threading.Event()
        self.may_sync.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tracker, name)

    def sync(self) -> None:
        with self._attempted:
            self.attempts += 1
            self._attempted.notify_all()
        self.may_sync.wait(PATIENCE)
        self._tracker.sync()

    def wait_for_attempts(self, count: int) -> None:
        """Return when so many attempts have begun, and so all but the last have ended."""
        with self._attempted:
            assert self._attempted.wait_for(lambda: self.attempts >= count, PATIENCE)


def test_an_outage_is_told_once_and_made_up_for(
    make_sweep: MakeSweep, make_memory_tracker: Any, service: Any
) -> None:
    sweep = make_sweep(None)
    sweep.report.mkdir()
    tracker = Watched(make_memory_tracker(sweep))
    notes: SimpleQueue[str] = SimpleQueue()
    thread = TrackerThread(tracker, notes.put, period=0.001)
    thread.start()
    tracker.wait_for_attempts(2)
    assert tracker.unsent() == 0

    service.away = True
    assert notes.get(timeout=PATIENCE) == (
        "the service takes nothing (nobody answers); training goes on, and what is missed is sent"
        " when it is back."
    )
    report_again(sweep.trials()[0], 110)
    tracker.wait_for_attempts(tracker.attempts + 3)
    assert (tracker.unsent(), notes.empty()) == (1, True)

    service.away = False
    assert notes.get(timeout=PATIENCE) == "the service is back and has what was missed."
    sweep.session_ended(SessionEnd.DONE)
    assert thread.stop(PATIENCE) == 0
    assert notes.empty()
    assert service.states[""] == "done"
    assert service.files == {"sweep.json"}


def test_stopping_does_not_wait_for_a_service_that_hangs(
    make_sweep: MakeSweep, make_memory_tracker: Any
) -> None:
    tracker = Watched(make_memory_tracker(make_sweep(None)))
    tracker.may_sync.clear()
    thread = TrackerThread(tracker, lambda text: None)
    thread.start()
    tracker.wait_for_attempts(1)
    missing = tracker.unsent()
    assert missing > 0
    assert thread.stop(patience=0.01) == missing
    tracker.may_sync.set()


def test_stopping_gives_up_on_a_service_that_is_away(
    make_sweep: MakeSweep, make_memory_tracker: Any, service: Any
) -> None:
    service.away = True
    notes: list[str] = []
    thread = TrackerThread(make_memory_tracker(make_sweep(None)), notes.append, period=0.001)
    thread.start()
    assert thread.stop(patience=0.01) > 0
    assert len(notes) <= 1


def test_files_that_a_service_takes_slowly_are_waited_for(
    make_sweep: MakeSweep, make_memory_tracker: Any, service: Any
) -> None:
    filing, noted = threading.Event(), threading.Event()

    class Slow(Watched):
        def send_files(self) -> None:
            filing.set()
            assert noted.wait(PATIENCE)
            self._tracker.send_files()

    sweep, notes = make_sweep(None), []

    def note(text: str) -> None:
        notes.append(text)
        noted.set()

    tracker = Slow(make_memory_tracker(sweep))
    sweep.report.mkdir()
    thread = TrackerThread(tracker, note, period=0.001)
    thread.start()
    thread.stop(patience=0, in_a_hurry=lambda: True)
    assert filing.wait(PATIENCE)
    assert thread.stop(patience=0) == 0
    assert notes == ["the service is still taking the report and the models."]
    assert service.files == {"sweep.json"}


def test_a_report_that_cannot_be_stored_is_only_noted(
    make_sweep: MakeSweep, make_memory_tracker: Any
) -> None:
    class Refusing(Watched):
        def send_files(self) -> None:
            raise PermissionError("no rights")

    notes: list[str] = []
    thread = TrackerThread(Refusing(make_memory_tracker(make_sweep(None))), notes.append)
    thread.start()
    assert thread.stop(PATIENCE) == 0
    [note] = notes
    assert "does not take all of report and models (no rights)" in note
