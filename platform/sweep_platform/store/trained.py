"""The trained weights of a trial, as its folder keeps them."""

import os
from dataclasses import dataclass
from pathlib import Path

from hrm.config import ConfigError, ModelConfig, TrainingConfig
from puzzle_datasets.common.options import make
from sweep_platform.spec.schema import StorageSpec, SweepSpec
from sweep_platform.store.folder import SweepFolder, SweepRecord
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.storage.checkpoints import fetch_step
from sweep_platform.store.storage.objects import open_objects
from sweep_platform.store.summary import SweepSummary
from sweep_platform.store.trial import ReplicateFolder, TrialRecord, training_of
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
    """The first replicate of a trial that keeps its checkpoint, those that confirm it first.

    None also where the storage that keeps it can't be reached, or its folder not be written.
    """
    place = SweepFolder(Path(sweep.folder)).trial(trial.number, trial.record.signature)
    for purpose in (Purpose.CONFIRM, Purpose.MEASURE):
        for one in trial.replicates:
            if one.replicate.purpose is purpose and one.complete:
                folder = place.replicate(one.replicate.label)
                try:
                    if at_hand(sweep.record, trial.record, folder):
                        return Trained(
                            trial=trial.record, replicate=one, checkpoint=folder.checkpoint
                        )
                except OSError:
                    return None
    return None


def storage_of(sweep: SweepRecord) -> StorageSpec | None:
    """The storage of a sweep, if it has one."""
    return SweepSpec.model_validate(sweep.spec).storage


def checkpoints_in(url: str, sweep: str) -> str:
    """The URL below which a sweep, by its name, keeps checkpoints in a storage."""
    return f"{url}/{sweep}/checkpoints"


def at_hand(sweep: SweepRecord, trial: TrialRecord, folder: ReplicateFolder) -> bool:
    """Whether a replicate's last checkpoint is in its folder; from a storage it is fetched there.

    One of an earlier step, as a worker leaves that was lost after its last report, is none. The
    times of the folder stay: what was fetched is nothing new. Raises `OSError`.
    """
    if folder.checkpoint.is_file() and not is_earlier(folder.checkpoint, trial.total_steps):
        return True
    if (storage := storage_of(sweep)) is None:
        return False
    objects = open_objects(checkpoints_in(storage.url, sweep.name))
    before = folder.root.stat()
    key = f"{folder.root.parent.name}/{folder.label}"
    fetched = fetch_step(objects, key, trial.total_steps, folder.checkpoint)
    for path in (folder.checkpoint, folder.root) if fetched else ():
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return fetched


def is_earlier(checkpoint: Path, steps: int) -> bool:
    """Whether a checkpoint is of fewer steps; of a damaged one whoever loads it is told."""
    from hrm.checkpoints.checkpoint import CheckpointError  # torch takes seconds to import
    from hrm.checkpoints.loading import step_of

    try:
        return step_of(checkpoint) < steps
    except CheckpointError:
        return False
