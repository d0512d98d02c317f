"""A mean with what chance alone would give, and what stands where nothing can be told."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A mean difference in exact accuracy, with its 95 % interval and two-sided p-value.

    Interval and p are None where seeds or tasks are too few to tell. `effect_size` is Cohen's d_z
    over seeds: the mean in standard deviations of the seeds' own differences. None for one seed,
    or where all seeds come to the same.
    """

    mean: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    effect_size: float | None = None
    seeds: int
    tasks: int


@dataclass(frozen=True)
class Unknown:
    """Stands for a result that the data can't carry; `reason` is a whole sentence."""

    reason: str
