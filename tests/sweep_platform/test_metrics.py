"""The one table of metrics says the same everywhere."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_builders import progress

from hrm.progress import Votes
from sweep_platform.spec.metrics import (
    METRIC,
    METRICS,
    OBJECTIVES,
    OF_VOTES,
    QUALITY,
    Role,
    direction,
    flops_to,
    measured,
    objective_values,
    target_cost,
)


def test_keys_are_unique_and_every_row_is_named() -> None:
    assert len(METRIC) == len(METRICS)
    for metric in METRICS:
        assert metric.title
        assert metric.column
        assert metric.words(0.5)


def test_objectives_have_a_direction_and_a_role() -> None:
    assert {"exact_accuracy", "inference_flops", "parameter_count"} <= set(OBJECTIVES)
    for name in OBJECTIVES:
        better = direction(name)
        assert METRIC[name].role in (Role.QUALITY, Role.COST)
        assert (better == "maximize") == (name in QUALITY)


def test_a_report_without_an_evaluation_has_no_accuracy() -> None:
    plain, evaluated = measured(progress(5, None)), measured(progress(5, 0.25))
    assert plain.keys() < evaluated.keys()
    assert evaluated["exact_accuracy"] == 0.25
    assert list(plain)[-1] == list(evaluated)[-1] == "training_flops"


def test_objectives_come_from_the_report_and_the_costs() -> None:
    names = ("exact_accuracy", "parameter_count", "device_seconds")
    assert objective_values(names, progress(50, 0.5), {"parameter_count": 7}) == (0.5, 7.0, 5.0)


@pytest.mark.parametrize(
    ("target", "spent"),
    [(0.1, 100), (0.25, 100), (0.5, 150), (0.75, 200), (0.8, None), (1.0, None)],
)
def test_flops_to_a_target(target: float, spent: float | None) -> None:
    found = flops_to(target, [(100, 0.25), (200, 0.75), (300, 0.5)])
    assert found == (spent if spent is None else pytest.approx(spent))


def test_a_target_that_was_met_at_once_costs_what_was_spent_by_then() -> None:
    assert flops_to(0.5, [(100, 1.0)]) == 100
    assert flops_to(0.5, []) is None


@pytest.mark.parametrize(
    ("targets", "cost"),
    [
        ((), {}),
        ((0.25,), {"flops_to_target": 100}),
        ((0.25, 0.5), {"flops_to_target": 150}),
        ((1.0, 0.25), {"flops_to_target": 400 * 1.25}),
    ],
    ids=["none", "met", "the highest counts", "25 points short"],
)
def test_a_target_that_was_not_met_costs_more_than_the_budget(
    targets: tuple[float, ...], cost: dict[str, float]
) -> None:
    assert target_cost(targets, [(100, 0.25), (200, 0.75)], budget=400) == cost
    assert target_cost(targets, [], budget=400).keys() == cost.keys()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.floats(0.01, 1))
def test_who_meets_a_target_is_always_cheaper_than_who_does_not(
    solved: list[float], target: float
) -> None:
    points = [(100 * (n + 1), share) for n, share in enumerate(solved)]
    cost = target_cost([target], points, budget=points[-1][0])["flops_to_target"]
    assert (cost <= points[-1][0]) == (max(solved) >= target)


def test_votes_are_read_where_there_are_any() -> None:
    votes = Votes(
        pass_1=0.25, pass_2=0.5, pass_1_tasks=0.1, pass_2_tasks=0.2, inputs=4, tasks=10, votes=8
    )
    plain = progress(5, 0.25)
    assert not OF_VOTES & measured(plain).keys()
    voted = measured(replace(plain, votes=votes))
    assert {name: voted[name] for name in OF_VOTES} == {
        name: getattr(votes, name) for name in OF_VOTES
    }
    assert OF_VOTES <= QUALITY
