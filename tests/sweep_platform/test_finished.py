"""Whether a sweep that is resumed has anything left to do."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sweep_builders import first

from sweep_platform.commands.run import run
from sweep_platform.driver.finished import nothing_left
from sweep_platform.driver.request import Request, resolve
from sweep_platform.execution.cluster import Hardware
from sweep_platform.space.space_file import SpaceFile, overridden
from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.trial import Outcome, TrialState

LATER = 2_000_000_000
COSTLY = ("ray", "torch", "mlflow", "optuna", "sqlalchemy", "altair", "vl_convert")


@pytest.fixture
def finished(make_sweep: Any) -> SweepFolder:
    """A sweep that is done, reported and known to MLflow."""
    folder: SweepFolder = make_sweep(TrialState.COMPLETE, TrialState.STOPPED)
    record = folder.record()
    spec = overridden(record.spec, "toy", ()).public()
    folder.create(replace(record, spec=spec, root=str(folder.root)))
    folder.session_ended(SessionEnd.DONE)
    folder.report.mkdir()
    (folder.report / "report.html").touch()
    folder.session_told()
    return folder


def left(folder: SweepFolder, **options: Any) -> bool:
    """Whether anything is left to do."""
    asked = Request(space=SpaceFile.of({}), out=folder.root, resume=True, **options)
    return not nothing_left(resolve(asked, Hardware(())), asked)


def test_a_sweep_that_is_done_is_left_alone(finished: SweepFolder) -> None:
    assert not left(finished)
    assert not left(finished, settings=("budget.trials=2",))


def test_why_the_search_was_over_is_said_again(
    finished: SweepFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    finished.session_started()
    finished.session_ended(SessionEnd.DONE, over="the front gained nothing")
    finished.session_told()
    os.utime(finished.report / "report.html", (LATER, LATER))
    run(Request(space=SpaceFile.of({}), out=finished.root, resume=True))
    assert "over before its budget was spent: the front gained nothing" in capsys.readouterr().out


def test_a_sweep_whose_mirror_lacks_something_is_not_done(finished: SweepFolder) -> None:
    record = finished.record()
    storage = {"url": str(finished.root.parent / "store"), "mirror": True}
    spec = overridden({**record.spec, "storage": storage}, "toy", ()).public()
    finished.create(replace(record, spec=spec))
    os.utime(finished.report / "report.html", (LATER, LATER))
    assert left(finished)
    finished.session_mirrored()
    assert not left(finished)
    finished.session_started()
    finished.session_ended(SessionEnd.DONE)
    finished.session_told()
    assert left(finished), "the last session counts"


def go_on(folder: SweepFolder) -> None:
    folder.session_started()


def interrupt(folder: SweepFolder) -> None:
    folder.session_started()
    folder.session_ended(SessionEnd.INTERRUPTED)
    folder.session_told()


def leave_mlflow_behind(folder: SweepFolder) -> None:
    folder.session_started()
    folder.session_ended(SessionEnd.DONE)


def lose_the_report(folder: SweepFolder) -> None:
    (folder.report / "report.html").unlink()


def change_a_trial(folder: SweepFolder) -> None:
    os.utime(first(folder.trials()[0]).metrics, (LATER, LATER))


def pause_a_trial(folder: SweepFolder) -> None:
    trial = folder.trials()[0]
    (trial.root / "outcome.json").unlink()
    trial.end(Outcome(state=TrialState.PAUSED, reason="later", ended=1.0))
    os.utime(folder.report / "report.html", (LATER, LATER))


def lose_the_store(folder: SweepFolder) -> None:
    uri = f"sqlite:///{folder.root}/gone.db"
    folder.create(replace(folder.record(), tracking_uri=uri))
    os.utime(folder.report / "report.html", (LATER, LATER))


@pytest.mark.parametrize(
    "change",
    [
        go_on,
        interrupt,
        leave_mlflow_behind,
        lose_the_report,
        change_a_trial,
        pause_a_trial,
        lose_the_store,
    ],
)
def test_what_was_not_told_of_is_left_to_do(
    finished: SweepFolder, change: Callable[[SweepFolder], None]
) -> None:
    change(finished)
    assert left(finished)


@pytest.mark.parametrize(
    "options",
    [{"settings": ("budget.trials=3",)}, {"retry_failed": True}, {"tracking_uri": "sqlite:///x"}],
)
def test_what_is_asked_for_beyond_that_is_left_to_do(
    finished: SweepFolder, options: dict[str, Any]
) -> None:
    assert left(finished, **options)


def test_a_sweep_that_moved_is_recorded_anew(finished: SweepFolder, tmp_path: Path) -> None:
    assert left(SweepFolder(finished.root.rename(tmp_path / "moved")))


def test_nothing_costly_is_loaded_for_it(finished: SweepFolder) -> None:
    words = ["--space", "absent.yaml", "--out", str(finished.root), "--resume"]
    code = f"""
import sys
from sweep_platform.cli import main
status = main({words!r})
print(sorted(name for name in {COSTLY!r} if name in sys.modules))
sys.exit(status)
"""
    before = (finished.root / "sessions.jsonl").read_bytes()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    heading, report, loaded = done.stdout.splitlines()
    assert heading.startswith("Sweep toy")
    assert report == f"Report: {finished.report / 'report.html'}"
    assert loaded == "[]"
    assert (finished.root / "sessions.jsonl").read_bytes() == before
