"""Ablation designs and nuisance values: which configurations a sweep trains, before it starts."""

from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep_platform.common.errors import InputError
from sweep_platform.space.design import design_points, nuisance_points, planned_points
from sweep_platform.space.knobs import holds
from sweep_platform.space.space_file import SpaceFile, overridden
from sweep_platform.spec.schema import Choices, Scalar, SweepSpec

ABLATION = """\
name: toy
dataset: {name: sudoku, side: 4, train: 4, test: 2}
model: {H_layers: 1, L_layers: 1, head_dim: 16, hidden_size: 32, N: 2}
budget: {flops_per_trial: 1e8}
ablation:
  base: {T: 1, weight_decay: 0.5}
  change: {N: [1, 3], T: [2], batch_size: [8]}
  replicates: 3
"""
SEARCH = """\
name: toy
dataset: {name: sudoku, side: 4, train: 4, test: 2}
model: {H_layers: 1, L_layers: 1, head_dim: 16, hidden_size: 32}
space:
  N: {choices: [1, 2]}
  T: {low: 1, high: 3}
  learning_rate: {low: 1e-4, high: 1e-2, log: true}
nuisance: [learning_rate]
budget: {trials: 2, flops_per_trial: 1e8}
"""
KNOBS = st.dictionaries(
    st.sampled_from("abcd"),
    st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True),
    min_size=1,
)


def resolved(text: str, *settings: str) -> SweepSpec:
    return file_of(text).resolve(None, settings)


def file_of(text: str) -> SpaceFile:
    path = Path("toy.yaml")
    path.write_text(text)
    return SpaceFile.read(path)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def points_of(spec: SweepSpec) -> list[dict[str, Scalar]]:
    return list(planned_points(spec) or ())


@given(KNOBS)
def test_one_at_a_time_is_the_base_and_each_change_alone(listed: dict[str, list[int]]) -> None:
    knobs = {name: Choices(choices=tuple(values)) for name, values in listed.items()}
    base = {name: values[0] for name, values in listed.items()}
    first, *changed = design_points("one_at_a_time", knobs)
    assert first == base
    wanted = [(name, value) for name, values in listed.items() for value in values[1:]]
    assert [point.items() - base.items() for point in changed] == [{one} for one in wanted]


@given(KNOBS)
def test_factorial_is_every_combination_once(listed: dict[str, list[int]]) -> None:
    knobs = {name: Choices(choices=tuple(values)) for name, values in listed.items()}
    points = list(design_points("factorial", knobs))
    assert points[0] == {name: values[0] for name, values in listed.items()}
    every = {frozenset(zip(listed, row, strict=True)) for row in product(*listed.values())}
    assert {frozenset(point.items()) for point in points} == every
    assert len(points) == len(every)


def test_a_design_is_written_out_as_a_space() -> None:
    spec = resolved(ABLATION)
    assert {name: knob.choices for name, knob in spec.space.items()} == {
        "N": (2, 1, 3),
        "T": (1, 2),
        "batch_size": (768, 8),
    }
    assert (spec.trials, spec.replicates) == (5, 3)
    assert "N" not in spec.model, "it is a knob now"
    assert spec.training == {"weight_decay": 0.5}
    base = {"N": 2, "T": 1, "batch_size": 768}
    changes = ({}, {"N": 1}, {"N": 3}, {"T": 2}, {"batch_size": 8})
    assert points_of(spec) == [{**base, **change} for change in changes]


def test_nuisance_knobs_are_no_part_of_a_design() -> None:
    tuned = resolved(ABLATION.replace("[8]", "[8, 16]"), "nuisance=[batch_size]")
    assert points_of(tuned) == [
        {"N": 2, "T": 1},
        {"N": 1, "T": 1},
        {"N": 3, "T": 1},
        {"N": 2, "T": 2},
    ]
    assert tuned.trials == 4
    assert nuisance_points(tuned) == [{"batch_size": size} for size in (768, 8, 16)]


def test_a_factorial_design_counts_its_combinations() -> None:
    assert resolved(ABLATION, "ablation.design=factorial").trials == 3 * 2 * 2


@pytest.mark.timeout(60)
@pytest.mark.parametrize("more", ["", "\nnuisance: [learning_rate]"])
def test_a_design_of_more_than_anybody_trains_is_refused_before_it_is_made(more: str) -> None:
    names = ("N", "T", "M_max", "H_layers", "L_layers", "hidden_size", "batch_size", "beta1")
    listed = list(range(100, 400)) if not more else [100, 101, 102, 103]
    change = ", ".join(f"{name}: {listed}" for name in names)
    text = ABLATION.replace("N: [1, 3], T: [2], batch_size: [8]", change) + "  design: factorial"
    with pytest.raises(InputError, match=r"`ablation.change` makes .* configurations.*10,000"):
        resolved(text + more)


