"""Progress of a sweep: the states of its trials, the FLOPs they spent, the best of them."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import fmean

from hrm.progress import Curve, Progress
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.trial import TrialFolder, TrialRecord, TrialState


@dataclass
class JobProgress:
    """Progress of one replicate: latest report, latest evaluation, and training FLOPs.

    What is spent is the most that was reported: steps repeated after a loss are spent once.
    """

    running: bool = False
    ended: bool = False
    last: Progress | None = None
    curve: Curve | None = None
    spent: int = 0

    def measured(self, progress: Progress) -> None:
        """Take in a report."""
        self.last = progress
        self.spent = max(self.spent, progress.training_flops)
        self.curve = progress.curve or self.curve


@dataclass
class TrialProgress:
    """Progress of one trial: its state, and its replicates by label.

    The state is None for a trial of an earlier session that does not run yet.
    """

    record: TrialRecord
    state: TrialState | None = None
    jobs: dict[str, JobProgress] = field(default_factory=dict)

    def job(self, label: str) -> JobProgress:
        """The replicate of this label."""
        return self.jobs.setdefault(label, JobProgress())

    def forgone(self, each: int, replicates: int) -> int:
        """Training FLOPs, of `each` replicate's, that were left unspent and will not be.

        Replicates may end early, and of a trial that ended some, of so many, may never begin.
        """
        unspent = sum(max(0, each - job.spent) for job in self.jobs.values() if job.ended)
        begun = sum(label.startswith(f"{Purpose.MEASURE}-") for label in self.jobs)
        if begun and self.state and self.state.is_final:  # one that lost in tuning has none
            unspent += each * max(0, replicates - begun)
        return unspent

    @property
    def curves(self) -> list[Curve]:
        """The last evaluation of each replicate that has one: those that measure, or that tune."""
        for purpose in (Purpose.MEASURE, Purpose.TUNE):
            of = [job for label, job in self.jobs.items() if label.startswith(f"{purpose}-")]
            if found := [job.curve for job in of if job.curve]:
                return found
        return []

    @property
    def accuracy(self) -> float:
        """Mean exact accuracy in the last evaluations, after all segments; -1 before the first."""
        found = [curve.exact_accuracy[-1] for curve in self.curves]
        return fmean(found) if found else -1.0

    @property
    def spent(self) -> int:
        """Training FLOPs that all replicates spent."""
        return sum(job.spent for job in self.jobs.values())


@dataclass
class SweepProgress:
    """Progress of a sweep, kept up to date by the events of its trials.

    Attributes:
        total: trials that the sweep will run in all.
        jobs: replicates of all of them that it will train.
        each: FLOPs that one replicate may spend on training.
        time_limit: seconds that this session may take, None for no limit.
        clock: seconds from any starting point.
        began: when the session did, by the clock.
        replicates: of each trial that is measured.
        trials: those that are known, by number.
        states: how many of them are in each.
        spent: training FLOPs of all of them, in earlier sessions as well.
        best: the most accurate of those that were evaluated.
        budget_left, worked: seconds that the budget has left, and that this session took without
            pauses, where those are known better than by `time_limit` and the clock.
    """

    total: int
    jobs: int
    each: int
    time_limit: float | None
    clock: Callable[[], float]
    began: float
    replicates: int = 1
    trials: dict[int, TrialProgress] = field(default_factory=dict)
    states: Counter[TrialState | None] = field(default_factory=Counter)
    spent: int = 0
    best: TrialProgress | None = None
    budget_left: Callable[[], float | None] | None = None
    worked: Callable[[], float] | None = None
    _forgone: int = 0
    _spent_before: int = 0

    def restore(self, folder: TrialFolder) -> None:
        """Count what a trial did in an earlier session."""
        outcome = folder.outcome()
        with self.changing(folder.record()) as trial:
            trial.state = outcome.state if outcome else None
            for replicate in folder.replicates():
                job, end = trial.job(replicate.label), replicate.outcome()
                job.ended = end is not None and end.state.is_final
                for measurement in replicate.measurements():
                    job.measured(measurement.progress)
        self._spent_before += trial.spent

    @contextmanager
    def changing(self, record: TrialRecord) -> Iterator[TrialProgress]:
        """The trial of this record, to be changed; the totals follow.

        They are kept, not added up at each event: there may be thousands of trials.
        """
        known = record.number in self.trials
        trial = self.trials.setdefault(record.number, TrialProgress(record))
        if known:
            self._count(trial, -1)
        before = trial.accuracy
        try:
            yield trial
        finally:
            self._count(trial, 1)
            self._compare(trial, before)

    def _count(self, trial: TrialProgress, sign: int) -> None:
        self.states[trial.state] += sign
        self.spent += sign * trial.spent
        self._forgone += sign * trial.forgone(self.each, self.replicates)

    def _compare(self, trial: TrialProgress, before: float) -> None:
        """Keep the best trial, which may be another once its own mean accuracy falls."""
        if trial is self.best and trial.accuracy < before:
            self.best = max(self.trials.values(), key=_goodness)
        elif trial.curves and (self.best is None or _goodness(trial) > _goodness(self.best)):
            self.best = trial

    @property
    def ended(self) -> int:
        """Number of trials that have ended for good."""
        return sum(count for state, count in self.states.items() if state and state.is_final)

    @property
    def budget(self) -> int:
        """Training FLOPs of all replicates."""
        return self.jobs * self.each

    @property
    def share(self) -> float:
        """Share of the budget that is spent."""
        return self.spent / self.budget if self.budget else 0.0

    @property
    def elapsed(self) -> float:
        """Seconds of this session."""
        return self.clock() - self.began

    def time_left(self) -> float | None:
        """Seconds left, by this session's pace or by its limit, whichever is less.

        None where there is neither: no limit, and nothing spent yet.
        """
        spans = []
        worked = self.elapsed if self.worked is None else self.worked()
        if self.budget_left is not None:
            spans += [left] if (left := self.budget_left()) is not None else []
        elif self.time_limit is not None:
            spans.append(self.time_limit - self.elapsed)
        if (spent := self.spent - self._spent_before) > 0:
            to_spend = max(0, self.budget - self.spent - self._forgone)
            spans.append(worked * to_spend / spent)
        return max(0.0, min(spans)) if spans else None


def _goodness(trial: TrialProgress) -> tuple[float, int]:
    """More accurate ones are better, then earlier ones."""
    return trial.accuracy, -trial.record.number
