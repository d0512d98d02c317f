"""A sweep whose MLflow server goes away."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sweep_platform.store.folder import SweepFolder
from sweep_platform.tracking.mlflow_store import open_store

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")


class Server:
    """`mlflow server` on this machine, on one port for all its starts."""

    def __init__(self, folder: Path) -> None:
        self._store = f"sqlite:///{folder}/served.db"
        self._artifacts = str(folder / "artifacts")
        open_store(self._store)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        options = ["--backend-store-uri", self._store, "--artifacts-destination", self._artifacts]
        options += ["--host", "127.0.0.1", "--port", str(self._port), "--workers", "1"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def answers(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=2):
            return True
        return False

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def server(place: Any) -> Iterator[Server]:
    server = Server(place.root)
    server.start()
    yield server
    server.kill()


def test_what_a_server_missed_is_sent_by_a_resume_that_starts_nothing(
    place: Any,
    start: Callable[..., Any],
    wait_until: Callable[..., None],
    cluster: str,
    server: Server,
    mlflow_of: Any,
) -> None:
    sweep = SweepFolder(place.root / "runs/tracked")
    here = ("--out", "runs/tracked", "--address", cluster)
    wait_until(server.answers)
    first = start(*here, "--trials", "3", "--tracking-uri", server.uri)
    first.wait_until(lambda: any(trial.last_step() for trial in sweep.trials()))
    server.kill()
    assert first.wait() == 0, first.said()
    assert first.err.read_text() == ""
    assert first.said().count("takes nothing") == 1
    assert "run again with --resume when" in first.said()
    assert all(trial.outcome() for trial in sweep.trials())

    server.start()
    wait_until(server.answers)
    second = start(*here, "--resume")
    assert second.wait() == 0, second.said()
    events = second.out.read_text().splitlines()
    assert [line.partition(" ")[0] for line in events] == ["Sweep", "Report:"]
    mlflow = mlflow_of(sweep, server.uri)
    assert [run.info.status for run in mlflow.parents] == ["FINISHED"]
    runs = mlflow.by_signature()
    assert len(runs) == len(sweep.trials()) == 3
    for trial in sweep.trials():
        run = runs[trial.record().signature]
        assert run.info.status != "RUNNING"
        sent = mlflow.points(run, "training_flops")
        reports = [m.progress for m in trial.measurements()]
        assert sent == [(report.step, report.training_flops) for report in reports]
