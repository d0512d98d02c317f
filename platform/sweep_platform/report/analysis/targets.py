"""Training FLOPs that trials took to reach stated accuracies."""

from sweep_platform.spec.metrics import flops_to
from sweep_platform.store.summary import TrialSummary


def reached(trial: TrialSummary, target: float) -> float | None:
    """Training FLOPs after which the mean of the replicates met a target; None if it never did.

    Those of ancestors count as well.
    """
    points = [(one.lineage_flops, one.exact_accuracy) for one in trial.evaluations]
    return flops_to(target, points)
