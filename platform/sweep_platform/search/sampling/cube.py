"""Points of a space as vectors: numbers between 0 and 1, and a coordinate for every name."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sweep_platform.space.knobs import is_named, numbers
from sweep_platform.space.rules.conditions import active
from sweep_platform.spec.schema import Choices, Knob, Scalar, SweepSpec

Floats = npt.NDArray[np.float64]
Point = dict[str, Scalar]

APART = math.sqrt(0.5)
"""Coordinate of a name, so that two names are as far from each other as the ends of a range."""

SPREADS = 0.03, 0.3
"""Standard deviations between which a step near a point is drawn, as shares of a knob's way."""

MOVES = 0.5
"""Probability with which a knob is moved at all; at least one is."""


class Cube:
    """The points of a space in a unit cube, near which others are drawn."""

    def __init__(self, spec: SweepSpec) -> None:
        self._spec = spec

    def vectors(self, points: Sequence[Mapping[str, Scalar]]) -> Floats:
        """The points as rows. A knob that is not drawn at a point stands in its middle."""
        return np.array([self._vector(one) for one in points], float)

    def _vector(self, point: Mapping[str, Scalar]) -> list[float]:
        row: list[float] = []
        for name, knob in self._spec.space.items():
            if isinstance(knob, Choices) and is_named(knob):
                row += [APART * (name in point and point[name] == one) for one in knob.choices]
            else:
                row.append(place(knob, point[name]) if name in point else 0.5)
        return row

    def anywhere(self, source: np.random.Generator) -> Point:
        """A point drawn evenly from the whole space."""
        drawn = {name: _drawn(knob, source) for name, knob in self._spec.space.items()}
        return active(self._spec, drawn)

    def near(self, point: Mapping[str, Scalar], source: np.random.Generator) -> Point:
        """A point some knobs of which are moved; those that another lacks are drawn evenly."""
        low, high = np.log(SPREADS)
        spread = math.exp(source.uniform(low, high))
        moved = source.random(len(self._spec.space)) < MOVES
        moved[source.integers(len(moved))] = True
        made = {
            name: _drawn(knob, source)
            if name not in point
            else _near(knob, point[name], spread, source)
            if moves
            else point[name]
            for (name, knob), moves in zip(self._spec.space.items(), moved, strict=True)
        }
        return active(self._spec, made)


def place(knob: Knob, value: Scalar) -> float:
    """The share of a knob's way at which a value stands, from 0 to 1; a list goes by its order."""
    if isinstance(knob, Choices):
        return _ordered(knob).index(value) / max(1, len(knob.choices) - 1)
    assert isinstance(value, int | float), "a range holds numbers"
    if knob.low == knob.high:
        return 0.5
    if knob.log:
        return math.log(value / knob.low) / math.log(knob.high / knob.low)
    return (value - knob.low) / (knob.high - knob.low)


def value_at(knob: Knob, share: float) -> Scalar:
    """The value of a knob nearest to a share of its way, see `place`."""
    if isinstance(knob, Choices):
        return _ordered(knob)[round(share * (len(knob.choices) - 1))]
    between = knob.low + share * (knob.high - knob.low)
    if knob.log:
        between = knob.low * (knob.high / knob.low) ** share
    listed = numbers(knob)
    if listed is None:
        return float(min(knob.high, max(knob.low, between)))
    apart = (knob.step or 1) if len(listed) > 1 else 1
    return listed[min(len(listed) - 1, max(0, round((between - knob.low) / apart)))]


def _ordered(knob: Choices) -> list[Scalar]:
    if is_named(knob):
        return list(knob.choices)
    return sorted(knob.choices, key=lambda one: float(one))  # type: ignore[arg-type]


def _drawn(knob: Knob, source: np.random.Generator) -> Scalar:
    if isinstance(knob, Choices):
        return knob.choices[source.integers(len(knob.choices))]
    return value_at(knob, float(source.random()))


def _near(knob: Knob, value: Scalar, spread: float, source: np.random.Generator) -> Scalar:
    """Another value: of names any, of numbers one a step away that is likely to be short."""
    if isinstance(knob, Choices) and is_named(knob):
        return _drawn(knob, source)
    step = source.normal(0, spread)
    found = value_at(knob, _folded(place(knob, value) + step))
    listed = _ordered(knob) if isinstance(knob, Choices) else numbers(knob)
    if found != value or listed is None or len(listed) < 2:
        return found
    beside = listed.index(value) + (1 if step > 0 else -1)
    return listed[beside if 0 <= beside < len(listed) else listed.index(value) * 2 - beside]


def _folded(share: float) -> float:
    """A share that ran over an end, folded back."""
    share = abs(share)
    return min(1.0, max(0.0, 2 - share if share > 1 else share))
