"""What compute buys, of sweeps in which it was planted: budgets, targets, curves, hypervolume."""

from collections.abc import Mapping
from dataclasses import replace
from math import log10
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import BUDGET, planted
from scipy.special import expit
from statsmodels.duration.survfunc import survdiff

from sweep_platform.report.analysis.compute.budgets import (
    TargetCosts,
    effects_at_budgets,
    target_costs,
)
from sweep_platform.report.analysis.compute.hypervolume import Growth, growth
from sweep_platform.report.analysis.compute.log_rank import log_rank
from sweep_platform.report.analysis.compute.scaling import (
    Estimate,
    Scaling,
    inference_scaling,
    scaling,
    training_scaling,
)
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.store.summary import SweepSummary
from sweep_platform.store.trial import TrialState

KNOBS = [{"N": n, "T": t} for n in (1, 2) for t in (1, 2, 3, 4, 5, 6)]
FLOPS = 10 ** np.linspace(8, 11, 7)


def faster(knobs: Mapping[str, Any], share: float) -> float:
    """N = 2 has learnt at half of the training what N = 1 never learns."""
    return 0.2 + 0.6 * share * (knobs["N"] - 1)


def test_effects_are_told_at_each_budget() -> None:
    found = effects_at_budgets(planted(KNOBS, faster, evaluations=4))
    assert not isinstance(found, Unknown)
    assert [one.training_flops for one in found] == pytest.approx(
        [BUDGET * n / 4 for n in (1, 2, 3, 4)]
    )
    gains = [one.difference.mean for at in found for one in at.effects if one.knob == "N"]
    assert gains == pytest.approx([0.15, 0.3, 0.45, 0.6], abs=0.08)
    assert all(one.difference.low is not None for at in found for one in at.effects)


@pytest.mark.parametrize("evaluations", [1])
def test_one_evaluation_is_no_series_of_budgets(evaluations: int) -> None:
    assert isinstance(effects_at_budgets(planted(KNOBS, faster, evaluations=evaluations)), Unknown)


def test_a_target_that_one_value_never_reaches_is_censored_not_dropped() -> None:
    found = target_costs(planted(KNOBS, faster, evaluations=4), "N", 0.5)
    assert isinstance(found, TargetCosts)
    slow, fast = found.values
    assert (slow.value, slow.trials, slow.met, slow.median) == (1, 6, 0, None)
    assert (fast.value, fast.trials, fast.met) == (2, 6, 6)
    assert fast.median == pytest.approx(BUDGET / 2, rel=0.2)
    assert found.p < 0.01


def test_half_of_the_trials_by_kaplan_and_meier() -> None:
    """Three of four have met it after 1, 2 and 3 quarters, and one was stopped after the first."""
    sweep = planted([{"N": n} for n in (1, 2) for _ in range(4)], lambda *_: 0.5, evaluations=4)
    met = (1, 2, 3, None)
    trials = [
        told(sweep, number, quarter, stops_after=1 if quarter is None else 4)
        for number, quarter in enumerate(met * 2)
    ]
    found = target_costs(replace(sweep, trials=tuple(trials)), "N", 0.9)
    assert isinstance(found, TargetCosts)
    assert found.values[0].met == 3
    # 1/4 leave at the first quarter, then one of two that remain: 3/4 and 3/8 are left.
    assert found.values[0].median == pytest.approx(BUDGET * 2 / 4, rel=1e-6)
    assert found.p == pytest.approx(1.0)


def told(sweep: SweepSummary, number: int, met: int | None, stops_after: int) -> Any:
    """A trial that reaches 0.9 just at a quarter of its budget, or ends before."""
    trial = sweep.trials[number]
    replicates = []
    for one in trial.replicates:
        evaluations = [
            replace(at, curve=replace(at.curve, exact_accuracy=(0.0, 0.9 * (n + 1 == met))))
            for n, at in enumerate(one.evaluations)
        ][: stops_after if met is None else met]
        replicates.append(replace(one, evaluations=tuple(evaluations)))
    state = TrialState.STOPPED if met is None else TrialState.COMPLETE
    return replace(trial, replicates=tuple(replicates), state=state)


