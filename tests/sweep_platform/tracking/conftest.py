"""A tracker without a service, for tests of what calls one and of what a tracker has to do."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.summary import last_end
from sweep_platform.tracking.tracker import Tracker, TrackingError


@dataclass
class Service:
    """What a service shows of one sweep: reports by step, states, and names of files."""

    reports: dict[str, dict[int, int]] = field(default_factory=dict)
    """Training FLOPs by step, for each trial's signature."""
    states: dict[str, str] = field(default_factory=dict)
    """By signature; the sweep's own is empty."""
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
        for signature, sent in reports.items():
            self._service.reports.setdefault(signature, {}).update(sent)
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
        for signature, wanted in reports.items():
            missing += len(wanted.keys() - self._service.reports.get(signature, {}).keys())
        return missing

    def _reach(self) -> None:
        if self._service.away:
            raise ConnectionError("nobody answers")

    def _folder(self) -> tuple[dict[str, dict[int, int]], dict[str, str]]:
        sweep = last_end(self._sweep.sessions()) or "running"
        reports, states = {}, {"": sweep}
        for trial in self._sweep.trials():
            signature, outcome = trial.record().signature, trial.outcome()
            told = [measurement.progress for measurement in trial.measurements()]
            reports[signature] = {progress.step: progress.training_flops for progress in told}
            going = "running" if sweep == "running" else "interrupted"
            states[signature] = str(outcome.state) if outcome else going
        return reports, states


MakeTracker = Callable[[SweepFolder], Tracker]


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def make_memory_tracker(service: Service) -> MakeTracker:
    """Makes a tracker to `service`, as a session of the sweep does."""
    return lambda sweep: MemoryTracker(sweep, service)
