"""Knobs: their values, and points of a space as settings of model and training.

Knobs and fixed settings are the fields of `hrm.config.ModelConfig` and `TrainingConfig`; their
names, types and limits are known there and nowhere else.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from hrm.config import ModelConfig, TrainingConfig, heads_of_width
from sweep_platform.space.rules.conditions import active, fixed_settings
from sweep_platform.space.rules.derived import with_derived
from sweep_platform.spec.schema import Choices, Knob, Range, Scalar, SweepSpec
from sweep_platform.spec.settings import BUDGET_KNOB, MODEL_SETTINGS, TRAINING_SETTINGS

Parameters = Mapping[str, Scalar]

HEAD_DIM = "head_dim"
"""Setting of `model` that stands for num_heads: heads of this width, as many as fit."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes that puzzles fix for a model: vocabulary, length, number of puzzle identities."""

    vocab_size: int
    seq_len: int
    num_puzzle_identifiers: int


def values(knob: Knob) -> Sequence[Scalar] | None:
    """All values of a knob, None where they are not countable."""
    return knob.choices if isinstance(knob, Choices) else numbers(knob)


def numbers(knob: Range) -> Sequence[float] | None:
    """All numbers of a range, None where they are not countable."""
    if knob.whole:
        return range(int(knob.low), int(knob.high) + 1, int(knob.step or 1))
    if knob.step is not None:
        return _multiples(knob.low, knob.high, knob.step)
    return [knob.low] if knob.low == knob.high else None


