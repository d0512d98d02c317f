"""The trained weights of a trial, as its folder keeps them."""

from dataclasses import dataclass
from pathlib import Path

from hrm.config import ConfigError, ModelConfig, TrainingConfig
from puzzle_datasets.common.options import make
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.summary import SweepSummary
from sweep_platform.store.trial import TrialRecord, training_of
from sweep_platform.store.trial_summary import ReplicateSummary, TrialSummary


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A replicate that was trained to the end, and its checkpoint."""

    trial: TrialRecord
    replicate: ReplicateSummary
    checkpoint: Path

    def require_own(self) -> None:
        """Refuse a checkpoint that another training wrote. For all who are about to load it.

        Raises `CheckpointError`, also where it is damaged.
        """
        from hrm.checkpoints.loading import require_settings  # torch takes seconds to import

        training = training_of(self.trial, self.replicate.replicate)
        require_settings(
            self.checkpoint,
            make(ModelConfig, self.trial.model, ConfigError),
            make(TrainingConfig, training, ConfigError),
            self.trial.dataset["fingerprint"],
        )


def trained(sweep: SweepSummary, trial: TrialSummary) -> Trained | None:
    """The first replicate of a trial that keeps its checkpoint, those that confirm it first."""
    place = SweepFolder(Path(sweep.folder)).trial(trial.number, trial.record.signature)
    for purpose in (Purpose.CONFIRM, Purpose.MEASURE):
        for one in trial.replicates:
            checkpoint = place.replicate(one.replicate.label).checkpoint
            if one.replicate.purpose is purpose and one.complete and checkpoint.is_file():
                return Trained(trial=trial.record, replicate=one, checkpoint=checkpoint)
    return None
