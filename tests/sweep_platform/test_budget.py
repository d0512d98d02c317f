"""The budget says what is left and whether another trial may start."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sweep_platform.plan.budget import Budget, Limit
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
    assert left.expired == (left.seconds_left <= 0)


def test_without_a_limit_time_never_ends() -> None:
    left, clock = budget()
    clock.now = 1e9
    assert left.seconds_left is None
    assert not left.expired
    assert left.forbids(new=True) is None


def test_a_trial_has_to_end_in_time() -> None:
    left, clock = budget(minutes=1, job_seconds=[10.0, 20.0, 90.0])
    assert left.forbids(new=True) is None
    clock.now = 41.0
    assert left.forbids(new=True) is left.forbids(new=False) is Limit.TIME
    left.complete_job(1.0)
    left.complete_job(1.0)
    assert left.forbids(new=True) is None, "the median is 10 s now"
