"""Whether groups of trials meet a target at different costs: the log-rank test by permutation.

The usual test takes its statistic for a chi-squared one, which holds of many trials: of ten a
group it told 7 % of equal costs apart at 5 %. Here trials change groups instead. If groups cost
the same, each way of dealing the trials is as likely as the one found, and the p-value is the
share of ways that part them as far: exact, whatever is tied or censored.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import permutation_test
from statsmodels.duration.survfunc import SurvfuncRight

Floats = npt.NDArray[np.float64]

RESAMPLES = 9_999
"""Ways that are drawn where there are more; fewer are all gone through."""

ROUNDING = 1e-9
"""Scores that differ by less are the same."""


def log_rank(
    costs: Floats, met: npt.NDArray[np.int64], groups: npt.NDArray[np.int64]
) -> float | None:
    """The p-value of no difference between groups of trials.

    `costs` are those at which each trial met the target, or, where `met` is 0, what it spent
    without. None where no trial outlasts another that met it: there is nothing to rank.
    """
    scores = _scores(costs, met)
    if np.ptp(scores) < ROUNDING:
        return None
    found = permutation_test(
        [scores[groups == one] for one in np.unique(groups)],
        _between_groups,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=1_000,
        alternative="greater",
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def _scores(costs: Floats, met: npt.NDArray[np.int64]) -> Floats:
    """Of each trial: whether it met the target, less how often one would have by its cost.

    The latter is Nelson's and Aalen's cumulative hazard over all trials. A group's sum is what the
    log-rank test calls observed less expected.
    """
    all_trials = SurvfuncRight(costs, met)
    hazard = np.cumsum(all_trials.n_events / all_trials.n_risk)
    by_then = np.searchsorted(all_trials.surv_times, costs, side="right")
    scores: Floats = met - np.concatenate([[0.0], hazard])[by_then]
    return scores


def _between_groups(*scores: Any, axis: int) -> Any:
    """How far groups lie apart: their squared sums of scores, each by its number of trials."""
    return sum(np.square(one.sum(axis=axis)) / one.shape[axis] for one in scores)
