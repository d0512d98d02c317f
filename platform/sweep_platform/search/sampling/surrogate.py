"""A Gaussian process of one quantity over points of a unit cube."""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from threadpoolctl import threadpool_limits

Floats = npt.NDArray[np.float64]


STEPS = 20
"""Steps in which lengths and noise are fitted; what more would gain is less than their doubt."""


class Surrogate:
    """What a quantity is likely to be anywhere, by what it was at `points`, one a row.

    Each coordinate has its own length, and the noise is learnt as well. At `unknown` points, which
    are tried and have no value yet, it is taken to be what is expected: they are worth less then.
    """

    def __init__(self, points: Floats, values: Floats, unknown: Floats) -> None:
        lengths = Matern(np.full(points.shape[1], 0.5), (0.05, 20.0), nu=2.5)
        kernel = ConstantKernel(1.0, (0.1, 10.0)) * lengths + WhiteKernel(0.01, (1e-5, 1.0))
        self._process = GaussianProcessRegressor(kernel, optimizer=_climb, normalize_y=True)
        # So small matrices take several threads longer than one, above all beside trials.
        with warnings.catch_warnings(), threadpool_limits(1, "blas"):
            warnings.simplefilter("ignore", ConvergenceWarning)  # a length at its bound is fine
            self._process.fit(points, values)
        if len(unknown):
            expected = self._process.predict(unknown)
            known = GaussianProcessRegressor(
                self._process.kernel_, optimizer=None, normalize_y=True
            )
            self._process = known.fit(
                np.concatenate([points, unknown]), np.concatenate([values, expected])
            )

    def expect(self, points: Floats) -> tuple[Floats, Floats]:
        """What the quantity is expected to be there, and the standard deviation of that."""
        mean, spread = self._process.predict(points, return_std=True)
        return np.asarray(mean, float), np.asarray(spread, float)


def _climb(loss: Any, start: Floats, bounds: Floats) -> tuple[Floats, float]:
    """The lengths and noise that explain the values best, as far as some steps lead."""
    found = minimize(
        loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": STEPS}
    )
    return np.asarray(found.x, float), float(found.fun)


def expected_gain(mean: Floats, spread: Floats, best: Floats) -> Floats:
    """By how much normal quantities are expected to exceed the best, counting no loss."""
    spread = np.maximum(spread, 1e-9)
    excess = (mean - best) / spread
    return np.asarray(spread * (excess * norm.cdf(excess) + norm.pdf(excess)), float)
