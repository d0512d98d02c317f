"""Learning curves: the mean over a trial's replicates at each evaluation, and its band."""

from dataclasses import dataclass

import numpy as np

from sweep_platform.report.analysis.compute.scaling import Estimate, over_seeds
from sweep_platform.store.summary import TrialSummary


@dataclass(frozen=True, kw_only=True)
class Learned:
    """Exact accuracy after so many training FLOPs of each replicate.

    `band` is Student's 95 % interval over seeds; None with one seed, of which nothing tells how
    far another would come.
    """

    training_flops: int
    accuracy: float
    seeds: int
    band: Estimate | None


def learning_curve(trial: TrialSummary) -> list[Learned]:
    """Each evaluation of a trial's replicates, the earliest first."""
    at: dict[int, list[float]] = {}
    for replicate in trial.measured:
        for one in replicate.evaluations:
            at.setdefault(one.training_flops, []).append(one.exact_accuracy)
    return [_learned(flops, at[flops]) for flops in sorted(at)]


def _learned(flops: int, each: list[float]) -> Learned:
    band = over_seeds(np.array(each)[:, None])[0] if len(each) > 1 else None
    mean = float(np.mean(each))
    return Learned(training_flops=flops, accuracy=mean, seeds=len(each), band=band)
