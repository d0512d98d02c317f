"""Values near those that a space prefers, for as many proposals as the preference is strong."""

import math
import random

from sweep_platform.space.knobs import is_named, place_of, share_of
from sweep_platform.spec.schema import Knob, Scalar, SweepSpec

SPREAD = 0.2
"""Standard deviation of a preferred number, as a share of its knob's way."""


def preferred(spec: SweepSpec, seed: int, points: int) -> dict[str, Scalar]:
    """Values of some knobs near the preferred ones, or none: the more points, the more seldom.

    After n points a proposal heeds the preference with probability strength / (strength + n), so
    that a wrong one is outlived.
    """
    source = random.Random(seed)
    strength = spec.prefer.strength
    if not spec.prefer.values or source.random() * (strength + points) >= strength:
        return {}
    near = {name: _near(spec.space[name], v, source) for name, v in spec.prefer.values.items()}
    return {name: found[0] for name, found in near.items() if found}


def _near(knob: Knob, value: Scalar, source: random.Random) -> list[Scalar]:
    """A value near another; every second time none, where values have no order."""
    if is_named(knob):
        return [value] if source.random() < 0.5 else []
    share = math.nan
    while not 0 <= share <= 1:
        share = source.gauss(place_of(knob, value), SPREAD)
    return [share_of(knob, share)]
