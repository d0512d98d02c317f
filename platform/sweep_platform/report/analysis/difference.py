"""A mean with what chance alone would give."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A mean difference in exact accuracy, with its 95 % interval and two-sided p-value.

    Interval and p are None where seeds or tasks are too few to tell.
    """

    mean: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    seeds: int
    tasks: int
