"""Figures that sum up many values, for the statistics of a manifest."""

from typing import Any

import numpy as np
import numpy.typing as npt


def spread(name: str, values: npt.NDArray[Any]) -> dict[str, float]:
    """Return mean, least, median, 90th percentile and most of values [n].

    Rounded, as sums differ in the last digits between machines.
    """
    exact = values.astype(np.float64)
    figures = {
        "mean": exact.mean(),
        "min": exact.min(),
        "median": np.median(exact),
        "p90": np.quantile(exact, 0.9),
        "max": exact.max(),
    }
    return {f"{name}_{key}": round(float(value), 4) for key, value in figures.items()}
