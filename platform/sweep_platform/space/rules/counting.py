"""How many configurations a space has."""

from dataclasses import dataclass

from sweep_platform.space import knobs
from sweep_platform.space.knobs import Shape
from sweep_platform.space.rules.constraints import feasible
from sweep_platform.space.rules.feasible import points
from sweep_platform.spec.schema import SweepSpec

MOST_COUNTED = 2_000
"""Points up to which configurations are counted one by one, which takes a tenth of a second."""


@dataclass(frozen=True)
class Size:
    """Number of configurations of a space; if not `exact`, at most so many. May be infinite."""

    count: float
    exact: bool


def size(spec: SweepSpec, shape: Shape) -> Size:
    """The size of a space: configurations that come to the same count once, infeasible ones not.

    Without its constraints where it is large.
    """
    if knobs.size(spec) > MOST_COUNTED:
        return Size(knobs.size(spec), exact=False)
    every = (feasible(spec, shape, one) for one in points(spec))
    return Size(len({one.canonical for one in every if one is not None}), exact=True)
