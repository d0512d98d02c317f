"""Progress of a sweep: the states of its trials, the FLOPs they spent, the best of them."""

from collections.abc import Callable
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

    def never_begun(self, replicates: int) -> int:
        """Number of replicates, of so many, that did not begin to measure; 0 if none did."""
        begun = sum(label.startswith(f"{Purpose.MEASURE}-") for label in self.jobs)
        return max(0, replicates - begun) if begun else 0  # one that lost in tuning has none

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
    """

    total: int
    jobs: int
    each: int
    time_limit: float | None
    clock: Callable[[], float]
    began: float
    replicates: int = 1
    trials: dict[int, TrialProgress] = field(default_factory=dict)
    _spent_before: int = 0

    def restore(self, folder: TrialFolder) -> None:
        """Count what a trial did in an earlier session."""
        outcome, trial = folder.outcome(), self.trial(folder.record())
        trial.state = outcome.state if outcome else None
        for replicate in folder.replicates():
            job, end = trial.job(replicate.label), replicate.outcome()
            job.ended = end is not None and end.state.is_final
            for measurement in replicate.measurements():
                job.measured(measurement.progress)
        self._spent_before += trial.spent

    def trial(self, record: TrialRecord) -> TrialProgress:
        """The trial of this record."""
        return self.trials.setdefault(record.number, TrialProgress(record))

    @property
    def going_on(self) -> list[TrialProgress]:
        """The trials that have not ended for good."""
        return [t for t in self.trials.values() if t.state is None or not t.state.is_final]

    @property
    def best(self) -> TrialProgress | None:
        """The most accurate trial of those that were evaluated."""
        evaluated = [trial for trial in self.trials.values() if trial.curves]
        return max(evaluated, key=lambda trial: trial.accuracy, default=None)

    @property
    def budget(self) -> int:
        """Training FLOPs of all replicates."""
        return self.jobs * self.each

    @property
    def spent(self) -> int:
        """Training FLOPs spent, in earlier sessions as well."""
        return sum(trial.spent for trial in self.trials.values())

    @property
    def share(self) -> float:
        """Share of the budget that is spent."""
        return self.spent / self.budget if self.budget else 0.0

    @property
    def _forgone(self) -> int:
        """Training FLOPs that replicates left unspent which ended early or will never begin."""
        jobs = (job for trial in self.trials.values() for job in trial.jobs.values())
        unspent = sum(max(0, self.each - job.spent) for job in jobs if job.ended)
        ended = (one for one in self.trials.values() if one.state and one.state.is_final)
        return unspent + self.each * sum(one.never_begun(self.replicates) for one in ended)

    @property
    def elapsed(self) -> float:
        """Seconds of this session."""
        return self.clock() - self.began

    def time_left(self) -> float | None:
        """Seconds left, by this session's pace or by its limit, whichever is less.

        None where there is neither: no limit, and nothing spent yet.
        """
        spans = []
        if self.time_limit is not None:
            spans.append(self.time_limit - self.elapsed)
        if (spent := self.spent - self._spent_before) > 0:
            to_spend = max(0, self.budget - self.spent - self._forgone)
            spans.append(self.elapsed * to_spend / spent)
        return max(0.0, min(spans)) if spans else None
