"""What the jobs of a sweep have spent, what open ones will yet spend, and what that costs."""

import bisect
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from hrm.progress import Progress
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.trial import Reused, TrialFolder, TrialState


@dataclass(frozen=True)
class Amounts:
    """Training FLOPs, seconds of training and evaluation, and joules, that something takes.

    Joules that were not measured count as none.
    """

    flops: float = 0.0
    seconds: float = 0.0
    joules: float = 0.0

    @classmethod
    def of(cls, progress: Progress) -> Self:
        """What a job has spent by one of its reports."""
        joules = progress.energy_joules or 0.0
        return cls(float(progress.training_flops), progress.device_seconds, joules)

    def __add__(self, other: "Amounts") -> "Amounts":
        seconds, joules = self.seconds + other.seconds, self.joules + other.joules
        return Amounts(self.flops + other.flops, seconds, joules)

    def __sub__(self, other: "Amounts") -> "Amounts":
        seconds, joules = self.seconds - other.seconds, self.joules - other.joules
        return Amounts(self.flops - other.flops, seconds, joules)

    @property
    def positive(self) -> "Amounts":
        """The same, what is less than none left out."""
        return Amounts(max(0.0, self.flops), max(0.0, self.seconds), max(0.0, self.joules))


@dataclass(frozen=True)
class Rates:
    """The devices that a job holds, and the price of one of them for an hour."""

    devices: float = 1.0
    price: float = 0.0

    @classmethod
    def from_spec(cls, spec: SweepSpec) -> Self:
        """Those of a sweep's jobs: their GPUs, or parts of one; without any, one device a job."""
        return cls(spec.resources.gpus or 1.0, spec.budget.price_per_gpu_hour or 0.0)

    def device_hours(self, seconds: float) -> float:
        """Hours of all devices together in so many seconds of a job."""
        return self.devices * seconds / 3600

    def money(self, seconds: float) -> float:
        """What so many seconds of a job cost."""
        return self.device_hours(seconds) * self.price


@dataclass
class Spending:
    """What each job has spent, by its name; `each` is the training FLOPs of one that is new.

    A job is open from its beginning until it ends for good, in whatever session. Of one that is
    paused at a rung nothing is to come, until it is promoted.
    """

    each: float
    total: Amounts = Amounts()
    _open: dict[str, Amounts] = field(default_factory=dict)
    _flops: dict[str, float] = field(default_factory=dict)  # of each open job, trained whole
    _before: dict[str, Amounts] = field(default_factory=dict)  # of open jobs that are reused
    _whole: list[float] = field(default_factory=list)  # seconds of complete jobs, in order
    _joules: list[float] = field(default_factory=list)  # of complete jobs, in order
    _paused: set[str] = field(default_factory=set)

    def began(self, job: str, flops: float, reused: Reused | None = None) -> None:
        """Count a job as under way, of so many training FLOPs; one that goes on stays so.

        What was spent elsewhere on one that is reused is not spent again.
        """
        self._open.setdefault(job, Amounts())
        self._flops[job] = flops
        self._paused.discard(job)
        if reused is not None:
            self._before[job] = reused_amounts(reused)
            self._flops[job] = max(0.0, flops - reused.training_flops)

    def goes_on(
        self, job: str, flops: float, last: Progress | None, reused: Reused | None = None
    ) -> None:
        """Count a job that had ended as under way again: up to its last report it is paid for."""
        paid = self.total
        self.began(job, flops, reused)
        if last is not None:
            self.measured(job, last)
        self.total = paid

    def measured(self, job: str, progress: Progress) -> None:
        """Take in what an open job has spent by now."""
        spent = (Amounts.of(progress) - self._before.get(job, Amounts())).positive
        self.total += spent - self._open[job]
        self._open[job] = spent

    def ended(self, job: str, *, complete: bool) -> None:
        """Count a job as over; by those that were trained to the end others are judged."""
        spent = self._open.pop(job)
        del self._flops[job]
        self._paused.discard(job)
        was_reused = self._before.pop(job, None) is not None
        if complete and not was_reused:
            bisect.insort(self._whole, spent.seconds)
            bisect.insort(self._joules, spent.joules)

    @property
    def seconds_of_a_job(self) -> float:
        """Seconds of a whole job, by the median of complete ones; 0 before the first."""
        return middle(self._whole) if self._whole else 0.0

    @property
    def joules_of_a_job(self) -> float:
        """Joules of a whole job, by the median of complete ones; 0 before the first."""
        return middle(self._joules) if self._joules else 0.0

    def of_jobs(self, count: int) -> Amounts:
        """What so many whole jobs take that are yet to begin."""
        one = Amounts(self.each, self.seconds_of_a_job, self.joules_of_a_job)
        return Amounts(count * one.flops, count * one.seconds, count * one.joules)

    def is_open(self, job: str) -> bool:
        """Whether a job is under way, be it that it runs or that it waits."""
        return job in self._open

    @property
    def to_come(self) -> Amounts:
        """What the open jobs will yet spend, if they are trained to their ends."""
        open_jobs = (job for job in self._open if job not in self._paused)
        return sum((self._rest(job) for job in open_jobs), Amounts())

    def rest(self, job: str, flops: float) -> Amounts:
        """What a job will yet spend, of so many training FLOPs, if it is trained to its end."""
        new = Amounts(flops, self.seconds_of_a_job, self.joules_of_a_job)
        return self._rest(job) if self.is_open(job) else new

    def _rest(self, job: str) -> Amounts:
        whole = Amounts(self._flops[job])
        if job not in self._before:
            whole = Amounts(self._flops[job], self.seconds_of_a_job, self.joules_of_a_job)
        return (whole - self._open[job]).positive

    def pause(self, job: str) -> None:
        """Count nothing as yet to come of a job, if it is open, until it goes on."""
        if self.is_open(job):
            self._paused.add(job)

    def resume(self, job: str) -> None:
        """Count what is to come of a job again."""
        self._paused.discard(job)


def reused_amounts(reused: Reused) -> Amounts:
    """What another sweep had spent on a job that is reused."""
    joules = reused.energy_joules or 0.0
    return Amounts(float(reused.training_flops), reused.device_seconds, joules)


def spending_of(
    trials: Iterable[TrialFolder], each: float, paused: Container[int] = ()
) -> Spending:
    """What the replicates of these trials have spent, by their records.

    Nothing is to come of those that are `paused` at a rung, by their numbers in the sweep.
    """
    spending = Spending(each)
    for trial in trials:
        record, over = trial.record(), trial.outcome() is not None
        flops = float(record.training_flops)
        for folder in trial.replicates():
            spending.began(folder.key, flops, folder.reused())
            for measurement in folder.measurements():
                spending.measured(folder.key, measurement.progress)
            end = folder.outcome()
            state = end.state if end else TrialState.RUNNING
            of_search = folder.purpose.of_search
            if (over and of_search) or (state.is_final and _stays(state, of_search)):
                spending.ended(folder.key, complete=state is TrialState.COMPLETE)
            elif of_search and record.number in paused:
                spending.pause(folder.key)
    return spending


def _stays(state: TrialState, of_search: bool) -> bool:
    """Whether a final state is the end: one that the search stopped for a limit goes on later."""
    return state is not TrialState.STOPPED or not of_search


def middle(ordered: Sequence[float]) -> float:
    """The median of numbers in order, at least one, without a look at the others.

    >>> middle([1.0, 2.0, 4.0, 8.0])
    3.0
    """
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
