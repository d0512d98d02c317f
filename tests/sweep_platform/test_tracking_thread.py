"""The background mirror against a real MLflow server, which comes and goes."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from hrm.progress import Progress
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.trial import Outcome, TrialState
from sweep_platform.tracking.thread import MirrorThread, MlflowMirror, TrackingError, open_store

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")

MakeSweep = Callable[..., SweepFolder]


class Server:
    """`mlflow server` on this machine, on one port for all its starts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        store = ["--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db"]
        store += ["--artifacts-destination", str(self._folder / "artifacts")]
        address = ["--host", "127.0.0.1", "--port", str(self._port), "--workers", "1"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *store, *address],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(self._healthy)

    def _healthy(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=2):
            return True
        return False

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()

    def signal(self, number: int) -> None:
        os.killpg(self._process.pid, number)


def wait_until(condition: Callable[[], bool], patience: float = 120) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    open_store(f"sqlite:///{folder}/mlflow.db")
    server = Server(folder)
    server.start()
    yield server
    server.kill()


def report(sweep: SweepFolder, step: int) -> None:
    [trial] = sweep.trials()
    last: Progress = list(trial.measurements())[-1].progress
    trial.append(replace(last, step=step, training_flops=step * 1_000_000))


def steps_in_mlflow(sweep: SweepFolder, uri: str) -> list[int]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(sweep.record().name)
    assert experiment
    runs = client.search_runs([experiment.experiment_id])
    [trial] = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    return [m.step for m in client.get_metric_history(trial.info.run_id, "training_flops")]


def statuses(sweep: SweepFolder, uri: str) -> set[str]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(sweep.record().name)
    assert experiment
    return {run.info.status for run in client.search_runs([experiment.experiment_id])}


def test_a_server_killed_in_mid_sweep_gets_all_once_it_is_back(
    make_sweep: MakeSweep, server: Server
) -> None:
    sweep = make_sweep(None, name="outage")
    mirror = MlflowMirror(sweep, server.uri)
    mirror.check()
    notes: list[str] = []
    thread = MirrorThread(mirror, notes.append, period=0.1)
    thread.start()
    wait_until(lambda: mirror.unsent() == 0)

    server.kill()
    report(sweep, 110)
    wait_until(lambda: len(notes) == 1)
    report(sweep, 120)
    time.sleep(0.5)
    assert mirror.unsent() == 2
    assert len(notes) == 1
    assert notes[0].startswith(f"MLflow at {server.uri} takes nothing (")
    assert "Connection refused" in notes[0]
    assert "training goes on" in notes[0]

    server.start()
    wait_until(lambda: mirror.unsent() == 0)
    sweep.trials()[0].end(Outcome(state=TrialState.COMPLETE, reason="spent", ended=1.79e9))
    sweep.session_ended("done")
    assert thread.stop() == 0
    assert notes[1:] == [f"MLflow at {server.uri} is back and has what was missed."]
    assert steps_in_mlflow(sweep, server.uri) == [45, 50, 70, 75, 95, 100, 110, 120]
    assert statuses(sweep, server.uri) == {"FINISHED"}


def test_what_a_hanging_server_misses_is_sent_at_resume(
    make_sweep: MakeSweep, server: Server
) -> None:
    sweep = make_sweep(None, name="resume")
    mirror = MlflowMirror(sweep, server.uri)
    mirror.check()
    mirror.sync()
    server.signal(signal.SIGSTOP)
    report(sweep, 110)
    sweep.session_ended("interrupted")
    thread = MirrorThread(mirror, lambda text: None, period=0.1)
    thread.start()
    assert thread.stop(patience=0.5) == 3  # a report, and how trial and sweep stand
    with pytest.raises(TrackingError, match="does not answer"):
        MlflowMirror(sweep, server.uri).check()

    server.signal(signal.SIGCONT)
    again = MlflowMirror(sweep, server.uri)
    again.check()
    thread = MirrorThread(again, lambda text: None)
    thread.start()
    assert thread.stop() == 0
    assert steps_in_mlflow(sweep, server.uri) == [45, 50, 70, 75, 95, 100, 110]
    assert statuses(sweep, server.uri) == {"KILLED"}


def test_the_report_is_stored_when_the_thread_stops(make_sweep: MakeSweep, server: Server) -> None:
    sweep = make_sweep(TrialState.COMPLETE, name="files")
    sweep.report.mkdir()
    (sweep.report / "report.md").write_text("# Files\n")
    sweep.session_ended("done")
    mirror = MlflowMirror(sweep, server.uri)
    mirror.check()
    notes: list[str] = []
    thread = MirrorThread(mirror, notes.append)
    thread.start()
    assert thread.stop() == 0
    assert notes == []
    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name("files")
    assert experiment
    [parent] = client.search_runs([experiment.experiment_id], "metrics.trials_complete = 1")
    stored = {file.path for file in client.list_artifacts(parent.info.run_id, "report")}
    assert stored == {"report/report.md"}


def test_a_report_that_cannot_be_stored_is_only_noted(
    make_sweep: MakeSweep, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError("no rights")

    monkeypatch.setattr(MlflowClient, "log_artifact", refuse)
    sweep = make_sweep(TrialState.COMPLETE, name="refused")
    sweep.session_ended("done")
    mirror = MlflowMirror(sweep, server.uri)
    mirror.check()
    notes: list[str] = []
    thread = MirrorThread(mirror, notes.append)
    thread.start()
    assert thread.stop() == 0
    assert notes == ["The report was not copied to MLflow's artifacts (no rights)."]
