"""The end of a session whose cluster is lost: what can be recorded is, and the process ends."""

import os
from types import SimpleNamespace
from typing import Any

import pytest
from sweep_builders import SHAPE

from puzzle_datasets.common.exit_status import INTERRUPTED
from sweep_platform.driver import session as module
from sweep_platform.driver.ending import Once
from sweep_platform.driver.session import SweepSession
from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.trial import TrialState


class Told:
    """A display and a tracker that keep what they are told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.closed = self.stopped = False

    def note(self, text: str) -> None:
        self.notes.append(text)

    def close(self) -> None:
        self.closed = True

    def stop(self, in_a_hurry: object = None) -> int:
        self.stopped = True
        return 0


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Statuses with which this process was to end."""
    statuses: list[int] = []
    monkeypatch.setattr(os, "_exit", statuses.append)
    return statuses


def lose(folder: SweepFolder, spec: Any) -> Told:
    """What is told of the loss of a cluster's head."""
    session, told = object.__new__(SweepSession), Told()
    session.folder, session.spec, session._storage = folder, spec, None
    session.puzzles = SimpleNamespace(shape=SHAPE)  # type: ignore[assignment]
    finish = Once(lambda end: session._finish(end, told, told))  # type: ignore[arg-type]
    session._lost(told, finish)  # type: ignore[arg-type]
    return told


def test_a_lost_head_leaves_an_end_and_a_report(
    make_sweep: Any, make_spec: Any, exits: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_sweep(TrialState.COMPLETE, None)
    told = lose(folder, make_spec())
    assert exits == [INTERRUPTED]
    assert folder.sessions()[-1].end is SessionEnd.INTERRUPTED
    assert (folder.report / "report.html").exists()
    assert "--resume goes on" in capsys.readouterr().out
    assert told.closed
    assert told.stopped


def test_the_process_ends_whatever_cannot_be_done(
    make_sweep: Any, make_spec: Any, exits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> None:
        raise RuntimeError("no report today")

    monkeypatch.setattr(module, "write_report", broken)
    monkeypatch.setattr(module, "last_words", broken)
    with pytest.raises(RuntimeError):
        lose(folder := make_sweep(TrialState.COMPLETE), make_spec())
    assert exits == [INTERRUPTED]
    assert folder.sessions()[-1].end is SessionEnd.INTERRUPTED
