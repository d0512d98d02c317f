"""Progress of a sweep: the states of its trials, the FLOPs they spent, the best of them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hrm.progress import Curve, Progress
from sweep_platform.store.trial import TrialFolder, TrialRecord, TrialState


@dataclass
class TrialProgress:
    """Progress of one trial: its state, latest report, latest evaluation, and training FLOPs.

    The state is None for a trial of an earlier session that does not run yet. What is spent is the
    most that was reported: steps repeated after a loss are spent once.
    """

    record: TrialRecord
    state: TrialState | None = None
    last: Progress | None = None
    curve: Curve | None = None
    spent: int = 0

    @property
    def accuracy(self) -> float:
        """Exact accuracy in the last evaluation, after all segments; -1 before the first."""
        return self.curve.exact_accuracy[-1] if self.curve else -1.0

    def measured(self, progress: Progress) -> None:
        """Take in a report."""
        self.last = progress
        self.spent = max(self.spent, progress.training_flops)
        self.curve = progress.curve or self.curve


@dataclass
class SweepProgress:
    """Progress of a sweep, kept up to date by the events of its trials.

    Attributes:
        total: trials that the sweep will run in all.
        each: FLOPs that one trial may spend on training.
        time_limit: seconds that this session may take, None for no limit.
        clock: seconds from any starting point.
        began: when the session did, by the clock.
        trials: those that are known, by number.
    """

    total: int
    each: int
    time_limit: float | None
    clock: Callable[[], float]
    began: float
    trials: dict[int, TrialProgress] = field(default_factory=dict)
    _spent_before: int = 0

    def restore(self, folder: TrialFolder) -> None:
        """Count what a trial did in an earlier session."""
        outcome, trial = folder.outcome(), self.trial(folder.record())
        trial.state = outcome.state if outcome else None
        for measurement in folder.measurements():
            trial.measured(measurement.progress)
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
        evaluated = [trial for trial in self.trials.values() if trial.curve]
        return max(evaluated, key=lambda trial: trial.accuracy, default=None)

    @property
    def budget(self) -> int:
        """Training FLOPs of all trials."""
        return self.total * self.each

    @property
    def spent(self) -> int:
        """Training FLOPs spent, in earlier sessions as well."""
        return sum(trial.spent for trial in self.trials.values())

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
        if self.time_limit is not None:
            spans.append(self.time_limit - self.elapsed)
        if (spent := self.spent - self._spent_before) > 0:
            to_spend = self.each * max(0, self.total - len(self.trials))
            to_spend += sum(max(0, self.each - trial.spent) for trial in self.going_on)
            spans.append(self.elapsed * to_spend / spent)
        return max(0.0, min(spans)) if spans else None
