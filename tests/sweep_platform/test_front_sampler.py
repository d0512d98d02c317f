"""`sampler: front`: what it chooses by, and that it reaches a front for less than chance does."""

import importlib
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep_platform.search.samplers import distribution, sampler
from sweep_platform.search.sampling.cube import Cube, place, value_at
from sweep_platform.search.sampling.front import best_for, on_front
from sweep_platform.search.sampling.surrogate import Surrogate, expected_gain
from sweep_platform.space.knobs import holds
from sweep_platform.space.rules.conditions import lacking
from sweep_platform.spec.schema import Choices, Knob, Range, SweepSpec

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
KNOBS: dict[str, Knob] = {
    "model": Choices(choices=("hrm", "trm", "transformer")),
    "N": Choices(choices=(1, 2, 4), when={"model": ("hrm", "trm")}),
    "T": Range(low=1, high=8),
    "learning_rate": Range(low=1e-5, high=1e-1, log=True),
    "halt_exploration": Range(low=0.1, high=0.7, step=0.3),
    "M_max": Range(low=1, high=64, log=True),
    "beta1": Range(low=0.5, high=0.5),
}


@pytest.fixture
def formula(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("samplers")


@given(seed=st.integers(0, 2**32 - 1))
def test_points_near_others_lie_in_the_space_and_are_others(seed: int) -> None:
    spec = SweepSpec.model_construct(space=KNOBS, model={}, training={})
    cube, source = Cube(spec), np.random.default_rng(seed)
    point = cube.anywhere(source)
    for made in (point, cube.near(point, source)):
        assert not lacking(spec, made)
        assert all(holds(KNOBS[name], value) for name, value in made.items())
    assert ("N" in point) == (point["model"] != "transformer")
    row = cube.vectors([point])[0]
    assert len(row) == len(KNOBS) + 2
    assert np.all((row >= 0) & (row <= 1))


@given(share=st.floats(0, 1), name=st.sampled_from([name for name in KNOBS if name != "model"]))
def test_a_place_leads_back_to_its_value(share: float, name: str) -> None:
    value = value_at(KNOBS[name], share)
    again = value_at(KNOBS[name], place(KNOBS[name], value))
    assert isinstance(value, int | float)
    assert isinstance(again, int | float)
    assert math.isclose(value, again)


def test_the_front_and_the_best_for_a_cost() -> None:
    worth = np.array([0.1, 0.5, 0.4, 0.5])
    costs = np.array([[1.0], [2.0], [3.0], [2.5]])
    assert on_front(worth, costs) == [0, 1]
    assert list(best_for(np.array([[0.5], [1.5], [9.0]]), worth, costs)) == [0.1, 0.1, 0.5]
    assert on_front(worth, costs[:, :0]) == [1, 3]  # without a cost the best alone


def test_a_point_that_is_tried_is_worth_less_while_its_value_is_unknown() -> None:
    points = np.array([[0.0], [0.3], [0.6]])
    values, there = np.array([0.0, 0.5, 0.7]), np.array([[0.9]])
    none, best = np.empty((0, 1)), np.array([0.7])
    before, after = (
        float(expected_gain(*Surrogate(points, values, unknown).expect(there), best)[0])
        for unknown in (none, there)
    )
    assert after < before


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_it_draws_from_conditions_with_any_number_of_objectives(
    make_spec: Callable[..., SweepSpec], objectives: int
) -> None:
    names = ["exact_accuracy", "inference_flops", "parameter_count"][:objectives]
    spec = make_spec(
        space={name: knob.model_dump(exclude_defaults=True) for name, knob in KNOBS.items()},
        objectives=names,
        search={"sampler": "front", "startup_trials": 3},
    )
    study = optuna.create_study(directions=["maximize", "minimize", "minimize"][:objectives])
    seen: set[Any] = set()
    for number in range(8):
        study.sampler = sampler(spec, number)
        trial = study.ask()
        for name, knob in spec.space.items():
            if name in lacking(spec, trial.params):
                trial._suggest(name, distribution(knob))
        seen.add(tuple(sorted(trial.params.items())))
        study.tell(trial, [float(number), 1e9 / (number + 1), 0.0][:objectives])
    assert len(seen) == 8


def test_on_a_formula_it_finds_more_of_the_front_than_chance_with_less(
    formula: ModuleType,
) -> None:
    """Of three seeds the one in the middle."""
    more, less = [], []
    for seed in range(3):
        by_chance, found = (list(formula.searched(n, seed, 28)) for n in ("random", "front"))
        more.append((found[-1][1] - by_chance[-1][1]) / formula.greatest_area())
        less.append(found[-1][0] / by_chance[-1][0])
    assert statistics.median(more) > 0.1
    assert statistics.median(less) < 1


@pytest.mark.slow
def test_on_a_formula_it_reaches_half_the_area_for_half_the_compute(formula: ModuleType) -> None:
    half, spent = formula.greatest_area() / 2, []
    for seed in range(20):
        every = (list(formula.searched(name, seed, 40)) for name in ("front", "random"))
        spent.append([formula.spent_to(half, course) for course in every])
    front, by_chance = map(statistics.median, zip(*spent, strict=True))
    assert front < 0.5 * by_chance
    assert sum(ours < theirs for ours, theirs in spent) >= 18
