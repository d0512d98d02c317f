"""Whole sweeps: `sweeps/run.py` as a user starts it, with real Ray, training and MLflow.

Starting Ray and its workers takes most of the time, so one finished sweep is shared by all tests
that only look, and sweeps that need not start a Ray of their own join one that all share.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from sweep_platform.store.folder import SweepFolder
from sweep_platform.tracking.mlflow_store import open_store

ROOT = Path(__file__).parents[3]
MARK = "SWEEP_TESTED_BY"
"""Environment variable by which every process that these tests start is known."""

PATIENCE = 600.0
SPACE = """\
name: tiny
dataset: {name: arc-agi-1, canvas: 3, tasks: 4, augmentations: 2, held_out: all}
space:
  N: {choices: [1, 2]}
  T: {choices: [1, 2]}
  M_max: {choices: [1, 2]}
  learning_rate: {choices: [1e-3, 1e30]}
model: {hidden_size: 32, H_layers: 1, L_layers: 1, head_dim: 32}
training: {batch_size: 8, warmup_steps: 0}
budget: {trials: 5, flops_per_trial: 4e9}
seed: 5
"""


def _wait_until(condition: Callable[[], Any], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Place:
    """A directory in which sweeps are started, with its space, puzzles and MLflow database."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.mark = secrets.token_hex(8)
        self.space = root / "tiny.yaml"
        self.space.write_text(SPACE)
        self.uri = f"sqlite:///{root}/mlflow.db"
        open_store(self.uri)

    def environment(self, role: str) -> dict[str, str]:
        """That of a user, but for a token of our own, so that Ray writes none to the home."""
        paths = [ROOT, ROOT / "platform", ROOT / "datasets"]
        kept = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
        return {
            **kept,
            MARK: self.mark + role,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.mark * 4,
        }

    def processes(self, role: str = "driver") -> list[psutil.Process]:
        """Every living process that was started from here in this role."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark + role and process.is_running():
                    found.append(process)
            except psutil.Error:
                continue
        return [p for p in found if p.status() != psutil.STATUS_ZOMBIE]

    def listening(self) -> set[str]:
        """The addresses at which a driver, and the Ray that it started, wait for others."""
        connections = [c for one in self.processes() for c in one.net_connections()]
        return {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}

    def workers(self) -> list[psutil.Process]:
        """The processes that run trials in a Ray that a driver started."""
        return [p for p in self.processes() if "ray::ImplicitFunc" in " ".join(p.cmdline())]


class Driver:
    """One start of `sweeps/run.py`, in a process group of its own."""

    def __init__(self, place: Place, *arguments: str) -> None:
        self.out = place.root / f"{secrets.token_hex(4)}.out"
        self.err = self.out.with_suffix(".err")
        command = [sys.executable, str(ROOT / "sweeps/run.py"), "--space", str(place.space)]
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = psutil.Popen(
                [*command, *arguments],
                cwd=place.root,
                env=place.environment("driver"),
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def wait(self, patience: float = PATIENCE) -> int:
        return int(self.process.wait(patience))

    def wait_until(self, condition: Callable[[], Any], patience: float = PATIENCE) -> None:
        """Wait for something to come of the sweep while the driver is at work."""
        _wait_until(lambda: condition() or self.process.poll() is not None, patience)
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        return self.out.read_text() + self.err.read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Mlflow:
    """What MLflow has of one sweep."""

    def __init__(self, uri: str, sweep: SweepFolder) -> None:
        self.client = MlflowClient(uri)
        experiment = self.client.get_experiment_by_name(sweep.root.name)
        assert experiment
        runs = list(self.client.search_runs([experiment.experiment_id]))
        self.parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
        self.trials = [run for run in runs if run not in self.parents]

    def by_signature(self) -> dict[str, Run]:
        """Runs of trials of one replicate; fails if a trial has two."""
        found = {run.data.tags["sweep.trial"]: run for run in self.trials}
        assert len(found) == len(self.trials)
        return found

    def by_replicate(self) -> dict[str, Run]:
        """Runs of replicates, by signature and label; fails if one has two."""
        names = ("sweep.trial", "sweep.replicate")
        found = {"/".join(run.data.tags[name] for name in names): run for run in self.trials}
        assert len(found) == len(self.trials)
        return found

    def points(self, run: Run, key: str) -> list[tuple[int, float]]:
        history = self.client.get_metric_history(run.info.run_id, key)
        return [(point.step, point.value) for point in sorted(history, key=lambda p: p.step)]


@pytest.fixture
def wait_until() -> Callable[[Callable[[], Any]], None]:
    """Waits for a condition, but not for ever."""
    return _wait_until


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("whole"))
    yield place
    _require_gone(place, "driver")


def _require_gone(place: Place, role: str) -> None:
    try:
        _wait_until(lambda: not place.processes(role))
    finally:
        for process in place.processes(role):
            process.kill()


@pytest.fixture
def mlflow_of(place: Place) -> Callable[..., Mlflow]:
    """Reads what MLflow has of a sweep; in the database beside it, or at a URI."""

    def mlflow_of(sweep: SweepFolder, uri: str = place.uri) -> Mlflow:
        return Mlflow(uri, sweep)

    return mlflow_of


@pytest.fixture
def start(place: Place) -> Iterator[Callable[..., Driver]]:
    """Starts a driver; one that still runs when the test ends is killed."""
    drivers: list[Driver] = []

    def start(*arguments: str) -> Driver:
        drivers.append(Driver(place, *arguments))
        return drivers[-1]

    yield start
    for driver in drivers:
        if driver.process.poll() is None:
            driver.kill()


@pytest.fixture(scope="session")
def finished(place: Place) -> tuple[Driver, SweepFolder]:
    """A sweep that nobody disturbed, and the driver that ran it."""
    driver = Driver(place)
    driver.wait()
    return driver, SweepFolder(place.root / "runs/tiny")


@pytest.fixture(scope="session")
def cluster(place: Place) -> Iterator[str]:
    """Address of a Ray that outlives its drivers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="ray") as folder:  # its sockets want a short path
        options = ["--head", "--block", "--num-cpus=2", "--include-dashboard=false"]
        options += ["--node-ip-address=127.0.0.1", f"--port={port}", f"--temp-dir={folder}"]
        options += ["--min-worker-port=0", "--max-worker-port=0", "--disable-usage-stats"]
        ray = psutil.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", *options],
            env=place.environment("cluster"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _wait_until(lambda: _open(port) or ray.poll() is not None)
        assert ray.poll() is None
        yield f"127.0.0.1:{port}"
        ray.send_signal(signal.SIGTERM)
        ray.wait(PATIENCE)
        _require_gone(place, "cluster")


def _open(port: int) -> bool:
    with socket.socket() as knock:
        return knock.connect_ex(("127.0.0.1", port)) == 0
