"""What a space means: its values, its size, and that each of its points can be built."""

import itertools
import math
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep_platform.common.errors import InputError
from sweep_platform.search.samplers import distribution
from sweep_platform.space import knobs as space
from sweep_platform.space.check import _extremes, check_space
from sweep_platform.spec.schema import Choices, Range, SweepSpec
from sweep_platform.spec.settings import MODEL_SETTINGS, TRAINING_SETTINGS
from sweep_platform.spec.yaml_source import Source

SHAPE = space.Shape(vocab_size=12, seq_len=9, num_puzzle_identifiers=5)


optuna.logging.set_verbosity(optuna.logging.WARNING)


@st.composite
def whole_knobs(draw: st.DrawFn, low: int, high: int) -> dict[str, Any]:
    if draw(st.booleans()):
        listed = st.lists(st.integers(low, high), min_size=1, max_size=4, unique=True)
        return {"choices": draw(listed)}
    first, last = sorted((draw(st.integers(low, high)), draw(st.integers(low, high))))
    log = first > 0 and draw(st.booleans())
    step = None if log else draw(st.none() | st.integers(1, max(1, last - first)))
    return {"low": first, "high": last, "log": log, "step": step}


@st.composite
def fraction_knobs(draw: st.DrawFn) -> dict[str, Any]:
    tenths = st.integers(1, 9).map(lambda tenth: tenth / 10)
    first, last = sorted((draw(tenths), draw(tenths)))
    log = draw(st.booleans())
    step = (
        None
        if log
        else draw(st.sampled_from([None, *(s for s in (0.05, 0.1, 0.3) if s <= last - first)]))
    )
    return {"low": first, "high": last, "log": log, "step": step}


KNOBS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "N": whole_knobs(1, 6),
    "T": whole_knobs(0, 6),
    "M_max": whole_knobs(1, 40),
    "hidden_size": whole_knobs(16, 80),
    "num_heads": whole_knobs(1, 8),
    "positions": st.just({"choices": ["rope", "learned"]}),
    "batch_size": whole_knobs(1, 12),
    "micro_batch": whole_knobs(1, 12),
    "beta1": fraction_knobs(),
    "learning_rate": fraction_knobs(),
    "loss": st.just({"choices": ["softmax", "stablemax"]}),
}
SPACES = st.lists(st.sampled_from(sorted(KNOBS)), min_size=1, max_size=5, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: KNOBS[name] for name in names})
)


def spec_of(knobs: dict[str, Any], **changes: Any) -> SweepSpec:
    return SweepSpec.model_validate(
        {
            "name": "toy",
            "dataset": {"name": "arc-agi-1"},
            "space": knobs,
            "budget": {"trials": 4, "flops_per_trial": 1e9},
            **changes,
        }
    )


def drawn(spec: SweepSpec, seed: int) -> dict[str, Any]:
    distributions = {name: distribution(knob) for name, knob in spec.space.items()}
    sampler = optuna.samplers.RandomSampler(seed=seed)
    trial = optuna.create_study(sampler=sampler).ask(distributions)
    return space.as_written(spec, trial.params)


def is_accepted(spec: SweepSpec) -> bool:
    try:
        check_space(spec, Source(tree={}, locations={}, name="toy.yaml"))
    except InputError:
        return False
    return True


@settings(deadline=None, max_examples=150)
@given(knobs=SPACES, seed=st.integers(0, 2**32 - 1))
def test_every_drawn_point_of_an_accepted_space_can_be_built(knobs: Any, seed: int) -> None:
    spec = spec_of(knobs)
    if is_accepted(spec):
        point = drawn(spec, seed)
        space.model_config(spec, SHAPE, point)
        space.training_config(spec, point)


@settings(deadline=None, max_examples=100)
@given(knobs=SPACES)
def test_a_space_without_a_bad_point_is_accepted(knobs: Any) -> None:
    spec = spec_of(knobs)
    if space.size(spec) > 100:
        return
    points = list(space.nearest_first(spec, space.at_share(spec, 0)))
    assert is_accepted(spec) == all(can_be_built(spec, point) for point in points)


def can_be_built(spec: SweepSpec, point: dict[str, Any]) -> bool:
    try:
        space.model_config(spec, SHAPE, point)
        space.training_config(spec, point)
    except ValueError:
        return False
    return True


def test_a_clash_inside_a_huge_space_is_found() -> None:
    wide = {"low": 1, "high": 90}
    knobs = {"N": wide, "T": wide, "M_max": wide, "hidden_size": {"low": 32, "high": 512}}
    spec = spec_of(knobs, model={"head_dim": 32})
    assert space.size(spec) > 1e8
    with pytest.raises(InputError, match="hidden_size` is 33; give a multiple of head_dim=32"):
        check_space(spec, Source(tree={}, locations={}, name="toy.yaml"))


@pytest.mark.parametrize(("most", "fits"), [(300, True), (301, False)])
def test_wide_batches_are_checked_by_their_ends(most: int, fits: bool) -> None:
    spec = spec_of(
        {"batch_size": {"low": 300, "high": 600}, "micro_batch": {"low": 1, "high": most}}
    )
    assert is_accepted(spec) == fits
    assert len(list(_extremes(spec))) < 10


