"""What a space means: its knobs as Optuna distributions, its points as model configurations.

Knobs and fixed settings are the fields of `hrm.config.ModelConfig` and `TrainingConfig`; their
names, types and limits are known there and nowhere else.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from hrm.config import ConfigError, ModelConfig, TrainingConfig
from sweep_platform.errors import InputError, suggest
from sweep_platform.spec import OBJECTIVES, Choices, Knob, Scalar, SweepSpec
from sweep_platform.yaml_source import KeyPath, Source, dotted

Parameters = Mapping[str, Scalar]

HEAD_DIM = "head_dim"
"""Setting of `model` that stands for num_heads: heads of this width, as many as fit."""

CHECKED_ONE_BY_ONE = 10_000
"""A space of up to this many configurations is checked whole, a larger one at its corners."""

_GIVEN_BY_DATA = {"vocab_size", "seq_len", "num_puzzle_identifiers"}
_GIVEN_BY_SPEC = {"training_flops", "seed", "evaluate_at", "eval_puzzles"}
MODEL_SETTINGS = tuple(f.name for f in fields(ModelConfig) if f.name not in _GIVEN_BY_DATA)
TRAINING_SETTINGS = tuple(f.name for f in fields(TrainingConfig) if f.name not in _GIVEN_BY_SPEC)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the puzzles fix about a model: vocabulary, length, number of puzzle identities."""

    vocab_size: int
    seq_len: int
    num_puzzle_identifiers: int


def values(knob: Knob) -> list[Scalar] | None:
    """All values of a knob, None where they are not countable."""
    if isinstance(knob, Choices):
        return list(knob.choices)
    if knob.step is not None:
        count = math.floor((knob.high - knob.low) / knob.step + 1e-9) + 1
        return [knob.low + index * knob.step for index in range(count)]
    if knob.whole:
        return list(range(int(knob.low), int(knob.high) + 1))
    return [knob.low] if knob.low == knob.high else None


def _ends(knob: Knob) -> list[Scalar]:
    if isinstance(knob, Choices):
        return list(knob.choices)
    return [knob.low] if knob.low == knob.high else [knob.low, knob.high]


def points(spec: SweepSpec) -> Iterator[dict[str, Scalar]] | None:
    """Every configuration of a countable space, None for a space with a continuous knob."""
    columns = [values(knob) for knob in spec.space.values()]
    if any(column is None for column in columns):
        return None
    rows = itertools.product(*(column for column in columns if column is not None))
    return (dict(zip(spec.space, row, strict=True)) for row in rows)


def size(spec: SweepSpec) -> float:
    """Number of configurations of the space, infinite with a continuous knob."""
    columns = [values(knob) for knob in spec.space.values()]
    return math.prod(math.inf if column is None else len(column) for column in columns)


def corners(spec: SweepSpec) -> Iterator[dict[str, Scalar]]:
    """Every combination of listed choices and of the two ends of ranges."""
    for row in itertools.product(*(_ends(knob) for knob in spec.space.values())):
        yield dict(zip(spec.space, row, strict=True))


def model_config(spec: SweepSpec, shape: Shape, parameters: Parameters) -> ModelConfig:
    """The model of one configuration.

    Raises:
        ConfigError: the settings do not go together.
    """
    settings: dict[str, Any] = {**spec.model, **_of(parameters, MODEL_SETTINGS)}
    head_dim = settings.pop(HEAD_DIM, None)
    if head_dim is not None:
        settings["num_heads"] = _heads(settings.get("hidden_size", 512), head_dim)
    return ModelConfig(**asdict(shape), **settings)


def training_config(spec: SweepSpec, parameters: Parameters) -> TrainingConfig:
    """The training of one configuration; its budget is that of every trial of the sweep.

    Raises:
        ConfigError: the settings do not go together.
    """
    settings: dict[str, Any] = {**spec.training, **_of(parameters, TRAINING_SETTINGS)}
    puzzles = None if spec.evaluation.puzzles == "all" else spec.evaluation.puzzles
    return TrainingConfig(
        training_flops=spec.budget.flops_per_trial,
        evaluate_at=spec.evaluate_at,
        eval_puzzles=puzzles,
        seed=spec.seed,
        **settings,
    )