@pytest.mark.parametrize("design", ["one_at_a_time", "factorial"])
def test_a_design_that_was_written_out_is_the_same_when_it_is_read_again(design: str) -> None:
    spec = resolved(ABLATION, f"ablation.design={design}", "budget.trials=99")
    again = overridden(spec.public(), "sweep.json", ())
    assert again == spec
    assert points_of(again) == points_of(spec)
    assert overridden(again.public(), "sweep.json", ("replicates=5",)).replicates == 5


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("T: [2]", "T: [1]", ["ablation.change.T changes nothing: 1 is the base's"]),
        ("T: [2]", "T: [2, 2]", ["ablation.change.T changes nothing: 2 is listed twice"]),
        ("[8]", "[768]", ["ablation.change.batch_size changes nothing: 768 is the base's"]),
        ("T: [2]", "TT: [2]", ["ablation.change.TT is no known setting", "T?"]),
        ("weight_decay: 0.5", "weight: 1", ["ablation.base.weight is no known setting"]),
        ("T: [2]", "T: [0]", ["T"]),
        ("change: {N: [1, 3], T: [2], batch_size: [8]}", "change: {}", ["ablation.change"]),
        ("ablation:", "space: {N: {choices: [1, 2]}}\nablation:", ["keep one of space and"]),
        ("ablation:", "base: {N: 2}\nablation:", ["base does not go with ablation"]),
        ("ablation:", "rungs: {at: [0.5]}\nablation:", ["rungs.at does not go with"]),
        ("ablation:", "replicates: 2\nablation:", ["keep that or ablation.replicates"]),
        ("1e8}", "1e8, trials: 4}", ["budget.trials is 4, but the design has 5", "give 5"]),
        ("design", "dezign", ["one_at_a_time"]),
    ],
)
def test_a_design_that_makes_no_sense_is_refused(old: str, new: str, parts: list[str]) -> None:
    text = ABLATION + "  design: factorial\n" if old == "design" else ABLATION
    if old == "design":
        old, new = "factorial", "all"
    assert old in text
    with pytest.raises(InputError) as caught:
        resolved(text.replace(old, new, 1))
    message = str(caught.value).replace("`", "")
    assert "toy.yaml" in message
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("trials: 2, ", "", "budget.trials is missing"),
        ("[learning_rate]", "[learning_ratio]", "'learning_ratio', which is no knob"),
        ("[learning_rate]", "[N, N]", "names 'N' twice"),
        ("[learning_rate]", "[N, T, learning_rate]", "names every knob"),
        ("nuisance:", "base: {N: 1}\nnuisance:", "base lacks a value of the knob T"),
        ("nuisance:", "base: {N: 1, T: 9}\nnuisance:", "base.T is 9, which lies outside"),
        ("nuisance:", "base: {N: 1, T: 1, learning_rate: 1e-3}\nnuisance:", "is a nuisance knob"),
        ("nuisance:", "base: {N: 1, T: 1, M_max: 1}\nnuisance:", "base.M_max is no knob"),
        ("nuisance:", "objectives: [flops_to_target]\nnuisance:", "which needs a target"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(old: str, new: str, part: str) -> None:
    assert old in SEARCH
    with pytest.raises(InputError) as caught:
        resolved(SEARCH.replace(old, new, 1))
    assert part in str(caught.value).replace("`", "")
    assert "toy.yaml" in str(caught.value)


def knob(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["choices", "whole", "stepped", "real", "log"]))
    if kind == "choices":
        listed = st.lists(st.integers(1, 99), min_size=1, max_size=6, unique=True)
        return {"choices": draw(listed)}
    low, more = draw(st.integers(1, 5)), draw(st.integers(0, 9))
    if kind == "whole":
        return {"low": low, "high": low + more}
    if kind == "stepped":
        return {"low": low, "high": low + more, "step": draw(st.integers(1, min(4, more or 1)))}
    return {"low": float(low), "high": float(low + more + 1), "log": kind == "log"}


@st.composite
def tuned(draw: st.DrawFn) -> SweepSpec:
    """A sweep of one to three nuisance knobs, of any kind, beside the one to compare."""
    names = ["warmup_steps", "learning_rate", "weight_decay"][: draw(st.integers(1, 3))]
    return SweepSpec.model_validate(
        {
            "name": "toy",
            "dataset": {"name": "sudoku"},
            "space": {"N": {"choices": [1, 2]}, **{name: knob(draw) for name in names}},
            "nuisance": names,
            "tuning": {"tries": draw(st.integers(1, 7))},
            "budget": {"trials": 1, "flops_per_trial": 1.0},
        }
    )


@given(tuned())
def test_nuisance_values_are_distinct_and_of_their_knobs(spec: SweepSpec) -> None:
    points = nuisance_points(spec)
    assert 1 <= len(points) <= spec.tuning.tries
    assert all(point not in points[:number] for number, point in enumerate(points))
    for point in points:
        assert tuple(point) == spec.nuisance
        assert all(holds(spec.space[name], value) for name, value in point.items())


@given(st.lists(st.integers(1, 3), min_size=1, max_size=2), st.integers(0, 3))
def test_where_they_are_few_all_are_tried(counts: list[int], spare: int) -> None:
    names = ["warmup_steps", "batch_size"][: len(counts)]
    knobs = {name: {"low": 1, "high": n} for name, n in zip(names, counts, strict=True)}
    spec = SweepSpec.model_validate(
        {
            "name": "toy",
            "dataset": {"name": "sudoku"},
            "space": {"N": {"choices": [1, 2]}, **knobs},
            "nuisance": names,
            "tuning": {"tries": prod(counts) + spare},
            "budget": {"trials": 1, "flops_per_trial": 1.0},
        }
    )
    tried = {tuple(point.values()) for point in nuisance_points(spec)}
    assert tried == set(product(*(range(1, n + 1) for n in counts)))


def test_without_nuisance_knobs_there_is_one_try_without_values() -> None:
    assert nuisance_points(resolved(SEARCH, "nuisance=[]")) == [{}]


def test_tries_of_a_range_are_spread_evenly_over_magnitudes() -> None:
    rates = [point["learning_rate"] for point in nuisance_points(resolved(SEARCH))]
    assert rates == pytest.approx([1e-4 * 10 ** (2 * share) for share in (1 / 6, 3 / 6, 5 / 6)])