@settings(deadline=None)
@given(knobs=SPACES, seed=st.integers(0, 2**32 - 1))
def test_draws_are_values(knobs: Any, seed: int) -> None:
    spec = spec_of(knobs)
    for name, value in drawn(spec, seed).items():
        listed = space.values(spec.space[name])
        if listed is None:
            assert spec.space[name].low <= value <= spec.space[name].high
        else:
            assert value in listed


@settings(deadline=None)
@given(knobs=SPACES, share=st.floats(0, 1))
def test_values_size_and_shares_agree(knobs: Any, share: float) -> None:
    spec = spec_of(knobs)
    counts = [space.values(knob) for knob in spec.space.values()]
    countable = all(listed is not None for listed in counts)
    assert space.size(spec) == (
        math.prod(len(listed) for listed in counts) if countable else math.inf
    )
    for name, value in space.at_share(spec, share).items():
        knob = spec.space[name]
        listed = space.values(knob)
        ends = listed if listed is not None else [knob.low, knob.high]
        low, at, high = (space.at_share(spec, s)[name] for s in (0, share, 1))
        assert low == min(ends)
        assert high == pytest.approx(max(ends)) if listed is None else high == max(ends)
        assert value == at
        assert listed is None or value in listed


@settings(deadline=None)
@given(knobs=SPACES)
def test_likeness_lists_each_point_once_the_nearest_first(knobs: Any) -> None:
    spec = spec_of(knobs)
    if space.size(spec) > 500:
        return
    start = space.at_share(spec, 0)
    points = list(space.nearest_first(spec, start))
    assert len({tuple(point[name] for name in spec.space) for point in points}) == len(points)
    assert len(points) == space.size(spec)
    changed = [sum(point[name] != start[name] for name in start) for point in points]
    assert changed == sorted(changed)
    assert points[0] == start


@pytest.mark.parametrize(
    ("knob", "listed"),
    [
        (Choices(choices=(3, 1)), [3, 1]),
        (Range(low=1, high=4), [1, 2, 3, 4]),
        (Range(low=1, high=4, step=2), [1, 3]),
        (Range(low=2, high=2), [2]),
        (Range(low=0.1, high=0.7, step=0.2), [0.1, 0.3, 0.5, 0.7]),
        (Range(low=0.4, high=0.7, step=0.3), [0.4, 0.7]),
        (Range(low=0, high=1.0, step=0.4), [0.0, 0.4, 0.8]),
        (Range(low=0.5, high=0.5), [0.5]),
        (Range(low=0.5, high=0.6), None),
    ],
)
def test_values(knob: Choices | Range, listed: list[float] | None) -> None:
    found = space.values(knob)
    assert (None if found is None else list(found)) == listed


def test_shares_of_continuous_knobs() -> None:
    spec = spec_of(
        {
            "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
            "beta1": {"low": 0.2, "high": 0.4},
        }
    )
    middle = space.at_share(spec, 0.5)
    assert middle == pytest.approx({"learning_rate": 1e-3, "beta1": 0.3})


@given(low=st.floats(1e-6, 1), high=st.floats(1e-6, 1))
def test_shares_stay_within_the_ends(low: float, high: float) -> None:
    low, high = sorted((low, high))
    spec = spec_of({"halt_exploration": {"low": low, "high": high, "log": True}})
    for share in (0, 0.5, 1):
        assert low <= space.at_share(spec, share)["halt_exploration"] <= high


def test_head_dim_stands_for_heads() -> None:
    spec = spec_of({"hidden_size": {"choices": [32, 64]}}, model={"head_dim": 16})
    heads = [
        space.model_config(spec, SHAPE, {"hidden_size": width}).num_heads for width in (32, 64)
    ]
    assert heads == [2, 4]
    published = spec_of({"N": {"choices": [1]}}, model={"head_dim": 64})
    assert space.model_config(published, SHAPE, {"N": 1}).num_heads == 8


def test_training_settings_come_from_all_over_the_specification() -> None:
    spec = spec_of(
        {"batch_size": {"choices": [4, 8]}},
        training={"warmup_steps": 7},
        evaluation={"at": [0.5], "puzzles": 3, "views": 5, "confirm_share": 0.25},
        rungs={"at": [0.25]},
    )
    training = space.training_config(spec, {"batch_size": 4})
    assert (training.batch_size, training.warmup_steps) == (4, 7)
    assert training.training_flops == 1e9
    assert training.evaluate_at == (0.25, 0.5, 1.0)
    assert training.eval_puzzles == 3
    assert (training.eval_views, training.confirm_share) == (5, 0.25)
    assert training.eval_part == "search"


def test_every_setting_of_the_configs_has_a_home() -> None:
    given_otherwise = {"vocab_size", "seq_len", "num_puzzle_identifiers", "training_flops", "seed"}
    named = itertools.chain(MODEL_SETTINGS, TRAINING_SETTINGS)
    assert not given_otherwise & set(named)
