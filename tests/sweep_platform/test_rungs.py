"""Who goes on at a rung."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep_platform.search.rungs import Rungs, Values
from sweep_platform.spec.schema import RungSpec

TWO = ("exact_accuracy", "inference_flops")


def rungs(objectives: tuple[str, ...] = TWO, **changes: object) -> Rungs:
    return Rungs(RungSpec(**{"at": (0.25, 0.5), "minimum": 1, **changes}), objectives)


ACCURACY = st.integers(0, 4).map(lambda quarter: quarter / 4)
TRIAL = st.tuples(ACCURACY, st.integers(1, 5).map(float))
TRIALS = st.lists(TRIAL, max_size=12)
KEEP = st.sampled_from([0.1, 0.25, 0.5, 1.0])


@given(trial=TRIAL, earlier=TRIALS, keep=KEEP, worse=TRIAL)
def test_a_worse_one_more_stops_nobody(
    trial: Values, earlier: list[Values], keep: float, worse: Values
) -> None:
    judge = rungs(keep=keep)
    if judge.beats(trial, worse) and judge.goes_on(trial, earlier):
        assert judge.goes_on(trial, [*earlier, worse])


@given(trial=TRIAL, earlier=TRIALS, keep=KEEP)
def test_the_unbeaten_go_on(trial: Values, earlier: list[Values], keep: float) -> None:
    judge = rungs(keep=keep)
    if not any(judge.beats(other, trial) for other in earlier):
        assert judge.goes_on(trial, earlier)


@given(accuracy=ACCURACY, costs=st.lists(st.floats(1, 9), min_size=1), cost=st.floats(1, 9))
def test_equal_accuracy_beats_nobody(accuracy: float, costs: list[float], cost: float) -> None:
    assert rungs(keep=0.1).goes_on((accuracy, cost), [(accuracy, other) for other in costs])


@given(one=TRIAL, two=TRIAL, three=TRIAL)
def test_beating_is_an_order(one: Values, two: Values, three: Values) -> None:
    beats = rungs().beats
    assert not beats(one, one)
    assert not (beats(one, two) and beats(two, one))
    if beats(one, two) and beats(two, three):
        assert beats(one, three)


@given(earlier=st.lists(ACCURACY, max_size=12), accuracy=ACCURACY, keep=KEEP)
def test_one_objective_is_plain_halving(
    earlier: list[float], accuracy: float, keep: float
) -> None:
    judge = rungs(("exact_accuracy",), keep=keep)
    better = sum(other > accuracy for other in earlier)
    kept = max(1, keep * (len(earlier) + 1))
    assert judge.goes_on((accuracy,), [(other,) for other in earlier]) == (better < kept)


@given(trial=TRIAL, earlier=TRIALS, keep=KEEP, seed=st.randoms())
def test_the_order_of_arrival_before_does_not_matter(
    trial: Values, earlier: list[Values], keep: float, seed: object
) -> None:
    shuffled = list(earlier)
    seed.shuffle(shuffled)
    judge = rungs(keep=keep)
    assert judge.goes_on(trial, earlier) == judge.goes_on(trial, shuffled)


def test_few_are_not_judged() -> None:
    judge = rungs(minimum=4, keep=0.25)
    best = [(1.0, 1.0)]
    assert judge.goes_on((0.0, 9.0), best * 2)
    assert not judge.goes_on((0.0, 9.0), best * 3)


def test_the_cheaper_of_two_that_solve_nothing_stops_no_dearer_one() -> None:
    judge = rungs(keep=0.5)
    assert judge.goes_on((0.0, 9.0), [(0.0, 1.0)] * 7)
    assert not judge.goes_on((0.0, 9.0), [(0.1, 1.0)] * 7)
    assert judge.goes_on((0.0, 1.0), [(0.1, 9.0)] * 7), "cheaper than all that solve more"


def test_costs_stop_nobody() -> None:
    judge = rungs(("inference_flops", "parameter_count", "device_seconds"), keep=0.1)
    assert judge.goes_on((9.0, 9.0, 9.0), [(1.0, 1.0, 1.0)] * 9)


@pytest.mark.parametrize(
    ("step", "total", "rung"),
    [
        (24, 100, None),
        (25, 100, 0.25),
        (26, 100, None),
        (50, 100, 0.5),
        (75, 100, None),
        (1, 2, 0.5),
        (2, 7, 0.25),
        (4, 7, 0.5),
        (1, 1, 0.5),
    ],
)
def test_a_rung_is_met_at_its_own_step_alone(step: int, total: int, rung: float | None) -> None:
    assert rungs().at(step, total) == rung