def _of(parameters: Parameters, names: tuple[str, ...]) -> dict[str, Scalar]:
    return {name: value for name, value in parameters.items() if name in names}


def _heads(hidden_size: int, head_dim: int) -> int:
    if head_dim < 1 or hidden_size % head_dim:
        raise ConfigError(f"hidden_size {hidden_size} is not divisible by head_dim {head_dim}")
    return hidden_size // head_dim


def check_space(spec: SweepSpec, source: Source) -> None:
    """Refuse a space some of whose configurations cannot be built.

    Raises:
        InputError: names the file, the line, the key and the remedy.
    """
    for section, known in (
        ("model", (*MODEL_SETTINGS, HEAD_DIM)),
        ("training", TRAINING_SETTINGS),
    ):
        for key, value in getattr(spec, section).items():
            _check_setting(source, (section, key), key, known, value)
            if key in spec.space:
                place = source.place((section, key))
                raise InputError(f"{place}: `{key}` is fixed and searched; keep one of the two.")
    for name, knob in spec.space.items():
        for value in _ends(knob):
            known = (*MODEL_SETTINGS, *TRAINING_SETTINGS)
            _check_setting(source, ("space", name), name, known, value)
    _check_heads(spec, source)
    _check_objectives(spec, source)
    _check_configurations(spec, source)


def _check_setting(
    source: Source, path: KeyPath, name: str, known: tuple[str, ...], value: Scalar
) -> None:
    place = source.place(path)
    if name not in known:
        raise InputError(f"{place}: unknown setting `{dotted(path)}`; {suggest(name, known)}.")
    kind: Any = int if name == HEAD_DIM else _kind(name)
    try:
        TypeAdapter(kind, config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        sentence = f"{problem[0].lower()}{problem[1:]}"
        raise InputError(f"{place}: `{dotted(path)}` is {value!r}: {sentence}.") from None


def _kind(name: str) -> Any:
    owner = ModelConfig if name in MODEL_SETTINGS else TrainingConfig
    return get_type_hints(owner)[name]


def _check_heads(spec: SweepSpec, source: Source) -> None:
    if HEAD_DIM in spec.model and ("num_heads" in spec.model or "num_heads" in spec.space):
        place = source.place(("model", HEAD_DIM))
        raise InputError(f"{place}: `model.head_dim` and num_heads are both given; keep one.")


def _check_objectives(spec: SweepSpec, source: Source) -> None:
    for index, name in enumerate(spec.objectives):
        if name not in OBJECTIVES:
            place = source.place(("objectives", index))
            raise InputError(f"{place}: unknown objective `{name}`; {suggest(name, OBJECTIVES)}.")


def _check_configurations(spec: SweepSpec, source: Source) -> None:
    shape = Shape(vocab_size=2, seq_len=1, num_puzzle_identifiers=1)
    every = points(spec) if size(spec) <= CHECKED_ONE_BY_ONE else None
    for corner in every or corners(spec):
        try:
            model_config(spec, shape, corner)
            training_config(spec, corner)
        except ConfigError as error:
            place = source.place(_culprit(spec, str(error)))
            shown = ", ".join(f"{name}={value}" for name, value in corner.items())
            sentence = str(error).rstrip(".")
            raise InputError(
                f"{place}: the configuration {shown} cannot be: {sentence}."
            ) from None


def _culprit(spec: SweepSpec, message: str) -> KeyPath:
    """The key that a `ConfigError` speaks of, as it stands in the spec."""
    for section in ("space", "model", "training"):
        for name in getattr(spec, section):
            if f".{name} " in message or message.startswith(f"{name} "):
                return (section, name)
    named = {"evaluate_at": ("evaluation", "at"), "eval_puzzles": ("evaluation", "puzzles")}
    return next((path for name, path in named.items() if name in message), ("space",))
