"""Points that a space gives: its base, those to try first, and values that it prefers."""

from collections.abc import Mapping

from hrm.config import ConfigError
from puzzle_datasets.common.text import suggest
from sweep_platform.common.errors import InputError
from sweep_platform.space import knobs
from sweep_platform.space.configuration import configured
from sweep_platform.space.knobs import Shape
from sweep_platform.space.rules.conditions import active, lacking
from sweep_platform.space.rules.constraints import broken
from sweep_platform.spec.schema import Scalar, SweepSpec
from sweep_platform.spec.yaml_source import KeyPath, Source, dotted


def check_given_points(spec: SweepSpec, shape: Shape | None, source: Source) -> None:
    """Raise `InputError` where a given point is no configuration of the space.

    Without a shape, costs are left out.
    """
    if spec.base:
        _check_point(spec, shape, spec.base, ("base",), source)
    for index, point in enumerate(spec.first):
        _check_point(spec, shape, point, ("try", index), source)
    for name, value in spec.prefer.values.items():
        in_short = name in source.tree.get("prefer", {})
        path: KeyPath = ("prefer", *(() if in_short else ("values",)), name)
        _check_value(spec, name, value, path, source)


def _check_point(
    spec: SweepSpec,
    shape: Shape | None,
    point: Mapping[str, Scalar],
    path: KeyPath,
    source: Source,
) -> None:
    for name, value in point.items():
        _check_value(spec, name, value, (*path, name), source)
    for name in lacking(spec.scientific, point):
        raise _fault(path, f"lacks a value of the knob {name}", "add it", source)
    for name in point.keys() - active(spec, point).keys():
        problem = "is not drawn there, as its condition is not met"
        raise _fault((*path, name), problem, "leave it out", source)
    try:
        if found := broken(spec, shape, point):
            raise _fault(path, f"breaks `{found[0]}`", "correct it, or loosen that", source)
        if shape is not None:
            configured(spec, shape, point)
    except ConfigError as error:
        problem = f"can't be built: {error.field} {error.problem}"
        raise _fault(path, problem, error.remedy, source) from None


def _check_value(spec: SweepSpec, name: str, value: Scalar, path: KeyPath, source: Source) -> None:
    compared = spec.scientific.space
    if name in spec.nuisance:
        problem = "is a nuisance knob, which is tuned there as well"
        raise _fault(path, problem, "leave it out", source)
    if name not in compared:
        raise _fault(path, "is no knob of this space", suggest(name, compared), source)
    if not knobs.holds(compared[name], value):
        problem = f"is {value!r}, which lies outside space.{name}"
        remedy = "give one of its values, or add that to the space"
        raise _fault(path, problem, remedy, source, value)


def _fault(
    path: KeyPath, problem: str, remedy: str, source: Source, value: object = None
) -> InputError:
    place = source.location(path)
    return InputError.of(dotted(path), problem, remedy, value, place=place)
