"""Accuracy against compute as a curve, and what a stated accuracy would need.

The curve is logistic in log10 FLOPs: a greatest accuracy that it nears, the FLOPs at half of it,
and how steep it is there. It is fitted to each seed alone, and Student's t over what the seeds
come to gives the intervals. So these tell of seeds, on these puzzles. A bootstrap of three seeds
would promise too much.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.special import expit
from scipy.stats import t as student

from puzzle_datasets.common.text import percent
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.analysis.points import trials_front
from sweep_platform.store.summary import SweepSummary, TrialSummary

Floats = npt.NDArray[np.float64]

FEWEST_SEEDS, FEWEST_COSTS = 3, 5
"""Seeds, and different FLOPs, below which no curve is fitted."""

FURTHEST = 10.0
"""Factor beyond the measured FLOPs to which a curve is believed."""

PLACES = 40
"""Points at which a fitted curve is given."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """A fitted curve.

    Attributes:
        flops: places along the curve, over what was measured and no further.
        accuracy: of the curve there, the mean over seeds.
        measured: FLOPs and accuracy that each seed's curve was fitted to, seed by seed.
        limit: the accuracy that it nears, seed by seed, the mean of these.
        target: the accuracy that was asked for.
        needed: FLOPs to reach it, or why that can't be told.
    """

    flops: tuple[float, ...]
    accuracy: tuple[Estimate, ...]
    measured: tuple[tuple[float, float], ...]
    limit: float
    target: float
    needed: Estimate | Unknown
    seeds: int


def training_scaling(trial: TrialSummary, target: float) -> Scaling | Unknown:
    """A trial's accuracy against the training FLOPs of its evaluations."""
    curves = [
        {one.lineage_flops: one.exact_accuracy for one in replicate.evaluations}
        for replicate in trial.measured
    ]
    common = sorted(set.intersection(*map(set, curves))) if curves else []
    return scaling(
        np.array(common, float), np.array([[one[at] for at in common] for one in curves]), target
    )


def inference_scaling(sweep: SweepSummary, target: float) -> Scaling | Unknown:
    """Accuracy against inference FLOPs along the front, each seed at the front's points.

    The front was picked by the same accuracies, which flatters it.
    """
    trials = {trial.number: trial for trial in sweep.complete}
    front = trials_front(sweep.complete)
    each: list[dict[Any, tuple[float, ...]]] = [
        {r.replicate: r.final.exact_accuracy for r in trials[at.trial].measured if r.final}
        for at in front
    ]
    seeds = sorted(set.intersection(*map(set, each))) if each else []
    rows = [
        [one[seed][at.segments - 1] for one, at in zip(each, front, strict=True)] for seed in seeds
    ]
    return scaling(np.array([at.inference_flops for at in front], float), np.array(rows), target)


def scaling(flops: Floats, accuracies: Floats, target: float) -> Scaling | Unknown:
    """A curve through accuracies `[seeds, places]` at these FLOPs, which rise."""
    if len(accuracies) < FEWEST_SEEDS or len(set(flops)) < FEWEST_COSTS:
        return Unknown(
            f"No curve is fitted to {len(accuracies)} seeds at {len(set(flops))} different FLOPs: "
            f"it takes {FEWEST_SEEDS} and {FEWEST_COSTS}."
        )
    x = np.log10(flops)
    try:
        fits = np.array([_fit(x, row) for row in accuracies])
    except (RuntimeError, ValueError):
        return Unknown("No curve is given: accuracies do not follow a logistic one.")
    places = np.linspace(x[0], x[-1], PLACES)
    along = np.array([_logistic(places, *fit) for fit in fits])
    return Scaling(
        flops=tuple(float(one) for one in 10**places),
        accuracy=over_seeds(along),
        measured=tuple(
            (float(spent), float(one))
            for row in accuracies
            for spent, one in zip(flops, row, strict=True)
        ),
        limit=float(fits[:, 0].mean()),
        target=target,
        needed=_needed(fits, target, x[0], x[-1]),
        seeds=len(fits),
    )


def _logistic(x: Any, top: float, middle: float, steepness: float) -> Any:
    return top * expit((x - middle) * steepness)


def _fit(x: Floats, accuracy: Floats) -> Floats:
    """The limit, the place of its half and the steepness. Raises `RuntimeError`: none is found."""
    if np.ptp(accuracy) == 0:
        raise RuntimeError("all alike")
    start = min(1.0, float(accuracy.max()) * 1.1), float(x.mean()), 2.0
    bounds = (1e-3, x[0] - 2, 0.05), (1.0, x[-1] + 2, 50.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)  # of covariances, which nobody reads
        found, _ = curve_fit(_logistic, x, accuracy, start, bounds=bounds, max_nfev=2000)
    return np.asarray(found, float)


def _needed(fits: Floats, target: float, least: float, most: float) -> Estimate | Unknown:
    top, middle, steepness = fits.T
    if not 0 < target < top.min():
        return Unknown(
            f"No FLOPs are given for {percent(target)}: the curve of at least one seed stays "
            "below it."
        )
    [found] = over_seeds((middle - np.log(top / target - 1) / steepness)[:, None])
    far = np.log10(FURTHEST)
    if not least - far <= found.value <= most + far:
        return Unknown(
            f"No FLOPs are given for {percent(target)}: the curve would have to be believed more "
            f"than a factor of {FURTHEST:.0f} beyond what was measured."
        )
    value, low, high = (float(10**one) for one in (found.value, found.low, found.high))
    return Estimate(value=value, low=low, high=high)


def over_seeds(each: Floats) -> tuple[Estimate, ...]:
    """Mean and Student's 95 % interval of each column of values `[seeds, columns]`."""
    seeds = len(each)
    means = each.mean(axis=0)
    margins = student.ppf(0.975, seeds - 1) * each.std(axis=0, ddof=1) / np.sqrt(seeds)
    return tuple(
        Estimate(value=float(mean), low=float(mean - margin), high=float(mean + margin))
        for mean, margin in zip(means, margins, strict=True)
    )
