"""Whether the ranking of trials still moves as they are trained on."""

from dataclasses import dataclass

from scipy.stats import kendalltau

from sweep_platform.store.summary import SweepSummary, TrialSummary

FEWEST = 3
"""Trials below which there is no ranking to speak of."""

STEADY = 0.8
"""Kendall's tau from which two rankings count as the same but for details."""


@dataclass(frozen=True, kw_only=True)
class RankAgreement:
    """How the ranking by accuracy at the last evaluation agrees with the one before.

    Attributes:
        tau: Kendall's tau-b, 1 for the same order, 0 for none in common.
        share: of the training budget that was spent at the evaluation before.
        same_best: whether the same trial leads both.
        trials: how many were ranked.
    """

    tau: float
    share: float
    same_best: bool
    trials: int

    @property
    def moves(self) -> bool:
        """Whether the ranking can't be taken for settled."""
        return self.tau < STEADY or not self.same_best


def rank_agreement(sweep: SweepSummary) -> RankAgreement | None:
    """The agreement of the last two rankings; None with few trials, or where all are level."""
    trials = [trial for trial in sweep.complete if len(trial.evaluations) > 1]
    if len(trials) < FEWEST:
        return None
    before = [_accuracy(trial, -2) for trial in trials]
    last = [_accuracy(trial, -1) for trial in trials]
    if len(set(before)) < 2 or len(set(last)) < 2:
        return None
    first = trials[0].evaluations
    return RankAgreement(
        tau=float(kendalltau(before, last).statistic),
        share=first[-2].training_flops / first[-1].training_flops,
        same_best=before.index(max(before)) == last.index(max(last)),
        trials=len(trials),
    )


def _accuracy(trial: TrialSummary, index: int) -> float:
    return trial.evaluations[index].exact_accuracy
