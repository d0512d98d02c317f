"""Conditions: which knobs of a point are drawn at all; the others have their fixed value."""

from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter

from sweep_platform.spec.schema import Knob, Scalar, SweepSpec
from sweep_platform.spec.settings import DEFAULTS


def fixed_settings(spec: SweepSpec) -> dict[str, Scalar]:
    """Every setting of model and training where no knob is drawn: fixed, or as published."""
    return {**DEFAULTS, **spec.model, **spec.training}


def conditional(spec: SweepSpec) -> bool:
    """Whether a knob of the space is drawn in a part of it only."""
    return any(knob.when for knob in spec.space.values())


def in_order(spec: SweepSpec) -> list[str]:
    """The knobs, each behind those that its condition names.

    Raises `graphlib.CycleError`: conditions are circular.
    """
    return list(
        TopologicalSorter(
            {
                name: [other for other in knob.when if other in spec.space]
                for name, knob in spec.space.items()
            }
        ).static_order()
    )


def is_met(knob: Knob, settings: Mapping[str, Scalar]) -> bool:
    """Whether a knob is drawn with these settings, which have all that its condition names."""
    return all(
        any(settings[name] == value and _alike(settings[name], value) for value in admitted)
        for name, admitted in knob.when.items()
    )


def _alike(one: Scalar, other: Scalar) -> bool:
    """Whether true is not taken for 1."""
    return isinstance(one, bool) == isinstance(other, bool)


def active(spec: SweepSpec, point: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """A point without those of its knobs that are not drawn there."""
    if not conditional(spec):
        return dict(point)
    drawn, settings = set(_drawn(spec, point)), {**point}
    return {k: value for k, value in settings.items() if k in drawn or k not in spec.space}


def lacking(spec: SweepSpec, point: Mapping[str, Scalar]) -> list[str]:
    """The knobs that are drawn at a point and of which it has no value."""
    drawn = _drawn(spec, point) if conditional(spec) else spec.space
    return [name for name in drawn if name not in point]


def _drawn(spec: SweepSpec, point: Mapping[str, Scalar]) -> Iterator[str]:
    """The knobs whose conditions are met at a point."""
    settings = fixed_settings(spec)
    for name in in_order(spec):
        if is_met(spec.space[name], settings):
            yield name
            if name in point:
                settings[name] = point[name]


def meeting(spec: SweepSpec, name: str) -> dict[str, Scalar]:
    """Values of other knobs with which one is drawn."""
    found: dict[str, Scalar] = {}
    for other, admitted in spec.space[name].when.items():
        if other in spec.space:
            found |= {**meeting(spec, other), other: admitted[0]}
    return found