@pytest.mark.parametrize(
    ("knob", "target", "reason"),
    [
        ("T", 0.5, "fewer than two of its values have 3 evaluated trials"),
        ("model", 0.5, "fewer than two of its values"),
        ("N", 0.999, "no trial reached it"),
    ],
)
def test_costs_of_a_target_are_not_compared_from_little(
    knob: str, target: float, reason: str
) -> None:
    found = target_costs(planted(KNOBS, faster), knob, target)
    assert isinstance(found, Unknown)
    assert reason in found.reason


def drawn(generator: np.random.Generator, trials: int, factor: float = 1.0) -> float:
    """The p-value of costs that differ by a factor, of so many trials each; censored at 2."""
    costs = generator.exponential(1.0, 2 * trials) * np.repeat([1.0, factor], trials)
    found = log_rank(np.minimum(costs, 2.0), (costs < 2.0).astype(int), np.repeat([0, 1], trials))
    assert found is not None
    return found


def test_equal_costs_are_told_apart_once_in_twenty() -> None:
    generator = np.random.default_rng(3)
    found = [drawn(generator, 5) < 0.05 for _ in range(400)]
    assert fmean(found) == pytest.approx(0.05, abs=0.02)


def test_costs_that_differ_are_told_apart() -> None:
    generator = np.random.default_rng(3)
    assert fmean(drawn(generator, 10, factor=8.0) < 0.05 for _ in range(50)) > 0.85


def test_the_log_rank_test_counts_all_ways_of_dealing_few_trials() -> None:
    """All of one group are cheaper: of 20 ways these are 2, or 6 of 90 in three groups of two."""
    met = np.ones(6, int)
    costs = np.arange(1.0, 7.0)
    assert log_rank(costs, met, np.repeat([0, 1], 3)) == pytest.approx(2 / 20)
    assert log_rank(costs, met, np.repeat([0, 1, 2], 2)) == pytest.approx(6 / 90)


def test_observed_less_expected_is_what_the_log_rank_test_has() -> None:
    """Its p-value nears that of the usual test where trials are many."""
    generator = np.random.default_rng(5)
    costs = generator.exponential(1.0, 200) * np.repeat([1.0, 1.3], 100)
    met, groups = (costs < 2.0).astype(int), np.repeat([0, 1], 100)
    found = log_rank(np.minimum(costs, 2.0), met, groups)
    assert found == pytest.approx(survdiff(np.minimum(costs, 2.0), met, groups)[1], rel=0.15)


@pytest.mark.parametrize("evaluations", [1, 3])
def test_a_target_that_all_met_at_once_is_not_compared(evaluations: int) -> None:
    found = target_costs(planted(KNOBS, lambda *_: 1.0, evaluations=evaluations), "N", 0.5)
    assert isinstance(found, TargetCosts)
    assert found.p is None
    assert [one.median for one in found.values] == pytest.approx([BUDGET / evaluations] * 2)


def noisy(seed: int, seeds: int = 5, top: float = 0.8) -> Any:
    """Accuracies along a logistic curve, each seed with a middle of its own."""
    generator = np.random.default_rng(seed)
    middles = 9.5 + generator.normal(0, 0.1, (seeds, 1))
    curve = top * expit((np.log10(FLOPS) - middles) * 3)
    return curve + generator.normal(0, 0.005, curve.shape)


def test_the_compute_that_a_target_needs_is_that_of_the_planted_curve() -> None:
    found = scaling(FLOPS, noisy(0), 0.4)
    assert isinstance(found, Scaling)
    assert found.limit == pytest.approx(0.8, abs=0.03)
    assert isinstance(found.needed, Estimate)
    assert found.needed.low < found.needed.value < found.needed.high
    assert found.needed.value == pytest.approx(10**9.5, rel=0.4)
    assert (found.flops[0], found.flops[-1]) == pytest.approx((FLOPS[0], FLOPS[-1]))
    assert found.accuracy[-1].value == pytest.approx(0.8, abs=0.03)


