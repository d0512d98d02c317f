"""The one budget of a sweep: what it may spend, what it has spent, and whether more may start."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum

from puzzle_datasets.common.text import flops
from sweep_platform.plan.spending import Amounts, Rates, Spending
from sweep_platform.spec.schema import BudgetSpec


class Limit(StrEnum):
    """The limit that forbids another start, by the setting that sets it."""

    TRIALS = "budget.trials"
    TIME = "budget.minutes"
    FLOPS = "budget.flops"
    DEVICE = "budget.device_hours"
    MONEY = "budget.money"
    ENERGY = "budget.energy_kwh"

    @property
    def words(self) -> str:
        """Why something ended for which the limit left nothing."""
        return _WORDS[self]


_WORDS = {
    Limit.TRIALS: "all trials of the sweep had begun",
    Limit.TIME: "the sweep's time was up",
    Limit.FLOPS: "the sweep's training compute was spent",
    Limit.DEVICE: "the sweep's device-hours were spent",
    Limit.MONEY: "the sweep's money was spent",
    Limit.ENERGY: "the sweep's energy was spent",
}

JOULES_A_KWH = 3.6e6

ROUNDING = 1 + 1e-9
"""By which a sum may exceed the limit that it exhausts."""


class Budget:
    """Knows the limits of a sweep, what is spent, and what is left.

    It begins with the `trials` that were begun before, the `seconds` on the clock that former
    sessions took, and their jobs' `spending`, which it keeps up to date from then on. A start is
    forbidden that could not be paid for beside the jobs that have begun, up to their ends.
    """

    def __init__(
        self,
        limits: BudgetSpec,
        *,
        trials: int = 0,
        seconds: float = 0.0,
        spending: Spending | None = None,
        rates: Rates | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self.trials = trials
        self._clock = clock
        self._began = clock() - seconds
        self._held: float | None = None
        self.spending = Spending(limits.flops_per_trial or 0.0) if spending is None else spending
        self._rates = rates or Rates()

    @property
    def trials_left(self) -> int:
        """Number of trials that may still be begun."""
        assert self.limits.trials is not None, "a resolved sweep has a number of trials"
        return max(0, self.limits.trials - self.trials)

    @property
    def seconds(self) -> float:
        """Time on the clock that the sweep has taken."""
        now = self._clock() if self._held is None else self._held
        return now - self._began

    def hold(self) -> None:
        """Let the time stand still while the sweep is paused."""
        if self._held is None:
            self._held = self._clock()

    def go_on(self) -> None:
        """Let the time go on."""
        if self._held is not None:
            self._began, self._held = self._began + self._clock() - self._held, None

    @property
    def seconds_left(self) -> float | None:
        """Time on the clock that is left; None without a limit."""
        minutes = self.limits.minutes
        return None if minutes is None else 60 * minutes - self.seconds

    @property
    def exhausted(self) -> Limit | None:
        """The limit that ends also what runs; None while there is something left of all."""
        left = self.seconds_left
        if left is not None and left <= 0:
            return Limit.TIME
        return next(self._beyond(self.spending.total), None)

    def forbids(self, *, new: bool, later: int = 0, at_once: int = 1) -> Limit | None:
        """The limit that forbids another start, None if one may start.

        A `new` trial counts against the number of trials, one that goes on does not. A job has to
        end in time, and to be paid for, if it takes as much as the median of the complete ones; so
        much has to be left for jobs `later`, so many `at_once`.
        """
        left, job = self.seconds_left, self.spending.seconds_of_a_job
        if left is not None and left <= job * (1 + math.ceil(later / max(1, at_once))):
            return Limit.TIME
        if (limit := self.forbids_jobs(1 + later)) is not None:
            return limit
        return Limit.TRIALS if new and not self.trials_left else None

    def forbids_rest(
        self, rest: Sequence[Amounts], *, later: int, at_once: int, more: int = 0
    ) -> Limit | None:
        """The limit that leaves nothing for the rest of a trial, by its jobs, None if all do.

        It has to end in time, and to be paid for, and as much as for jobs `later` has to be left,
        so many `at_once`; so many `more` have to be paid for, too.
        """
        left, job = self.seconds_left, self.spending.seconds_of_a_job
        longest = max(one.seconds for one in rest)
        if left is not None and left <= longest + job * math.ceil(later / max(1, at_once)):
            return Limit.TIME
        spending = self.spending
        paid = sum(rest, spending.total + spending.to_come) + spending.of_jobs(later + more)
        return next(self._beyond(paid), None)

    def forbids_jobs(self, count: int) -> Limit | None:
        """The limit that does not pay for so many more jobs, whatever the time; None if all do."""
        limits, spending = self.limits, self.spending
        if limits.flops is limits.device_hours is limits.money is limits.energy_kwh is None:
            return None
        paid = spending.total + spending.to_come
        return next(self._beyond(paid + spending.of_jobs(count)), None)

    def words(self) -> str:
        """What is spent in all, of FLOPs and energy where these are limited too, in words."""
        return bill(self.limits, self._rates, self.spending.total)

    def begin_trial(self) -> None:
        """Count a new trial."""
        self.trials += 1

    def _beyond(self, spent: Amounts) -> Iterator[Limit]:
        """The limits that are exceeded where so much is spent."""
        for limit, there, most in amounts_by_limit(self.limits, self._rates, spent):
            if most is not None and there > most * ROUNDING:
                yield limit


def amounts_by_limit(
    limits: BudgetSpec, rates: Rates, spent: Amounts
) -> Iterator[tuple[Limit, float, float | None]]:
    """Each limit but trials and time: what is spent, and the most; None for no limit."""
    yield Limit.FLOPS, spent.flops, limits.flops
    yield Limit.DEVICE, rates.device_hours(spent.seconds), limits.device_hours
    yield Limit.MONEY, rates.money(spent.seconds), limits.money
    yield Limit.ENERGY, spent.joules / JOULES_A_KWH, limits.energy_kwh


def bill(limits: BudgetSpec, rates: Rates, spent: Amounts) -> str:
    """What is spent of each limit but trials and time, and of money where it has a price."""
    told = []
    if limits.flops is not None:
        told.append(f"{flops(spent.flops)} of {flops(limits.flops)} of training")
    if limits.device_hours is not None or limits.price_per_gpu_hour is not None:
        hours = _of(f"{rates.device_hours(spent.seconds):.3g}", limits.device_hours, "g")
        told.append(f"{hours} device-hours")
    if limits.price_per_gpu_hour is not None:
        money = _of(f"{rates.money(spent.seconds):,.2f}", limits.money, ",.2f")
        told.append(f"{money} of money")
    if limits.energy_kwh is not None:
        told.append(f"{_of(f'{spent.joules / JOULES_A_KWH:.3g}', limits.energy_kwh, 'g')} kWh")
    return ", ".join(told)


def _of(spent: str, most: float | None, form: str) -> str:
    return spent if most is None else f"{spent} of {most:{form}}"
