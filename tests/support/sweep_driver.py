"""One session's decisions without Ray: trials report when a test says so."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import optuna
import pytest
from sweep_builders import TOTAL, measurement, opened, points_of, sweep_record

from hrm.progress import Progress
from sweep_platform.plan.budget import Budget
from sweep_platform.plan.spending import Rates, spending_of
from sweep_platform.search.losses import LONGEST_REST, Hosts, Losses
from sweep_platform.search.scheduler import TrialScheduler
from sweep_platform.search.stages.live import Job
from sweep_platform.search.stages.silence import Silence
from sweep_platform.search.steering.extending import Extending
from sweep_platform.search.steering.steering import Steering
from sweep_platform.search.studies.study import Study
from sweep_platform.space.knobs import size
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.messages import Decision, Failure, TrialReport
from sweep_platform.store.steering.messages import Answer, Verb
from sweep_platform.store.trial import (
    Outcome,
    ReplicateFolder,
    TrialFolder,
    TrialRecord,
    TrialState,
)


class FakeDisplay:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def job_started(self, job: Job, resumed: bool = False) -> None:
        self.events.append(("started", self.name(job), resumed))

    def job_measured(self, job: Job, progress: Progress) -> None:
        self.events.append(("measured", self.name(job), progress.step))

    def job_ended(self, job: Job, outcome: Outcome) -> None:
        if not job.is_all:
            self.events.append(("job ended", self.name(job), outcome.state))

    def trial_ended(self, record: TrialRecord, outcome: Outcome) -> None:
        self.events.append(("ended", record.number, outcome.state))

    @staticmethod
    def name(job: Job) -> int | tuple[int, int]:
        """The trial's number, with that of the replicate where there are several."""
        number = job.record.number
        return number if job.is_all else (number, job.replicate.number)

    def note(self, text: str) -> None:
        self.events.append(("note", text))


class FakeClock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Driver:
    """One session on a sweep's folder; trials report when the test says so."""

    def __init__(
        self,
        root: Path,
        spec: Any,
        capacity: int,
        retry_failed: bool = False,
        stores: bool = False,
    ) -> None:
        if not (folder := SweepFolder(root)).exists():
            limits = spec.budget.model_dump(mode="json").items()
            budget = {name: value for name, value in limits if value}  # no time at all is none
            folder.create(sweep_record(spec={**sweep_record().spec, "budget": budget}))
        found = opened(root, spec, retry_failed=retry_failed, concurrency=capacity)
        self.folder, self.search = found.folder, found.search
        self.display, self.clock = FakeDisplay(), FakeClock()
        self.sent: list[tuple[str, Decision]] = []
        self.capacity = capacity
        self.hosts, self.pulses = Hosts(), dict[str, str]()
        self.budget = Budget(
            spec.budget,
            trials=points_of(self.folder, spec),
            spending=spending_of(self.folder.trials(), spec.budget.flops_per_trial),
            rates=Rates.from_spec(spec),
            clock=self.clock,
        )
        self.scheduler = TrialScheduler(
            self.search,
            self.budget,
            self.display,
            lambda: self.capacity,
            lambda job, decision: self.sent.append((job, decision)),
            losses=Losses(lambda: self.hosts, self.display.note, self.clock),
            stores=stores,
            silence=Silence(600.0, self.pulses.get, self.clock),
        )
        self.running: dict[str, Job] = {}
        self.gone: set[str] = set()
        extending = Extending(self.folder, spec, self.budget, size(spec.scientific))
        self.steering = Steering(
            self.search,
            self.budget,
            self.scheduler.interventions,
            self.display.note,
            extend=extending.plan,
            extended=extending.take,
            kept=lambda key: key not in self.gone,
            clock=count().__next__,
        )

    def ask(self, verb: Verb, **arguments: Any) -> Answer:
        """Send a message, and let the driver look for it; returns its answer."""
        message = self.folder.messages.send(verb, arguments)
        self.steering.look()
        answer = self.folder.messages.answer(message.number)
        assert answer is not None
        return answer

    def start(self, key: str) -> Job | None:
        job = self.scheduler.start(key)
        if job is not None:
            self.running[key] = job
        return job

    def report(self, key: str, *measured: Any, **fields: Any) -> None:
        job = self.running[key]
        place = {"trial": job.record.number, "replicate": job.replicate.label}
        report = TrialReport(**place, measurements=measured, **fields)
        self.scheduler.report(key, TrialReport.from_text(report.to_text()))

    def finish(self, key: str, accuracy: float = 0.5, seconds: float = 1.0) -> None:
        self.report(key, measurement(TOTAL, accuracy, seconds=seconds))
        self.scheduler.ended(key)

    def lose(self, key: str, loss: Failure) -> None:
        """Let a worker be gone, and time pass until its job may go on."""
        self.scheduler.ended(key, lost=loss)
        self.clock.now += LONGEST_REST

    def told(self, number: int, replicate: int = 0) -> Decision:
        """The last decision that the worker of a replicate heard of."""
        root = self.folder.trials()[number].root.name
        key = f"{root}/measure-{replicate}"
        return [decision for job, decision in self.sent if job == key][-1]

    def first(self, number: int = 0) -> ReplicateFolder:
        """The first replicate of a trial."""
        return self.folder.trials()[number].replicate("measure-0")

    def states(self) -> list[str | None]:
        """How each trial ended; paused where all that was begun of it is, None where it runs."""
        return [_state(trial) for trial in self.folder.trials()]

    def of_replicates(self, number: int = 0) -> list[str | None]:
        """How each replicate of a trial that was begun ended or paused; None where it runs."""
        found = [one.outcome() for one in self.folder.trials()[number].replicates()]
        return [outcome and str(outcome.state) for outcome in found]


def _state(trial: TrialFolder) -> str | None:
    if (outcome := trial.outcome()) is not None:
        return str(outcome.state)
    begun = [one.outcome() for one in trial.replicates()]
    paused = all(one is not None and one.state is TrialState.PAUSED for one in begun)
    return "paused" if begun and paused else None


class Killed(BaseException):
    """Stands for the driver's death at a line."""


WRITES: list[tuple[type, str]] = [
    (TrialFolder, "create"),
    (ReplicateFolder, "create"),
    (ReplicateFolder, "append"),
    (ReplicateFolder, "end"),
    (TrialFolder, "end"),
    (Study, "note"),
    (optuna.Study, "tell"),
]
"""The steps at which a driver writes down what it does, by class and method."""


def die_at(
    monkeypatch: pytest.MonkeyPatch, kind: type, method: str, when: str, nth: int
) -> Callable[[], int]:
    """Let the nth call of a method be the last, before or after it did its work."""
    real, calls = getattr(kind, method), 0

    def dying(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth and when == "before":
            raise Killed
        result = real(*arguments, **options)
        if calls == nth:
            raise Killed
        return result

    monkeypatch.setattr(kind, method, dying)
    return lambda: calls
