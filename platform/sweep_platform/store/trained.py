"""The trained weights of a trial, as its folder keeps them."""

from dataclasses import dataclass
from pathlib import Path

from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.summary import SweepSummary
from sweep_platform.store.trial_summary import ReplicateSummary, TrialSummary


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A replicate that was trained to the end, and its checkpoint."""

    replicate: ReplicateSummary
    checkpoint: Path


def trained(sweep: SweepSummary, trial: TrialSummary) -> Trained | None:
    """The first replicate of a trial that keeps its checkpoint, those that confirm it first."""
    place = SweepFolder(Path(sweep.folder)).trial(trial.number, trial.record.signature)
    for purpose in (Purpose.CONFIRM, Purpose.MEASURE):
        for one in trial.replicates:
            checkpoint = place.replicate(one.replicate.label).checkpoint
            if one.replicate.purpose is purpose and one.complete and checkpoint.exists():
                return Trained(replicate=one, checkpoint=checkpoint)
    return None
