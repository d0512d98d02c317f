"""Progress of a sweep: the states of its trials, the FLOPs they spent, the best of them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from hrm.progress import Curve, Progress
from sweep_platform.store.trial import TrialFolder, TrialRecord, TrialState


@dataclass(kw_only=True)
class TrialProgress:
    """Progress of one trial.

    Attributes:
        record: its configuration.
        state: None for a trial of an earlier session that does not run yet.
        last: its latest report.
        curve: of its latest evaluation.
        spent: most training FLOPs reported; steps repeated after a loss are spent once.
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

    @property
    def ended(self) -> bool:
        """True if the trial has ended for good."""
        return self.state is not None and self.state.is_final

    def measured(self, progress: Progress) -> None:
        """Take in a report."""
        self.last = progress
        self.spent = max(self.spent, progress.training_flops)
        self.curve = progress.curve or self.curve


class SweepProgress:
    """Progress of a sweep, kept up to date by the events of its trials.

    Args:
        trials: how many the sweep will run in all.
        training_flops_per_trial: FLOPs that one trial may spend on training.
        time_limit: seconds that this session may take, None for no limit.
        clock: seconds from any starting point.
    """

    def __init__(
        self,
        *,
        trials: int,
        training_flops_per_trial: int,
        time_limit: float | None,
        clock: Callable[[], float],
    ) -> None:
        self.total = trials
        self.budget = trials * training_flops_per_trial
        self._time_limit = time_limit
        self._clock = clock
        self._began = clock()
        self._spent_before = 0
        self._trials: dict[int, TrialProgress] = {}

    def begin(self) -> None:
        """Count the session's time from here on."""
        self._began = self._clock()

    def restore(self, folder: TrialFolder) -> None:
        """Count what a trial did in an earlier session."""
        outcome = folder.outcome()
        trial = self.trial(folder.record())
        trial.state = outcome.state if outcome else None
        for measurement in folder.measurements():
            trial.measured(measurement.progress)
        self._spent_before += trial.spent

    def trial(self, record: TrialRecord) -> TrialProgress:
        """The trial of this record."""
        return self._trials.setdefault(record.number, TrialProgress(record=record))

    @property
    def running(self) -> list[TrialProgress]:
        """The trials that run, in the order of their first start."""
        return [t for t in self._trials.values() if t.state is TrialState.RUNNING]

    @property
    def states(self) -> Counter[TrialState | None]:
        """Number of trials in each state."""
        return Counter(trial.state for trial in self._trials.values())

    @property
    def ended(self) -> int:
        """Number of trials that have ended for good."""
        return sum(trial.ended for trial in self._trials.values())

    @property
    def best(self) -> TrialProgress | None:
        """The most accurate trial of those that were evaluated."""
        evaluated = [trial for trial in self._trials.values() if trial.curve]
        return max(evaluated, key=lambda trial: trial.accuracy, default=None)

    @property
    def spent(self) -> int:
        """Training FLOPs spent, in earlier sessions as well."""
        return sum(trial.spent for trial in self._trials.values())

    @property
    def share(self) -> float:
        """Share of the budget that is spent."""
        return self.spent / self.budget if self.budget else 0.0

    @property
    def elapsed(self) -> float:
        """Seconds of this session."""
        return self._clock() - self._began

    def time_left(self) -> float | None:
        """Seconds left, by this session's pace or by its limit, whichever is less.

        None where there is neither: no limit, and nothing spent yet.
        """
        spans = []
        if self._time_limit is not None:
            spans.append(self._time_limit - self.elapsed)
        if (spent := self.spent - self._spent_before) > 0:
            spans.append(self.elapsed * self._to_spend() / spent)
        return max(0.0, min(spans)) if spans else None

    def _to_spend(self) -> int:
        """FLOPs still to come: none from trials that ended early."""
        each = self.budget // self.total if self.total else 0
        unstarted = max(0, self.total - len(self._trials))
        going_on = [trial for trial in self._trials.values() if not trial.ended]
        return each * unstarted + sum(max(0, each - trial.spent) for trial in going_on)
