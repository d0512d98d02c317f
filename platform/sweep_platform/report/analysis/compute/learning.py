"""The band of a learning curve: how far another seed of a trial would come."""

import numpy as np

from sweep_platform.report.analysis.compute.scaling import Estimate, over_seeds
from sweep_platform.store.summary import TrialSummary


def bands(trial: TrialSummary) -> dict[int, Estimate]:
    """Student's 95 % interval over seeds, by the training FLOPs of each evaluation.

    None of an evaluation that one replicate came to alone: nothing tells how far another would.
    """
    at: dict[int, list[float]] = {}
    for replicate in trial.measured:
        for one in replicate.evaluations:
            at.setdefault(one.training_flops, []).append(one.exact_accuracy)
    return {
        flops: over_seeds(np.array(each)[:, None])[0]
        for flops, each in at.items()
        if len(each) > 1
    }