def test_nineteen_of_twenty_intervals_hold_the_compute_that_is_needed() -> None:
    found = [scaling(FLOPS, noisy(seed), 0.4) for seed in range(100)]
    held = [one.needed.low < 10**9.5 < one.needed.high for one in found]
    assert fmean(held) == pytest.approx(0.95, abs=0.05)


@pytest.mark.parametrize(
    ("target", "reason"), [(0.9, "stays below it"), (1e-6, "a factor of 10 beyond")]
)
def test_what_lies_far_off_is_not_foretold(target: float, reason: str) -> None:
    found = scaling(FLOPS, noisy(1), target)
    assert isinstance(found, Scaling)
    assert isinstance(found.needed, Unknown)
    assert reason in found.needed.reason


@pytest.mark.parametrize(
    ("flops", "accuracies", "reason"),
    [
        (FLOPS, noisy(0, seeds=2), "2 seeds at 7 different FLOPs"),
        (FLOPS[:4], noisy(0)[:, :4], "5 seeds at 4 different FLOPs"),
        (FLOPS, np.full((3, 7), 0.5), "do not follow"),
    ],
)
def test_no_curve_is_fitted_to_little(flops: Any, accuracies: Any, reason: str) -> None:
    found = scaling(flops, accuracies, 0.4)
    assert isinstance(found, Unknown)
    assert reason in found.reason


def test_training_and_front_have_their_curves() -> None:
    def rule(knobs: Mapping[str, Any], share: float) -> float:
        return float(0.9 * expit(8 * (share - 0.5)) * expit(knobs["N"] - 2))

    sweep = planted([{"N": n} for n in range(1, 8)], rule, evaluations=6, seeds=4)
    along = training_scaling(sweep.trials[-1], 0.5)
    assert isinstance(along, Scaling)
    assert isinstance(along.needed, Estimate)
    assert along.needed.value == pytest.approx(BUDGET / 2, rel=0.3)
    front = inference_scaling(sweep, 0.5)
    assert isinstance(front, Scaling)
    assert front.seeds == 4
    assert isinstance(inference_scaling(planted([], rule), 0.5), Unknown)
    assert isinstance(training_scaling(planted([{"N": 1}], rule, seeds=1).trials[0], 0.5), Unknown)


def test_the_front_grows_trial_by_trial() -> None:
    found = growth(planted(KNOBS, faster))
    assert isinstance(found, Growth)
    assert [one.trial for one in found.trials] == list(range(len(KNOBS)))
    assert [one.training_flops for one in found.trials] == [
        int(3 * BUDGET) * (n + 1) for n in range(len(KNOBS))
    ]
    volumes = [one.hypervolume for one in found.trials]
    assert volumes == sorted(volumes)
    assert isinstance(growth(planted([], faster)), Unknown)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5)), min_size=1, max_size=12))
def test_the_hypervolume_is_the_area_below_all_points(places: list[tuple[int, int]]) -> None:
    """Against a sum over the strips between all costs, of the best that costs no more."""
    sweep = planted([{"N": 1}] * len(places), lambda *_: 0.5, seeds=1, evaluations=1)
    trials = []
    for trial, (cost, solved) in zip(sweep.trials, places, strict=True):
        [one] = trial.replicates
        [at] = one.evaluations
        curve = replace(
            at.curve,
            exact_accuracy=(solved / 5,),
            token_accuracy=(1.0,),
            inference_flops=(10**cost,),
        )
        changed = replace(one, evaluations=(replace(at, curve=curve),))
        trials.append(replace(trial, replicates=(changed,)))
    found = growth(replace(sweep, trials=tuple(trials)))
    assert isinstance(found, Growth)
    assert log10(found.reference) == max(cost for cost, _ in places)
    for number, told in enumerate(found.trials):
        seen = places[: number + 1]
        strips = range(1, max(cost for cost, _ in places))
        area = sum(max((s / 5 for c, s in seen if c <= at), default=0.0) for at in strips)
        assert told.hypervolume == pytest.approx(area)
