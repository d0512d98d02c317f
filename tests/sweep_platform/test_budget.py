"""The budget says what is left and whether another trial may start."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sweep_builders import TOTAL, measurement

from sweep_platform.common.errors import InputError
from sweep_platform.plan.budget import Budget, Limit
from sweep_platform.plan.jobs import require_affordable
from sweep_platform.plan.spending import Amounts, Rates, Spending
from sweep_platform.spec.schema import BudgetSpec


class FakeClock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def budget(minutes: float | None = None, **spent: Any) -> tuple[Budget, FakeClock]:
    clock = FakeClock()
    limits = BudgetSpec(trials=3, flops_per_trial=1e6, minutes=minutes)
    return Budget(limits, clock=clock, **spent), clock


@given(begun=st.integers(0, 5))
def test_only_new_trials_count(begun: int) -> None:
    left, _ = budget(trials=begun)
    assert left.trials_left == max(0, 3 - begun)
    assert left.forbids(new=True) is (Limit.TRIALS if begun >= 3 else None)
    assert left.forbids(new=False) is None
    left.begin_trial()
    assert left.trials == begun + 1


@given(former=st.floats(0, 100), passed=st.floats(0, 100))
def test_time_runs_on_over_sessions(former: float, passed: float) -> None:
    left, clock = budget(minutes=1, seconds=former)
    clock.now += passed
    assert left.seconds_left is not None
    assert abs(left.seconds_left - (60 - former - passed)) < 1e-9
    assert (left.exhausted is Limit.TIME) == (left.seconds_left <= 0)


def test_without_a_limit_time_never_ends() -> None:
    left, clock = budget()
    clock.now = 1e9
    assert left.seconds_left is None
    assert left.exhausted is None
    assert left.forbids(new=True) is None


def spent(*seconds: float, each: float = 1e6) -> Spending:
    """What so many complete jobs have spent."""
    spending = Spending(each)
    for number, one in enumerate(seconds):
        complete(spending, f"before-{number}", one)
    return spending


def complete(spending: Spending, job: str, seconds: float) -> None:
    spending.began(job, spending.each)
    progress = measurement(TOTAL, 0.5, seconds=seconds).progress
    spending.measured(job, replace(progress, energy_joules=1000 * seconds))
    spending.ended(job, complete=True)


def test_a_trial_has_to_end_in_time() -> None:
    left, clock = budget(minutes=1, spending=spent(10.0, 20.0, 90.0))
    assert left.forbids(new=True) is None
    clock.now = 41.0
    assert left.forbids(new=True) is left.forbids(new=False) is Limit.TIME
    complete(left.spending, "short", 1.0)
    complete(left.spending, "shorter", 1.0)
    assert left.forbids(new=True) is None, "the median is 10 s now"


def test_jobs_later_take_time_in_rounds() -> None:
    left, _ = budget(minutes=1, spending=spent(10.0))
    assert left.forbids(new=False, later=8, at_once=2) is None
    assert left.forbids(new=False, later=10, at_once=2) is Limit.TIME


FLOPS = float(measurement(TOTAL, 0.5).progress.training_flops)
"""Of a whole job that reports so."""


@given(jobs=st.integers(1, 20), begun=st.integers(0, 3), later=st.integers(0, 5))
def test_compute_pays_for_whole_jobs_alone(jobs: int, begun: int, later: int) -> None:
    limits = BudgetSpec(trials=100, flops_per_trial=FLOPS, flops=jobs * FLOPS)
    left = Budget(limits)
    started = 0
    while left.forbids(new=True, later=later) is None:
        left.begin_trial()
        left.spending.began(str(started), FLOPS)
        started += 1
        if started > begun:
            left.spending.measured(str(started - 1), measurement(TOTAL, 0.5).progress)
            left.spending.ended(str(started - 1), complete=True)
    assert started == max(0, jobs - later)
    assert left.forbids(new=True, later=later) is Limit.FLOPS
    assert left.exhausted is None, "what runs was paid for"


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30))
def test_spending_is_what_its_jobs_reported_last(events: list[tuple[int, bool]]) -> None:
    spending, steps, over = Spending(FLOPS), dict[int, int](), set[int]()
    for job, ends in events:
        if job in over:
            continue
        steps[job] = min(TOTAL, steps.get(job, 0) + 1)
        spending.began(str(job), FLOPS)
        spending.measured(str(job), measurement(steps[job], 0.5).progress)
        if ends:
            spending.ended(str(job), complete=True)
            over.add(job)
    reported = [measurement(step, 0.5).progress for step in steps.values()]
    assert spending.total.flops == pytest.approx(sum(one.training_flops for one in reported))
    under_way = [steps[job] for job in steps if job not in over]
    rest = [FLOPS - measurement(step, 0.5).progress.training_flops for step in under_way]
    assert spending.to_come.flops == pytest.approx(sum(rest))


@pytest.mark.parametrize(
    ("setting", "limit"),
    [
        ({"device_hours": 2.0}, Limit.DEVICE),
        ({"money": 6.0, "price_per_gpu_hour": 3.0}, Limit.MONEY),
        ({"energy_kwh": 0.5}, Limit.ENERGY),
    ],
)
def test_devices_and_their_price_are_limited(setting: dict[str, float], limit: Limit) -> None:
    limits = BudgetSpec(trials=9, flops_per_trial=FLOPS, **setting)  # type: ignore[arg-type]
    rates = Rates(devices=4.0, price=limits.price_per_gpu_hour or 0.0)
    left = Budget(limits, spending=spent(600.0, 600.0, each=FLOPS), rates=rates)
    assert left.forbids(new=True) is None, "a third job of 40 device-minutes makes 2 hours"
    left.spending.began("third", FLOPS)
    assert left.forbids(new=True) is limit, "the third is to be trained to its end"
    assert left.exhausted is None
    left.spending.total += Amounts(0.0, 601.0, 6.01e5)
    assert left.exhausted is limit


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ("budget.flops", {"budget": {"trials": 2, "flops_per_trial": 1e8, "flops": 9e7}}),
        (
            "budget.flops",
            {"budget": {"trials": 2, "flops_per_trial": 1e8, "flops": 1.9e8}, "replicates": 2},
        ),
        (
            "budget.flops",  # both values tuned, one of them measured
            {
                "budget": {"trials": 2, "flops_per_trial": 1e8, "flops": 2.9e8},
                "space": {"N": {"choices": [1, 2]}, "learning_rate": {"choices": [1e-3, 1e-2]}},
                "nuisance": ("learning_rate",),
            },
        ),
        (
            "budget.price_per_gpu_hour",
            {"budget": {"trials": 2, "flops_per_trial": 1e8, "price_per_gpu_hour": 2.0}},
        ),
    ],
)
def test_a_budget_that_buys_nothing_is_refused(
    make_spec: Any, fields: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(InputError) as found:
        require_affordable(make_spec(**changes), slots=1)
    assert found.value.field == fields


def test_money_has_a_price() -> None:
    with pytest.raises(ValidationError):
        BudgetSpec(flops_per_trial=FLOPS, money=1.0)
