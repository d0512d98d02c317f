"""The jobs of open trials: which wait, which run, and which comes next."""

import math
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from statistics import fmean

from hrm.progress import Progress
from sweep_platform.plan.spending import middle
from sweep_platform.search.stages.live import Job
from sweep_platform.store.replicate import Purpose, Replicate
from sweep_platform.store.trial import ReplicateFolder, TrialFolder, TrialRecord


@dataclass(kw_only=True)
class OpenTrial:
    """A trial of which replicates of one purpose wait or run, of `wanted` in all."""

    trial: TrialFolder
    record: TrialRecord
    purpose: Purpose
    wanted: int
    waiting: list[Replicate]
    running: set[Replicate] = field(default_factory=set)

    @property
    def done(self) -> bool:
        """Whether none waits or runs."""
        return not self.waiting and not self.running

    def take(self, replicate: Replicate | None = None) -> Job:
        """The next job, or that of a replicate that waits; it runs from now on."""
        replicate = self.waiting.pop(0 if replicate is None else self.waiting.index(replicate))
        self.running.add(replicate)
        return self.job(replicate)

    @property
    def jobs(self) -> list[Job]:
        """The jobs that wait or run."""
        return [self.job(replicate) for replicate in (*self.waiting, *self.running)]

    def job(self, replicate: Replicate) -> Job:
        """The job of one of its replicates."""
        return Job(trial=self.trial, record=self.record, replicate=replicate, of=self.wanted)

    def drop_waiting(self) -> list[ReplicateFolder]:
        """Let no other replicate start; the folders of those that had begun before."""
        folders = [self.trial.replicate(one.label) for one in self.waiting]
        self.waiting.clear()
        return [folder for folder in folders if folder.exists()]


class JobQueue:
    """Hands out the replicates of open trials: promising trials first, whole ones before new ones.

    Those that a person favours come before all others. Near the end, when there will be no new
    trials, those that take longest come first, so that no device is idle while the last one runs
    alone. Those of trials that are `held`, for they are paused at a rung, are not handed out.
    """

    def __init__(self, standings: "Standings | None" = None) -> None:
        self._open: dict[tuple[int, Purpose], OpenTrial] = {}
        self._standings = standings or Standings()
        self._favoured: set[int] = set()
        self._held: set[int] = set()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[OpenTrial]:
        return iter(tuple(self._open.values()))

    @property
    def waiting(self) -> int:
        """Number of jobs that wait for their turn."""
        return sum(len(one.waiting) for one in self._open.values() if not self.is_held(one.record))

    @property
    def held(self) -> list[OpenTrial]:
        """The trials that are paused at a rung, the oldest first."""
        return [one for one in self._open.values() if self.is_held(one.record)]

    @property
    def holds_back(self) -> bool:
        """Whether a trial is paused at a rung."""
        return bool(self._held)

    def is_held(self, record: TrialRecord) -> bool:
        """Whether a trial is paused at a rung."""
        return record.number in self._held

    def hold(self, record: TrialRecord) -> None:
        """Hand out no job of a trial until it is let go."""
        self._held.add(record.number)

    def let_go(self, record: TrialRecord) -> None:
        """Let the jobs of a trial have their turns again."""
        self._held.discard(record.number)

    def add(self, trial: TrialFolder, replicates: Iterable[Replicate], wanted: int) -> OpenTrial:
        """Let some replicates of a trial, all of one purpose, wait; `wanted` are there in all."""
        waiting, record = list(replicates), trial.record()
        there = self._open.get((record.number, waiting[0].purpose))
        if there is not None:
            known = {*there.running, *there.waiting}
            there.waiting += [one for one in waiting if one not in known]
            return there
        opened = OpenTrial(
            trial=trial,
            record=record,
            purpose=waiting[0].purpose,
            wanted=wanted,
            waiting=waiting,
        )
        self._open[record.number, opened.purpose] = opened
        return opened

    def next(self, *, any_trial: bool, confirms: bool = False) -> Job | None:
        """The next job, None where none waits; of a poor trial only if `any_trial` may come.

        With `any_trial`, the longest comes first; else the oldest trial's does. Jobs that confirm
        come where that is wanted, and no others then.
        """
        waiting = self._ready(confirms=confirms)
        if any_trial:
            waiting.sort(key=lambda one: -self._standings.seconds(one.record.number))
        else:
            waiting = [one for one in waiting if not self._poor(one)]
        waiting.sort(key=lambda one: one.record.number not in self._favoured)
        return waiting[0].take() if waiting else None

    def count(self, wanted: Callable[[str], bool]) -> int:
        """The number of jobs of the search that wait and whose key is wanted."""
        every = self._ready(confirms=False)
        return sum(wanted(one.job(replicate).key) for one in every for replicate in one.waiting)

    def _ready(self, *, confirms: bool) -> list[OpenTrial]:
        """Trials of which replicates wait for their turn: those of the search, or all others.

        Of these, controls come once nothing waits to be confirmed.
        """
        ready = [
            one
            for one in self._open.values()
            if one.waiting and one.purpose.of_search != confirms and not self.is_held(one.record)
        ]
        return [one for one in ready if one.purpose is not Purpose.CONTROL] or ready

    def set_aside(self, purpose: Purpose) -> None:
        """Forget the jobs of a purpose that wait; those that run come to their end."""
        for one in tuple(self._open.values()):
            if one.purpose is purpose:
                one.waiting.clear()
                if one.done:
                    self.close(one)

    def next_of(self, wanted: Callable[[str], bool], *, confirms: bool = False) -> Job | None:
        """The next of the jobs that wait whose key is wanted; None where none is."""
        for one in self._ready(confirms=confirms):
            for replicate in one.waiting:
                if wanted(one.job(replicate).key):
                    return one.take(replicate)
        return None

    def overdue(self, most: int) -> Job | None:
        """The next job of the oldest poor trial if more than `most` of them wait."""
        poor = [one for one in self._ready(confirms=False) if self._poor(one)]
        return poor[0].take() if len(poor) > most else None

    def _poor(self, opened: OpenTrial) -> bool:
        number = opened.record.number
        return number not in self._favoured and self._standings.poor(number)

    def favour(self, number: int) -> None:
        """Let the jobs of a trial come before all others."""
        self._favoured.add(number)

    def of_search(self, number: int) -> OpenTrial | None:
        """A trial of which replicates wait or run that do not confirm; None where none does."""
        keys = ((number, purpose) for purpose in (Purpose.TUNE, Purpose.MEASURE))
        return next((self._open[key] for key in keys if key in self._open), None)

    def requeue(self, job: Job) -> None:
        """Let a job that ran wait again, before others of its trial."""
        opened = self._of(job)
        opened.running.discard(job.replicate)
        opened.waiting.insert(0, job.replicate)

    def measured(self, job: Job, progress: Progress) -> None:
        """Take note of a report, by which trials are told apart."""
        if job.replicate.purpose.of_search:  # those may be of other puzzles
            self._standings.measured(job, progress)

    @property
    def searching(self) -> bool:
        """Whether anything but confirmation waits or runs, trials left out that are paused."""
        every = self._open.values()
        return any(one.purpose.of_search and not self.is_held(one.record) for one in every)

    def drop_waiting(self, job: Job) -> list[ReplicateFolder]:
        """Let no other replicate of a job's trial start; see `OpenTrial.drop_waiting`."""
        return self._of(job).drop_waiting()

    def ended(self, job: Job) -> OpenTrial | None:
        """Take note that a job is over; returns its trial if that was the last one."""
        opened = self._of(job)
        opened.running.discard(job.replicate)
        return self.close(opened) if opened.done else None

    def holds(self, trials: Iterable[TrialFolder]) -> bool:
        """Whether a replicate of any of these trials waits or runs."""
        roots = {one.trial.root for one in self._open.values()}
        return any(trial.root in roots for trial in trials)

    def close(self, opened: OpenTrial) -> OpenTrial:
        """Forget a trial of which nothing waits or runs."""
        del self._open[opened.record.number, opened.purpose]
        self._held.discard(opened.record.number)
        return opened

    def _of(self, job: Job) -> OpenTrial:
        return self._open[job.record.number, job.replicate.purpose]


