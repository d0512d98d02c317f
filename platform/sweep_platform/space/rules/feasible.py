"""Points of a space that break no constraint, and the refusal of a space that has none."""

import itertools
import random
from collections.abc import Iterator

from hrm.config import ConfigError
from puzzle_datasets.common.text import counted
from sweep_platform.common.errors import InputError
from sweep_platform.space.expressions.computing import NoNumberError
from sweep_platform.space.knobs import Parameters, Shape, corners, share_of, size, values
from sweep_platform.space.rules.conditions import active
from sweep_platform.space.rules.constraints import broken, in_order_of_cost, is_feasible
from sweep_platform.spec.schema import Choices, Knob, Scalar, SweepSpec
from sweep_platform.spec.yaml_source import Source, dotted

MOST_LISTED = 20_000
"""Points up to which a space is looked at whole."""

DRAWS = 10_000
"""Random points that a larger or an endless space is judged by."""

EXAMPLES = 200
"""Feasible points that stand for all of a constrained space."""


def points(spec: SweepSpec, seed: int = 0) -> Iterator[dict[str, Scalar]]:
    """Every point of a small space, once, or as many random ones of another as `DRAWS`."""
    if size(spec) > MOST_LISTED:
        source = random.Random(seed)
        for _ in range(DRAWS):
            yield active(spec, {k: _drawn(knob, source) for k, knob in spec.space.items()})
        return
    columns = [values(knob) or () for knob in spec.space.values()]
    seen = set()
    for row in itertools.product(*columns):
        point = active(spec, dict(zip(spec.space, row, strict=True)))
        if (key := tuple(point.items())) not in seen:
            seen.add(key)
            yield point


def _drawn(knob: Knob, source: random.Random) -> Scalar:
    if isinstance(knob, Choices):
        return source.choice(knob.choices)
    return share_of(knob, source.random())


def feasible_points(spec: SweepSpec, shape: Shape, seed: int = 0) -> Iterator[dict[str, Scalar]]:
    """Those of the `points` that are feasible."""
    return (one for one in points(spec, seed) if is_feasible(spec, shape, one))


def examples(spec: SweepSpec, shape: Shape, share: float) -> list[dict[str, Scalar]]:
    """Feasible points with numbers at this share of their way; else some of any, if there are."""
    found = [one for one in corners(spec, share) if is_feasible(spec, shape, one)]
    return found or list(itertools.islice(feasible_points(spec, shape), EXAMPLES))


def require_feasible(spec: SweepSpec, shape: Shape | None, source: Source) -> None:
    """Raise `InputError` where constraints leave no point, blaming one; without shape, of knobs.

    It is certain for small spaces; others are judged by random points, which the message says.
    """
    if not spec.constraints:
        return
    order, faults = in_order_of_cost(spec), []
    for point in points(spec):
        found = _broken(spec, shape, point, source)
        if not found:
            return
        faults.append(found)
    alone = set(order).intersection(*faults)
    furthest = max((found[0] for found in faults), key=order.index)
    blamed = spec.constraints.index(next(iter(sorted(alone, key=order.index)), furthest))
    sure, tried = size(spec) <= MOST_LISTED, len(faults)
    many = f"the {counted(tried, 'point')} of this space" if sure else f"{tried:,} random points"
    with_others = "" if alone else ", with the other constraints"
    raise InputError.of(
        dotted(("constraints", blamed)),
        f"leaves no configuration: `{spec.constraints[blamed]}` holds at none of {many}"
        f"{with_others}",
        "loosen it, or widen the knobs that it names",
        spec.constraints[blamed],
        place=source.location(("constraints", blamed)),
    )


def _broken(spec: SweepSpec, shape: Shape | None, point: Parameters, source: Source) -> list[str]:
    """The constraints that a point breaks. Raises `InputError` where one can't be told."""
    try:
        return broken(spec, shape, point)
    except ConfigError as error:
        name = error.field or "space"
        section = "derive" if name in spec.derive else "space"
        place = source.location((section, name))
        problem, remedy = error.problem, error.remedy
        raise InputError.of(f"{section}.{name}", problem, remedy, place=place) from None
    except NoNumberError as error:
        index = _culprit(spec, shape, point)
        where = ", ".join(f"{name}={value}" for name, value in point.items())
        raise InputError(
            dotted(("constraints", index)),
            spec.constraints[index],
            error.remedy,
            problem=f"{error.problem} at {where}",
            place=source.location(("constraints", index)),
        ) from None


def _culprit(spec: SweepSpec, shape: Shape | None, point: Parameters) -> int:
    """Which constraint can't be told at a point."""
    for index, text in enumerate(spec.constraints):
        try:
            broken(spec.model_copy(update={"constraints": (text,)}), shape, point)
        except NoNumberError:
            return index
    return 0
