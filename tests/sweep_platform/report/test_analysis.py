"""The front, the intervals and the knobs are what their definitions say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrm.evaluation.wilson import wilson
from sweep_platform.report.analysis.points import (
    Point,
    best_trial,
    final_point,
    front,
    knob_values,
    points,
)
from sweep_platform.store.summary import summarize
from sweep_platform.store.trial import TrialState

COMPLETE, STOPPED, FAILED = TrialState.COMPLETE, TrialState.STOPPED, TrialState.FAILED


@st.composite
def candidates(draw: st.DrawFn) -> list[Point]:
    """Few distinct costs and counts, so that ties and equal points are common."""
    pairs = draw(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5)), max_size=20))
    return [
        Point(
            trial=number, segments=1, exact_accuracy=solved / 5, inference_flops=flops, puzzles=5
        )
        for number, (flops, solved) in enumerate(pairs)
    ]


def dominates(one: Point, other: Point) -> bool:
    no_worse = (
        one.inference_flops <= other.inference_flops and one.exact_accuracy >= other.exact_accuracy
    )
    better = (
        one.inference_flops < other.inference_flops or one.exact_accuracy > other.exact_accuracy
    )
    return no_worse and better


@given(candidates())
def test_front_holds_just_what_nothing_dominates(offered: list[Point]) -> None:
    expected = {
        p.trial for p in offered if p.solved and not any(dominates(other, p) for other in offered)
    }
    assert {p.trial for p in front(offered)} == expected


@given(candidates())
def test_front_climbs_and_is_its_own_front(offered: list[Point]) -> None:
    kept = front(offered)
    assert front(reversed(kept)) == kept
    assert kept == sorted(kept, key=lambda p: (p.inference_flops, p.exact_accuracy))


@pytest.mark.parametrize(
    ("solved", "puzzles", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval(solved: int, puzzles: int, low: float, high: float) -> None:
    """The score intervals that Newcombe (Statistics in Medicine, 1998) prints for these counts."""
    assert wilson(solved / puzzles, puzzles) == pytest.approx((low, high), abs=5e-5)


def a_point(solved: int, puzzles: int) -> Point:
    share = solved / puzzles
    return Point(trial=0, segments=1, exact_accuracy=share, inference_flops=1, puzzles=puzzles)


def test_points_are_the_last_evaluation(make_sweep) -> None:
    trial = summarize(make_sweep(COMPLETE)).trials[0]
    assert len(trial.evaluations) == 3
    assert [p.segments for p in points(trial)] == [1, 2]
    assert [p.exact_accuracy for p in points(trial)] == list(trial.final.exact_accuracy)
    assert final_point(trial) == points(trial)[-1]


def test_the_best_trial_is_the_most_accurate_then_the_cheapest(make_sweep) -> None:
    sweep = summarize(make_sweep(*[COMPLETE] * 6))
    best = best_trial(sweep.complete)
    ranks = {
        t.number: (final_point(t).exact_accuracy, -final_point(t).inference_flops)
        for t in sweep.complete
    }
    assert ranks[best.number] == max(ranks.values())
    assert sum(accuracy == ranks[best.number][0] for accuracy, _ in ranks.values()) > 1
    assert best_trial([]) is None


def test_knob_values_count_complete_trials_only(make_sweep) -> None:
    sweep = summarize(make_sweep(COMPLETE, STOPPED, COMPLETE, FAILED, COMPLETE, None))
    rows = [row for row in knob_values(sweep.complete) if row.knob == "N"]
    assert [(row.value, row.trials) for row in rows] == [(1, 1), (2, 1), (3, 1)]
    assert (
        rows[0].median_accuracy
        == rows[0].best_accuracy
        == sweep.trials[0].final.exact_accuracy[-1]
    )
    both = next(row for row in knob_values(sweep.complete) if row.knob == "M_max")
    accuracies = sorted(t.final.exact_accuracy[-1] for t in sweep.complete)
    assert (both.trials, both.median_accuracy) == (3, accuracies[1])


def test_knobs_without_effect_count_for_nothing(make_comparison) -> None:
    sweep = summarize(make_comparison("hrm", "transformer", "transformer"))
    counted = {(row.knob, row.value): row.trials for row in knob_values(sweep.complete)}
    assert counted[("model", "transformer")] == 2
    assert {at: n for at, n in counted.items() if at[0] in "NT"} == {
        ("N", 1): 1,
        ("T", 2): 1,
    }