def _multiples(*ends_and_step: float) -> list[float]:
    """low, low + step, …, in decimals, so that they are the numbers that a person would write."""
    low, high, step = (Decimal(str(number)) for number in ends_and_step)
    return [float(low + index * step) for index in range(int((high - low) // step) + 1)]


def holds(knob: Knob, value: Scalar) -> bool:
    """Whether a value is one of a knob's."""
    listed = values(knob)
    if listed is not None:
        return any(one == value and type(one) is type(value) for one in listed)
    assert isinstance(knob, Range)
    return _is_number(value) and knob.low <= value <= knob.high  # type: ignore[operator]


def size(spec: SweepSpec) -> float:
    """Number of points of the space, infinite with a continuous knob."""
    columns = [values(knob) for knob in spec.space.values()]
    return math.prod(math.inf if column is None else len(column) for column in columns)


def is_named(knob: Knob) -> bool:
    """Whether a knob's values are names, which have no order: words, yes and no, or nothing."""
    return isinstance(knob, Choices) and any(not _is_number(value) for value in knob.choices)


def _is_number(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def at_share(spec: SweepSpec, share: float) -> dict[str, Scalar]:
    """The point whose every knob stands at this share of its way, from 0 to 1.

    Between two values, knobs take the lower and the upper one by turns.
    """
    turns = zip(spec.space.items(), itertools.cycle((math.floor, math.ceil)), strict=False)
    return {name: share_of(knob, share, whole) for (name, knob), whole in turns}


def corners(spec: SweepSpec, share: float) -> Iterator[dict[str, Scalar]]:
    """Points whose numbers stand at this share of their way, with every combination of names."""
    point = at_share(spec, share)
    named = {name: values(knob) or () for name, knob in spec.space.items() if is_named(knob)}
    for row in itertools.product(*named.values()):
        yield {**point, **dict(zip(named, row, strict=True))}


def share_of(knob: Knob, share: float, whole: Callable[[float], int] = round) -> Scalar:
    """The value of a knob at this share of its way, from 0 to 1; names go by their text.

    `whole` decides between two values.
    """
    listed = sorted(knob.choices, key=_rank) if isinstance(knob, Choices) else numbers(knob)
    if listed is not None:
        return listed[whole(share * (len(listed) - 1))]
    assert isinstance(knob, Range)
    if knob.log:
        return min(knob.high, float(knob.low * (knob.high / knob.low) ** share))
    return knob.low + share * (knob.high - knob.low)


def place_of(knob: Knob, value: Scalar) -> float:
    """The share of a knob's way at which one of its numbers stands, which `share_of` leads to."""
    listed = sorted(knob.choices, key=_rank) if isinstance(knob, Choices) else numbers(knob)
    if listed is not None:
        return list(listed).index(value) / max(1, len(listed) - 1)
    assert isinstance(knob, Range)
    assert isinstance(value, int | float)
    if knob.log:
        return math.log(value / knob.low) / math.log(knob.high / knob.low)
    return (value - knob.low) / (knob.high - knob.low)


def distance(spec: SweepSpec, one: Parameters, other: Parameters) -> float:
    """How far apart two points are: the sum over knobs of how far apart they stand on their way.

    Two names, or a knob that one of the points does not have, are as far apart as two ends.
    """
    return sum(
        _apart(spec.space[name], one.get(name, ABSENT), other.get(name, ABSENT))
        for name in one.keys() | other.keys()
    )


ABSENT = object()
"""Stands for the value of a knob that a point does not have."""


def _apart(knob: Knob, one: Any, other: Any) -> float:
    if one == other and type(one) is type(other):
        return 0.0
    if ABSENT in (one, other) or is_named(knob):
        return 1.0
    return abs(place_of(knob, one) - place_of(knob, other))


def _rank(value: Scalar) -> tuple[float, str]:
    return (float(value), "") if isinstance(value, int | float) else (math.inf, str(value))


def nearest_first(spec: SweepSpec, given: Parameters) -> Iterator[dict[str, Scalar]]:
    """Every point of a countable space, those that share most knobs with `given` first."""
    for changed in range(len(spec.space) + 1):
        for names in itertools.combinations(spec.space, changed):
            yield from _variants(spec, given, names)


def _variants(
    spec: SweepSpec, given: Parameters, names: tuple[str, ...]
) -> Iterator[dict[str, Scalar]]:
    """`given` with each of `names` at every other of its values."""
    if not names:
        yield dict(given)
        return
    for value in values(spec.space[names[0]]) or ():
        if value != given[names[0]]:
            for variant in _variants(spec, given, names[1:]):
                yield {**variant, names[0]: value}


def as_written(spec: SweepSpec, drawn: Parameters) -> dict[str, Scalar]:
    """A drawn configuration in the space's own numbers: 0.1 + 0.2 is the step 0.3."""
    return {name: _as_written(spec.space[name], value) for name, value in drawn.items()}


def _as_written(knob: Knob, drawn: Scalar) -> Scalar:
    if isinstance(knob, Range) and not knob.whole and knob.step is not None:
        assert isinstance(drawn, int | float), "a range holds numbers"
        return min(numbers(knob) or (), key=lambda number: abs(number - drawn))
    return drawn


def settings_at(spec: SweepSpec, parameters: Parameters) -> dict[str, Scalar]:
    """Every setting of model and training at a point: drawn, fixed, derived, or as published.

    Raises `ConfigError`: a derived one can't be computed, or heads do not divide the width.
    """
    settings = {**fixed_settings(spec), **active(spec, parameters)}
    head_dim = settings.get(HEAD_DIM)
    if head_dim is not None:
        settings["num_heads"] = heads_of_width(head_dim, settings["hidden_size"])  # type: ignore[arg-type]
    return with_derived(spec, settings)


def model_config(spec: SweepSpec, shape: Shape, parameters: Parameters) -> ModelConfig:
    """The model of one configuration. Raises `ConfigError`: the settings do not go together."""
    settings: dict[str, Any] = _of(settings_at(spec, parameters), MODEL_SETTINGS)
    return ModelConfig(**asdict(shape), **settings)


def training_config(spec: SweepSpec, parameters: Parameters) -> TrainingConfig:
    """The training of one configuration but for its seed; its budget is that of every replicate,
    which a knob gives or the sweep's budget.

    Raises `ConfigError`: the settings do not go together.
    """
    settings: dict[str, Any] = _of(settings_at(spec, parameters), TRAINING_SETTINGS)
    puzzles = None if spec.evaluation.puzzles == "all" else spec.evaluation.puzzles
    budget: Any = parameters.get(BUDGET_KNOB, spec.budget.flops_per_trial)
    return TrainingConfig(
        training_flops=budget,
        evaluate_at=spec.evaluate_at,
        eval_puzzles=puzzles,
        eval_views=spec.evaluation.views,
        confirm_share=spec.evaluation.confirm_share,
        **settings,
    )


def _of(parameters: Parameters, names: tuple[str, ...]) -> dict[str, Scalar]:
    return {name: value for name, value in parameters.items() if name in names}
