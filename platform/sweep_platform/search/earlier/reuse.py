"""Trainings of earlier sweeps that stand for equal ones of this sweep.

One is equal by configuration, puzzles and seed: trained again it would come to the same. So its
checkpoint is put where the worker looks for that of its own replicate, which then has nothing left
to train and reports what was measured: rungs and records take it like any other.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from hrm.config import ConfigError, ModelConfig, TrainingConfig
from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.options import make
from sweep_platform.search.stages.live import Job
from sweep_platform.store.checkpoints import CheckpointStore
from sweep_platform.store.folder import SweepFolder, SweepRecord
from sweep_platform.store.storage.checkpoints import fetch_step
from sweep_platform.store.storage.objects import open_objects
from sweep_platform.store.trained import checkpoints_in, storage_of
from sweep_platform.store.trial import (
    ReplicateFolder,
    Reused,
    TrialFolder,
    TrialState,
    training_of,
)

BLOCK = 2**20
"""Bytes of a checkpoint that are copied at once."""


class _AwayError(Exception):
    """A training of another sweep can't be read, whatever it is that lacks."""


class Reuse:
    """Takes over trainings of some sweeps, by their folders, into the `checkpoints` of another.

    Their trials are those that there are when it is made; where `energy` is needed, those alone of
    which it was measured. Construction raises `UserError` where
    their records are damaged.
    """

    def __init__(
        self,
        sweeps: Sequence[Path] = (),
        checkpoints: Callable[[], CheckpointStore] | None = None,
        energy: bool = False,
    ) -> None:
        self._checkpoints, self._energy = checkpoints, energy
        self._known: dict[str, list[tuple[SweepFolder, TrialFolder]]] = defaultdict(list)
        for sweep in map(SweepFolder, sweeps):
            for trial in sweep.trials():
                self._known[trial.record().signature].append((sweep, trial))

    def take(self, job: Job) -> Reused | None:
        """Have the checkpoint of a training that equals a job's; None where there is none.

        What is damaged there, or can't be read, is none: it is trained anew. Raises `OSError`
        where the checkpoint can't be stored here.
        """
        for sweep, trial in self._known.get(job.record.signature, ()):
            for one in _equal(sweep, trial, job):
                known = not self._energy or one.reused.energy_joules is not None
                if known and self._stored(one, job):
                    return one.reused
        return None

    def _stored(self, one: "_Training", job: Job) -> bool:
        """Whether a training's last checkpoint is whole, and was stored as that of a job."""
        assert self._checkpoints is not None, "whoever names sweeps names a store"
        store = self._checkpoints()
        with store.hold(job.key) as path:
            partial = path.with_suffix(".partial")
            if not any(_is_written(write, partial, job) for write in (one.copy, one.fetch)):
                partial.unlink(missing_ok=True)
                return False
            partial.replace(path)
            store.publish(job.key, job.record.total_steps)
        return True


@dataclass(frozen=True, kw_only=True)
class _Training:
    """A complete replicate of another sweep; nothing is written to its folder."""

    sweep: SweepRecord
    folder: ReplicateFolder
    steps: int
    reused: Reused

    def copy(self, to: Path) -> bool:
        """Copy the checkpoint in its folder; False without one. Raises `_AwayError`, `OSError`."""
        if not self.folder.checkpoint.is_file():
            return False
        with to.open("wb") as stream:
            stream.writelines(_blocks(self.folder.checkpoint))
        return True

    def fetch(self, to: Path) -> bool:
        """Write the one that its sweep's storage keeps; False without one. Raises `_AwayError`."""
        try:
            if (storage := storage_of(self.sweep)) is None:
                return False
            objects = open_objects(checkpoints_in(storage.url, self.sweep.name))
            return fetch_step(objects, self.folder.key, self.steps, to)
        except (UserError, ValidationError, OSError) as error:
            raise _AwayError from error


def _blocks(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as stream:
            while block := stream.read(BLOCK):
                yield block
    except OSError as error:
        raise _AwayError from error


def _equal(sweep: SweepFolder, trial: TrialFolder, job: Job) -> list[_Training]:
    """The complete replicates of a trial that are the same training as a job's."""
    with suppress(UserError, OSError):
        return [
            _Training(
                sweep=sweep.record(),
                folder=one,
                steps=job.record.total_steps,
                reused=_reused(sweep, trial, one),
            )
            for one in filter(_is_complete, trial.replicates())
            if one.equals(job.record, job.replicate)
        ]
    return []


def _is_written(write: Callable[[Path], bool], file: Path, job: Job) -> bool:
    """Whether a checkpoint was written to a file, and is that of the end of a job's training."""
    from hrm.checkpoints.checkpoint import CheckpointError  # torch takes seconds to import
    from hrm.checkpoints.loading import require_settings, step_of

    with suppress(_AwayError, CheckpointError):
        if write(file) and step_of(file) >= job.record.total_steps:
            training = training_of(job.record, job.replicate)
            require_settings(
                file,
                make(ModelConfig, job.record.model, ConfigError),
                make(TrainingConfig, training, ConfigError),
                job.record.dataset["fingerprint"],
            )
            return True
    return False


def _is_complete(replicate: ReplicateFolder) -> bool:
    end = replicate.outcome()
    return end is not None and end.state is TrialState.COMPLETE and replicate.last_step > 0


def _reused(sweep: SweepFolder, trial: TrialFolder, replicate: ReplicateFolder) -> Reused:
    *_, last = replicate.measurements()
    return Reused(
        sweep=str(sweep.root),
        trial=trial.record().number,
        training_flops=last.progress.training_flops,
        device_seconds=last.progress.device_seconds,
        energy_joules=last.progress.energy_joules,
    )
