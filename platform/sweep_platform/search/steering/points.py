"""Points that a person gives while a sweep runs: values of knobs, some or all."""

from collections.abc import Mapping

from puzzle_datasets.common.text import suggest
from sweep_platform.common.errors import InputError
from sweep_platform.space import knobs
from sweep_platform.space.rules.conditions import active, lacking
from sweep_platform.spec.schema import Choices, Knob, Scalar, SweepSpec


def point_given(spec: SweepSpec, given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """A point in the space's own numbers: 2 is the choice 2.0.

    Raises `InputError`: it is of no such knob, or a value lies outside.
    """
    compared = spec.scientific.space
    if not given:
        raise InputError("add", None, "give at least one KNOB=VALUE", problem="names no knob")
    for name in given:
        if name in spec.nuisance:
            problem = "is a nuisance knob, which is tuned there as well"
            raise InputError.of(name, problem, "leave it out", given[name])
        if name not in compared:
            problem = "is no knob of this space"
            raise InputError.of(name, problem, suggest(name, compared), given[name])
    point = {name: _value(name, compared[name], value) for name, value in given.items()}
    if not lacking(spec.scientific, point):
        for name in point.keys() - active(spec, point).keys():
            problem = "is not drawn there, as its condition is not met"
            raise InputError.of(name, problem, "leave it out", point[name])
    return point


def _value(name: str, knob: Knob, given: Scalar) -> Scalar:
    listed = knob.choices if isinstance(knob, Choices) else knobs.values(knob) or ()
    for one in listed:
        if one == given and isinstance(one, bool) == isinstance(given, bool):
            return one
    if not isinstance(knob, Choices) and not listed and knobs.holds(knob, given):
        return given
    problem = f"is {given!r}, which lies outside space.{name}"
    raise InputError(name, given, "give one of its values", problem=problem)
