"""How many configurations a space has."""

from dataclasses import dataclass

from sweep_platform.space import knobs
from sweep_platform.space.configuration import configured
from sweep_platform.space.knobs import Shape
from sweep_platform.space.rules.feasible import feasible_points
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
    every = feasible_points(spec, shape)
    return Size(len({configured(spec, shape, one).canonical for one in every}), exact=True)
