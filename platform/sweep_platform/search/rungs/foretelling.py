"""What at a rung foretells how trials end, learnt from those that have ended.

Early values mislead: a deeper configuration may solve nothing for half of a training at whose end
it is level. So trials may be compared at a rung by another measure than the one they are searched
for, and by the one that has foretold the ends of this sweep's own trials best.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from sweep_platform.search.rungs.entries import EARLY, OBJECTIVES
from sweep_platform.search.rungs.fronts import Values
from sweep_platform.store.pruning.told import EXTRAPOLATION, MEASURES, Compared

AUTO = "auto"
LEARNT = (AUTO, EXTRAPOLATION)
"""Ways to compare that are learnt from the trials of the sweep itself."""

LEAST = 8
"""Trials that came to a rung and were trained to the end, from which on ends are foretold."""

_RIDGE = 1.0
"""Weight that keeps coefficients small, beside features of unit variance."""

Ended = tuple[Values, float]
"""A trial at a rung, by `EARLY`, and the quality with which it ended."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Extrapolation:
    """Foretells the end by a ridge regression over a trial's values at a rung.

    Of loss and costs the logarithm counts. `expected` are the ends that it foretells of the trials
    that it was fitted to, of each by all others.
    """

    centre: _Floats
    scale: _Floats
    coefficients: _Floats
    mean: float
    expected: _Floats

    def __call__(self, features: Values) -> float:
        """The end that is to be expected."""
        standard = (_prepared([features]) - self.centre) / self.scale
        return self.mean + (standard @ self.coefficients).item()


def fitted(ended: Sequence[Ended]) -> Extrapolation:
    """The regression through trials that ended, at least two."""
    features = _prepared([one for one, _ in ended])
    ends = np.array([end for _, end in ended])
    centre, spread = features.mean(0), features.std(0)
    varies = spread > 1e-9 * np.maximum(np.abs(centre), 1.0)
    scale = np.where(varies, spread, np.inf)  # what never varies tells nothing
    standard, rest = (features - centre) / scale, ends - ends.mean()
    inverse = np.linalg.inv(standard.T @ standard + _RIDGE * np.eye(standard.shape[1]))
    coefficients = inverse @ standard.T @ rest
    leverage = np.einsum("ij,jk,ik->i", standard, inverse, standard) + 1 / len(ends)
    left_out = (rest - standard @ coefficients) / (1 - np.minimum(leverage, 1 - 1e-9))
    return Extrapolation(centre, scale, coefficients, float(ends.mean()), ends - left_out)


def _prepared(features: Sequence[Values]) -> _Floats:
    columns = np.array(features, np.float64)
    columns[:, 2:] = np.log(np.maximum(columns[:, 2:], 1e-12))
    return columns


class Judge:
    """Says by what trials are compared at one rung, and what a trial is worth by that."""

    def __init__(self, compare: str) -> None:
        self._compare = compare
        self._extrapolation: Extrapolation | None = None
        self._known = 0
        self.by = compare if compare in MEASURES[:-1] else OBJECTIVES
        self.foretold: dict[str, float] = {}
        """Rank correlation (Kendall's) of each measure with the ends, as far as it is known."""

    def __str__(self) -> str:
        told = ", ".join(f"{words(name)} {found:.2f}" for name, found in self.foretold.items())
        return (
            f"trials are compared by {words(self.by)}; rank correlations with the ends of "
            f"{self._known} trials: {told}"
        )

    def told(self, rung: str) -> Compared:
        """What reports tell of it, as that of a rung."""
        return Compared(rung=float(rung), by=self.by, trials=self._known, foretold=self.foretold)

    def learn(self, ended: Collection[Ended]) -> bool:
        """Learn from all trials that ended, if there are enough that are new; else that is quick.

        Whether what trials are worth has changed by that.
        """
        learns = self._compare in LEARNT
        enough = len(ended) >= max(LEAST, math.ceil(1.1 * self._known))
        if not learns or not enough or len(ended) == self._known:
            return False
        trials = list(ended)
        self._known, self._extrapolation = len(trials), fitted(trials)
        self.foretold = _foretold(trials, self._extrapolation)
        before = self.by
        best = max(MEASURES, key=lambda name: self.foretold[name])
        self.by = EXTRAPOLATION if self._compare == EXTRAPOLATION else best
        return self.by == EXTRAPOLATION or self.by != before

    def value(self, features: Values | None) -> float | None:
        """What a trial is worth at this rung, more being better; None where objectives count."""
        if self.by == OBJECTIVES or features is None:
            return None
        if self.by == EXTRAPOLATION:
            assert self._extrapolation is not None, "it is chosen once it is fitted"
            return self._extrapolation(features)
        value = features[EARLY.index(self.by)]
        return -value if self.by == "loss" else value


def words(by: str) -> str:
    """What trials are compared by, in a sentence."""
    return {OBJECTIVES: "the objectives", EXTRAPOLATION: "the extrapolated end"}.get(
        by, by.replace("_", " ")
    )


def _foretold(ended: Sequence[Ended], extrapolation: Extrapolation) -> dict[str, float]:
    ends = [end for _, end in ended]
    columns = {name: [one[EARLY.index(name)] for one, _ in ended] for name in MEASURES[:-1]}
    columns["loss"] = [-loss for loss in columns["loss"]]
    columns[EXTRAPOLATION] = extrapolation.expected.tolist()
    return {name: _correlation(column, ends) for name, column in columns.items()}


def _correlation(some: Sequence[float], others: Sequence[float]) -> float:
    """Kendall's rank correlation; 0 where one of the two never varies."""
    found = float(kendalltau(some, others).statistic)
    return 0.0 if math.isnan(found) else found
