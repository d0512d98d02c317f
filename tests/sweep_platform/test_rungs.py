"""Who goes on at a rung; `RungRuleConformance` tries any rule."""

from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweep_platform.search.rungs.fronts import Fronts, Values
from sweep_platform.search.rungs.rule import RungRule, SuccessiveHalving
from sweep_platform.spec.schema import RungSpec
from sweep_platform.store.messages import Decision

TWO = ("exact_accuracy", "inference_flops")


def rungs(**changes: object) -> SuccessiveHalving:
    return SuccessiveHalving(RungSpec(**{"at": (0.25, 0.5), "minimum": 1, **changes}))


def continues(
    rule: RungRule,
    values: Values,
    earlier: list[Values],
    objectives: tuple[str, ...] = TWO,
) -> bool:
    decision = rule.decide(values, Fronts(objectives, earlier))
    assert decision in (Decision.CONTINUE, Decision.STOP, Decision.PAUSE)
    return decision is Decision.CONTINUE


ACCURACY = st.integers(0, 4).map(lambda quarter: quarter / 4)
TRIAL = st.tuples(ACCURACY, st.integers(1, 5).map(float))
TRIALS = st.lists(TRIAL, max_size=12)
KEEP = st.sampled_from([0.1, 0.25, 0.5, 1.0])


def beats(one: Values, other: Values) -> bool:
    """One accuracy against one cost, as the documentation has it."""
    return one[0] > other[0] and one[1] <= other[1]


ANY_RULE = settings(suppress_health_check=[HealthCheck.differing_executors])
"""Each rule has a class of its own that inherits the tests."""


def best(rule: RungRule, trials: list[Values]) -> list[Values]:
    """Those that go on from a rung to which no other trial will come."""
    there = Fronts(TWO, trials)
    return [one for front in islice(there, rule.promotes(there, last=True)) for one in front]


class RungRuleConformance:
    """What any rule for two objectives must do; a subclass gives `rule`."""

    def rule(self) -> RungRule:
        raise NotImplementedError

    @ANY_RULE
    @given(trial=TRIAL, earlier=TRIALS)
    def test_it_decides_the_same_again(self, trial: Values, earlier: list[Values]) -> None:
        decision = self.rule().decide(trial, Fronts(TWO, earlier))
        assert self.rule().decide(trial, Fronts(TWO, earlier)) is decision

    def test_the_first_goes_on(self) -> None:
        assert self.rule().decide((0.0, 1.0), Fronts(TWO)) is Decision.CONTINUE

    @ANY_RULE
    @given(total=st.integers(1, 10**6), data=st.data())
    def test_a_rung_is_met_once(self, total: int, data: st.DataObject) -> None:
        step = data.draw(st.integers(1, total))
        rung = self.rule().at(step, total)
        if rung is not None:
            assert 0 < rung < 1
            assert self.rule().at(step + 1, total) != rung

    @ANY_RULE
    @given(trial=TRIAL, earlier=TRIALS)
    def test_it_promotes_who_would_go_on_as_the_last_to_come(
        self, trial: Values, earlier: list[Values]
    ) -> None:
        goes_on = self.rule().decide(trial, Fronts(TWO, earlier)) is Decision.CONTINUE
        assert (trial in best(self.rule(), [*earlier, trial])) == goes_on

    @ANY_RULE
    @given(trials=st.lists(TRIAL, min_size=1, max_size=12))
    def test_when_no_other_comes_the_best_goes_on(self, trials: list[Values]) -> None:
        first = next(iter(Fronts(TWO, trials)))
        assert set(first) <= set(best(self.rule(), trials))


class TestSuccessiveHalving(RungRuleConformance):
    def rule(self) -> RungRule:
        return rungs(keep=0.5)


class TestPromotion(RungRuleConformance):
    def rule(self) -> RungRule:
        return rungs(keep=0.5, rule="promotion")


@given(trial=TRIAL, earlier=TRIALS, keep=KEEP, worse=TRIAL)
def test_a_worse_one_more_stops_nobody(
    trial: Values, earlier: list[Values], keep: float, worse: Values
) -> None:
    judge = rungs(keep=keep)
    if beats(trial, worse) and continues(judge, trial, earlier):
        assert continues(judge, trial, [*earlier, worse])


@given(trial=TRIAL, earlier=TRIALS, keep=KEEP)
def test_the_unbeaten_go_on(trial: Values, earlier: list[Values], keep: float) -> None:
    judge = rungs(keep=keep)
    if not any(beats(other, trial) for other in earlier):
        assert continues(judge, trial, earlier)


@given(accuracy=ACCURACY, costs=st.lists(st.floats(1, 9), min_size=1), cost=st.floats(1, 9))
def test_equal_accuracy_beats_nobody(accuracy: float, costs: list[float], cost: float) -> None:
    assert continues(rungs(keep=0.1), (accuracy, cost), [(accuracy, other) for other in costs])


@given(earlier=st.lists(ACCURACY, max_size=12), accuracy=ACCURACY, keep=KEEP)
def test_one_objective_is_plain_halving(
    earlier: list[float], accuracy: float, keep: float
) -> None:
    one, judge = ("exact_accuracy",), rungs(keep=keep)
    better = sum(other > accuracy for other in earlier)
    kept = max(1, keep * (len(earlier) + 1))
    assert continues(judge, (accuracy,), [(other,) for other in earlier], one) == (better < kept)


@given(trial=TRIAL, earlier=TRIALS, keep=KEEP, seed=st.randoms())
def test_the_order_of_arrival_before_does_not_matter(
    trial: Values, earlier: list[Values], keep: float, seed: object
) -> None:
    shuffled = list(earlier)
    seed.shuffle(shuffled)
    judge = rungs(keep=keep)
    assert continues(judge, trial, earlier) == continues(judge, trial, shuffled)


def test_nobody_is_promoted_before_enough_have_come_but_at_the_end() -> None:
    judge, few = rungs(minimum=3, keep=0.5, rule="promotion"), Fronts(TWO, [(0.5, 1.0)])
    assert judge.decide((0.75, 1.0), few) is Decision.PAUSE
    few.add((0.75, 1.0))
    assert judge.promotes(few) == 0
    assert best(judge, [(0.5, 1.0), (0.75, 1.0)]) == [(0.75, 1.0)]
    assert judge.decide((1.0, 1.0), few) is Decision.CONTINUE


def test_few_are_not_judged() -> None:
    judge = rungs(minimum=4, keep=0.25)
    best = [(1.0, 1.0)]
    assert continues(judge, (0.0, 9.0), best * 2)
    assert not continues(judge, (0.0, 9.0), best * 3)


def test_the_cheaper_of_two_that_solve_nothing_stops_no_dearer_one() -> None:
    judge = rungs(keep=0.5)
    assert continues(judge, (0.0, 9.0), [(0.0, 1.0)] * 7)
    assert not continues(judge, (0.0, 9.0), [(0.1, 1.0)] * 7)
    assert continues(judge, (0.0, 1.0), [(0.1, 9.0)] * 7), "cheaper than all that solve more"


def test_costs_stop_nobody() -> None:
    costs = ("inference_flops", "parameter_count", "device_seconds")
    assert continues(rungs(keep=0.1), (9.0, 9.0, 9.0), [(1.0, 1.0, 1.0)] * 9, costs)


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
