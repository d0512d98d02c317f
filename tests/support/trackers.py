"""Trackers and their services for tests: one in memory, and MLflow's server."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sweep_builders import first

from hrm.progress import Measurement
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.summary import last_end
from sweep_platform.store.trial import Outcome, ReplicateFolder, TrialFolder
from sweep_platform.tracking.tracker import TrackingError


def report_again(trial: TrialFolder, step: int, **changes: Any) -> None:
    """Add a report to a trial's first replicate: its last, at this step, with these changes."""
    folder = first(trial)
    last = list(folder.measurements())[-1]
    total = max(step, last.progress.total_steps)
    spent = {"step": step, "total_steps": total, "training_flops": step * 1_000_000}
    progress = replace(last.progress, **spent, **changes)
    folder.append([Measurement(time_ms=last.time_ms + 1, progress=progress)])


def replicates_of(sweep: SweepFolder) -> dict[str, ReplicateFolder]:
    """Every replicate that was begun, by its trial's signature and its label."""
    return {
        f"{trial.record().signature}/{replicate.label}": replicate
        for trial in sweep.trials()
        for replicate in trial.replicates()
    }


@dataclass
class Service:
    """What a service shows of one sweep: reports by step, states, and names of files."""

    reports: dict[str, dict[int, int]] = field(default_factory=dict)
    """Training FLOPs by step, for each replicate by signature and label."""
    states: dict[str, str] = field(default_factory=dict)
    """By signature and label; the sweep's own is empty."""
    files: set[str] = field(default_factory=set)
    away: bool = False


class MemoryTracker:
    """A tracker whose service is an object in this process."""

    def __init__(self, sweep: SweepFolder, service: Service) -> None:
        self._sweep, self._service = sweep, service

    @property
    def name(self) -> str:
        return "the service"

    def check(self) -> None:
        if self._service.away:
            raise TrackingError.of_address("memory://", "does not answer", "start it")
        self._service.states.setdefault("", "running")

    def sync(self) -> None:
        self._reach()
        reports, states = self._folder()
        for name, sent in reports.items():
            self._service.reports.setdefault(name, {}).update(sent)
        self._service.states |= states

    def send_files(self) -> None:
        self._reach()
        self._service.files |= {
            "sweep.json",
            *(path.name for path in self._sweep.report.iterdir()),
        }

    def unsent(self) -> int:
        reports, states = self._folder()
        missing = sum(self._service.states.get(name) != state for name, state in states.items())
        for name, wanted in reports.items():
            missing += len(wanted.keys() - self._service.reports.get(name, {}).keys())
        return missing

    def _reach(self) -> None:
        if self._service.away:
            raise ConnectionError("nobody answers")

    def _folder(self) -> tuple[dict[str, dict[int, int]], dict[str, str]]:
        end = last_end(self._sweep.sessions())
        sweep = end.value if end else "running"
        reports, states = {}, {"": sweep}
        for name, replicate in replicates_of(self._sweep).items():
            reports[name] = {
                measurement.progress.step: measurement.progress.training_flops
                for measurement in replicate.measurements()
            }
            states[name] = _state(replicate.outcome(), running=sweep == "running")
        return reports, states


class MlflowServer:
    """`mlflow server` on this machine, on one port for all its starts.

    Its database is a copy of a file, or the one at an address.
    """

    def __init__(self, folder: Path, database: Path | str) -> None:
        if isinstance(database, Path):
            database = f"sqlite:///{shutil.copy(database, folder / 'served.db')}"
        self._store = database
        self._artifacts = str(folder / "artifacts")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and return when it answers."""
        options = ["--backend-store-uri", self._store, "--artifacts-destination", self._artifacts]
        options += ["--host", "127.0.0.1", "--port", str(self._port), "--workers", "1"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while not self._answers():
            assert self._process.poll() is None, "the server ended before it answered"
            time.sleep(0.05)

    def _answers(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=10):
            return True
        return False

    def signal(self, number: int) -> None:
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()


def _state(outcome: Outcome | None, *, running: bool) -> str:
    if outcome is None:
        return "running" if running else "interrupted"
    return outcome.state.value
