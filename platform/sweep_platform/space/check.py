"""Refuse a space before anything is spent on it, if one of its configurations cannot be built."""

import itertools
from collections.abc import Iterator
from typing import Annotated, Any, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from hrm.config import ConfigError, ModelConfig, TrainingConfig
from sweep_platform.common.errors import InputError, remedy, suggest
from sweep_platform.search.rungs import QUALITY
from sweep_platform.space import knobs as space
from sweep_platform.space.configuration import ANY_SHAPE, useless_knobs
from sweep_platform.space.knobs import HEAD_DIM, MODEL_SETTINGS, TRAINING_SETTINGS
from sweep_platform.spec.schema import OBJECTIVES, Choices, Knob, Scalar, SweepSpec
from sweep_platform.spec.yaml_source import KeyPath, Source, dotted

COUPLED = (("hidden_size", "num_heads", "positions"), ("model", "gradient"))
"""Settings that have to go together: all their combinations are tried.

The limits of every other setting are those of an interval, so its ends tell; the largest
`micro_batch` is tried with the smallest `batch_size`, which bounds it, and the models and
gradients with the smallest `gradient_steps`.
"""

_KINDS: dict[str, Any] = {
    **get_type_hints(ModelConfig),
    **get_type_hints(TrainingConfig),
    HEAD_DIM: Annotated[int, Field(ge=2, multiple_of=2)],
}
_SECTIONS = {"model": (*MODEL_SETTINGS, HEAD_DIM), "training": TRAINING_SETTINGS}


def check_space(spec: SweepSpec, source: Source) -> None:
    """Refuse a space some of whose configurations cannot be built.

    Raises:
        InputError: names the file, the line, the key and the remedy.
    """
    for section, known in _SECTIONS.items():
        for key, value in getattr(spec, section).items():
            _check_name(source, (section, key), known)
            _check_kind(source, (section, key), key, value)
    for name, knob in spec.space.items():
        _check_name(source, ("space", name), (*MODEL_SETTINGS, *TRAINING_SETTINGS))
        for path, value in _written(knob):
            _check_kind(source, ("space", name, *path), name, value)
    _check_given_once(spec, source)
    _check_objectives(spec, source)
    _check_configurations(spec, source)
    _check_effects(spec, source)


def _written(knob: Knob) -> list[tuple[KeyPath, Scalar]]:
    """Values that stand in a knob, and below which keys."""
    if isinstance(knob, Choices):
        return [(("choices", index), value) for index, value in enumerate(knob.choices)]
    return [(("low",), knob.low), (("high",), knob.high)]


def _check_name(source: Source, path: KeyPath, known: tuple[str, ...]) -> None:
    name = str(path[-1])
    if name in known:
        return
    home = next((section for section, names in _SECTIONS.items() if name in names), None)
    todo = suggest(name, known) if home is None else f"write it below `{home}`"
    raise InputError(f"{source.place(path)}: unknown setting `{dotted(path)}`; {todo}.")


def _check_kind(source: Source, path: KeyPath, name: str, value: Scalar) -> None:
    try:
        TypeAdapter(_KINDS[name], config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError as error:
        problems = [item for item in error.errors() if item["type"] != "none_required"]
        given = "empty" if value is None else repr(value)
        raise InputError(
            f"{source.place(path)}: `{dotted(path)}` is {given}; {remedy(problems)}."
        ) from None


def _check_given_once(spec: SweepSpec, source: Source) -> None:
    for section in _SECTIONS:
        for name in getattr(spec, section):
            rivals = {name, "num_heads"} if name == HEAD_DIM else {name}
            for rival in rivals & spec.space.keys():
                place = source.place((section, name))
                raise InputError(
                    f"{place}: `{section}.{name}` is fixed and `space.{rival}` is searched; "
                    "keep one of the two."
                )
    if {HEAD_DIM, "num_heads"} <= spec.model.keys():
        place = source.place(("model", HEAD_DIM))
        raise InputError(f"{place}: `model.head_dim` and `model.num_heads` are given; keep one.")


def _check_objectives(spec: SweepSpec, source: Source) -> None:
    for index, name in enumerate(spec.objectives):
        if name not in OBJECTIVES:
            place = source.place(("objectives", index))
            raise InputError(f"{place}: unknown objective `{name}`; {suggest(name, OBJECTIVES)}.")
    if spec.rungs.at and not QUALITY.intersection(spec.objectives):
        place, missing = (
            source.place(("rungs", "at")),
            " or ".join(f"`{name}`" for name in QUALITY),
        )
        raise InputError(
            f"{place}: `rungs.at` stops no trial by its costs alone; add {missing} to "
            "`objectives`, or leave `rungs.at` out."
        )


def _check_configurations(spec: SweepSpec, source: Source) -> None:
    for parameters in _telling(spec):
        try:
            space.model_config(spec, ANY_SHAPE, parameters)
            space.training_config(spec, parameters)
        except ConfigError as error:
            path = _culprit(spec, error)
            raise InputError(f"{source.place(path)}: `{dotted(path)}`: {error}") from None


def _check_effects(spec: SweepSpec, source: Source) -> None:
    for name in sorted(useless_knobs(spec)):
        raise InputError(
            f"{source.place(('space', name))}: `space.{name}` changes nothing: with every model "
            "of this space its values come to the same; leave it out."
        )


def _telling(spec: SweepSpec) -> Iterator[dict[str, Scalar]]:
    """Configurations that can all be built only if every one of the space can."""
    first, last = space.at_share(spec, 0), space.at_share(spec, 1)
    for name, knob in spec.space.items():
        ends = knob.choices if isinstance(knob, Choices) else (first[name], last[name])
        for value in ends:
            yield {**first, name: value}
    for group in COUPLED:
        coupled = [name for name in group if name in spec.space]
        for row in itertools.product(*(space.values(spec.space[name]) or () for name in coupled)):
            yield {**first, **dict(zip(coupled, row, strict=True))}


def _culprit(spec: SweepSpec, error: ConfigError) -> KeyPath:
    """The first setting of the spec that takes part in a `ConfigError`."""
    for name in (str(error.field), *error.also):
        for section in ("space", *_SECTIONS):
            if name in getattr(spec, section):
                return (section, name)
    return ("space",)
