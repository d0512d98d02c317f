"""The one budget of a sweep: what it may spend, what it has spent, and whether more may start."""

import bisect
import time
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from sweep_platform.spec.schema import BudgetSpec


class Limit(StrEnum):
    """The limit that forbids another start."""

    TRIALS = "trials"
    TIME = "time"


class Budget:
    """Knows the limits of a sweep, what is spent, and what is left.

    It begins with the `trials` that were begun before and the `seconds` on the clock that former
    sessions took; `job_seconds` are the device-seconds of each complete job.
    """

    def __init__(
        self,
        limits: BudgetSpec,
        *,
        trials: int = 0,
        seconds: float = 0.0,
        job_seconds: Iterable[float] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self.trials = trials
        self._clock = clock
        self._began = clock() - seconds
        self._job_seconds = sorted(job_seconds)

    @property
    def trials_left(self) -> int:
        """Number of trials that may still be begun."""
        assert self.limits.trials is not None, "a resolved sweep has a number of trials"
        return max(0, self.limits.trials - self.trials)

    @property
    def seconds(self) -> float:
        """Time on the clock that the sweep has taken."""
        return self._clock() - self._began

    @property
    def seconds_left(self) -> float | None:
        """Time on the clock that is left; None without a limit."""
        minutes = self.limits.minutes
        return None if minutes is None else 60 * minutes - self.seconds

    @property
    def expired(self) -> bool:
        """Whether the time is up."""
        left = self.seconds_left
        return left is not None and left <= 0

    @property
    def job_seconds(self) -> float:
        """Device-seconds of a job, by the median of the complete ones; 0 before the first."""
        return middle(self._job_seconds) if self._job_seconds else 0.0

    def forbids(self, *, new: bool, reserve: float = 0.0) -> Limit | None:
        """The limit that forbids another start, None if one may start.

        A `new` trial counts against the number of trials, one that goes on does not. A job of
        either has to end in time, if it takes as long as the median of the complete ones, and to
        leave `reserve` seconds.
        """
        left = self.seconds_left
        if left is not None and left <= self.job_seconds + reserve:
            return Limit.TIME
        return Limit.TRIALS if new and not self.trials_left else None

    def begin_trial(self) -> None:
        """Count a new trial."""
        self.trials += 1

    def complete_job(self, device_seconds: float) -> None:
        """Note how long a complete job took."""
        bisect.insort(self._job_seconds, device_seconds)


def middle(ordered: Sequence[float]) -> float:
    """The median of numbers in order, at least one, without a look at the others.

    >>> middle([1.0, 2.0, 4.0, 8.0])
    3.0
    """
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
