"""What a trial's whole curve is worth as one number, given the inference FLOPs that count.

Both values are of one trial alone. How much it adds to the front of all curves would be another
value after every trial that ends, and a study keeps the one that it was told: a sampler would
learn from numbers that no longer hold. The areas of single curves stay comparable, and a trial can
only add to the front where its own curve has an area.
"""

import math
from itertools import accumulate, pairwise

from hrm.progress import Curve

AT, AREA = "exact_accuracy_at", "curve_hypervolume"
"""Objectives that need `evaluation.at_flops`."""


def curve_values(curve: Curve | None, at_flops: float | None) -> dict[str, float]:
    """The objectives of a curve, by name; none without a curve or without FLOPs that count."""
    if curve is None or at_flops is None:
        return {}
    return {AT: accuracy_at(curve, at_flops), AREA: area(curve, at_flops)}


def accuracy_at(curve: Curve, flops: float) -> float:
    """Exact accuracy after as many segments as these FLOPs pay for; 0 where not for one.

    >>> two = Curve(exact_accuracy=(0.1, 0.4), token_accuracy=(0.5, 0.6),
    ...             inference_flops=(10, 20), puzzles=10)
    >>> [accuracy_at(two, flops) for flops in (9, 19, 20)]
    [0.0, 0.1, 0.4]
    """
    pairs = zip(curve.inference_flops, curve.exact_accuracy, strict=True)
    return next((share for spent, share in reversed([*pairs]) if spent <= flops), 0.0)


def area(curve: Curve, reference: float) -> float:
    """The hypervolume of one curve: accuracy times powers of ten of FLOPs up to a reference.

    At each cost stands the best accuracy that the curve has by then.

    >>> two = Curve(exact_accuracy=(0.1, 0.4), token_accuracy=(0.5, 0.6),
    ...             inference_flops=(10, 100), puzzles=10)
    >>> round(area(two, 1000), 3)
    0.5
    """
    best = accumulate(curve.exact_accuracy, max)
    places = [math.log10(min(spent, reference)) for spent in curve.inference_flops]
    widths = (high - low for low, high in pairwise([*places, math.log10(reference)]))
    return sum(height * width for height, width in zip(best, widths, strict=True))
