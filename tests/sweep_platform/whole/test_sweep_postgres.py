"""A sweep whose study and MLflow server lie in PostgreSQL, which is away, hangs and is slow."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from postgres import Postgres, installed
from sweep_builders import first
from trackers import MlflowServer, replicates_of

from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.trial import TrialState

pytestmark = [
    pytest.mark.slow,
    pytest.mark.chaos,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
    pytest.mark.skipif(not installed(), reason="PostgreSQL's server is not installed"),
]

AWAY = 15.0
"""Seconds that the database is gone, that it hangs, and that it is slow."""
LATE = 0.25
"""Seconds by which whatever is said comes late, either way, where the database is slow."""


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="pg") as folder:  # its sockets want a short path
        Path(folder).chmod(0o755)
        database = Postgres(Path(folder))
        monkeypatch.setenv("PGPASSFILE", str(database.passfile))
        yield database
        database.stop()
        database.gate.close()


@pytest.fixture
def server(place: Any, database: Postgres) -> Iterator[MlflowServer]:
    server = MlflowServer(place.root, database.url("mlflow"))
    server.start()
    yield server
    server.kill()


def test_a_database_that_is_away_hangs_and_is_slow_costs_nothing(
    place: Any,
    start: Callable[..., Any],
    cluster: str,
    database: Postgres,
    server: MlflowServer,
    mlflow_of: Any,
) -> None:
    sweep = SweepFolder(place.root / "runs/postgres")
    study = ("--set", f"search.storage={database.url('optuna')}", "--tracking-uri", server.uri)
    amount = ("--set", "budget.trials=8", "--set", "space.learning_rate.choices=[1e-3]")
    driver = start("--out", "runs/postgres", *study, *amount, "--address", cluster)
    driver.wait_until(lambda: len(sweep.trials()) > 1 and first(sweep.trials()[0]).last_step)
    database.stop()
    time.sleep(AWAY)
    database.start()
    driver.wait_until(lambda: len(ended(sweep)) > 2)
    database.freeze()
    time.sleep(AWAY)
    database.thaw()
    driver.wait_until(lambda: len(ended(sweep)) > 3)
    database.gate.delay = LATE
    time.sleep(AWAY)
    assert driver.process.poll() is None, driver.said()
    database.gate.delay = 0.0
    commands = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    assert driver.wait() == 0, driver.said()
    assert driver.err.read_text() == ""

    assert [session.end for session in sweep.sessions()] == [SessionEnd.DONE]
    assert ended(sweep) == [TrialState.COMPLETE] * 8
    mlflow = mlflow_of(sweep, server.uri)
    runs = mlflow.by_replicate()
    assert len(runs) == 8
    for name, folder in replicates_of(sweep).items():
        assert runs[name].info.status == "FINISHED"
        sent = mlflow.points(runs[name], "training_flops")
        reports = [measured.progress for measured in folder.measurements()]
        assert sent == [(report.step, report.training_flops) for report in reports]

    hidden = database.password
    assert not [command for command in commands if hidden in command]
    assert hidden not in driver.said()
    kept = (path for path in (place.root / "runs/postgres").rglob("*") if path.is_file())
    assert not [path for path in kept if hidden.encode() in path.read_bytes()]


def ended(sweep: SweepFolder) -> list[TrialState]:
    outcomes = (trial.outcome() for trial in sweep.trials())
    return [outcome.state for outcome in outcomes if outcome is not None]
