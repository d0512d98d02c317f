"""Which of a sweep's trials stands for it, and which of its checkpoints."""

from dataclasses import dataclass
from pathlib import Path

from sweep_platform.report.analysis.points import best_trial
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.summary import ReplicateSummary, SweepSummary, TrialSummary


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A replicate that was trained to the end, and the checkpoint that is kept of it."""

    replicate: ReplicateSummary
    checkpoint: Path


def picked_trial(sweep: SweepSummary) -> TrialSummary | None:
    """The best of the confirmed trials, else of the complete ones; None before there is one."""
    confirmed = (trial for trial in sweep.complete if trial.confirmed)
    return best_trial(confirmed) or best_trial(sweep.complete)


def kept_checkpoint(sweep: SweepFolder, trial: TrialSummary) -> Kept | None:
    """The first checkpoint of a confirmation, or else of a measurement; None if none is there."""
    place = sweep.trial(trial.number, trial.record.signature)
    for purpose in (Purpose.CONFIRM, Purpose.MEASURE):
        for one in trial.replicates:
            checkpoint = place.replicate(one.replicate.label).checkpoint
            if one.replicate.purpose is purpose and one.complete and checkpoint.exists():
                return Kept(replicate=one, checkpoint=checkpoint)
    return None