class Standings:
    """How trials compare by what they reported, at equal shares of their training.

    Where they have `budgets` of their own, one is compared with those of no larger one.
    """

    def __init__(self, budgets: bool = False) -> None:
        self._budgets: dict[int, float] | None = {} if budgets else None
        self._solved: dict[tuple[float, int], dict[str, float]] = defaultdict(dict)
        self._means: dict[float, list[float]] = defaultdict(list)  # of each share, in order
        self._reached: dict[int, float] = {}
        self._rates: dict[int, float] = {}

    def measured(self, job: Job, progress: Progress) -> None:
        """Take in a report."""
        number, share = job.record.number, progress.step / progress.total_steps
        if self._budgets is not None:
            self._budgets[number] = float(job.record.training_flops)
        self._rates[number] = progress.device_seconds / share
        if progress.curve is not None:
            at = round(share, 3)
            of_trial, means = self._solved[at, number], self._means[at]
            if of_trial:
                del means[bisect_left(means, fmean(of_trial.values()))]
            of_trial[job.replicate.label] = progress.curve.exact_accuracy[-1]
            insort(means, fmean(of_trial.values()))
            self._reached[number] = max(share, self._reached.get(number, 0.0))

    def poor(self, number: int) -> bool:
        """Whether a trial solves less than the median of those that came as far as it did."""
        if number not in self._reached:
            return False
        at = round(self._reached[number], 3)
        return fmean(self._solved[at, number].values()) < middle(self._comparable(at, number))

    def _comparable(self, at: float, number: int) -> list[float]:
        """What those solve that came to a share of training and that a trial is compared with."""
        budgets = self._budgets
        if budgets is None:
            return self._means[at]
        here = {n: of for (share, n), of in self._solved.items() if share == at and of}
        no_larger = (of for n, of in here.items() if budgets[n] <= budgets[number])
        return sorted(fmean(of.values()) for of in no_larger)

    def seconds(self, number: int) -> float:
        """Seconds that a whole replicate of a trial takes; most where that is not known."""
        return self._rates.get(number, math.inf)
