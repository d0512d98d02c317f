"""Trainings of earlier sweeps that stand for equal ones of this sweep.

One is equal by configuration, puzzles and seed: trained again it would come to the same. So its
checkpoint is put where the worker looks for that of its own replicate, which then has nothing left
to train and reports what was measured: rungs and records take it like any other.
"""

import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from puzzle_datasets.common.errors import UserError
from sweep_platform.search.stages.live import Job
from sweep_platform.store.checkpoints import CheckpointStore
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.trained import at_hand
from sweep_platform.store.trial import (
    ReplicateFolder,
    Reused,
    TrialFolder,
    TrialState,
)


class Reuse:
    """Takes over trainings of some sweeps, by their folders, into the `checkpoints` of another.

    Their trials are those that there are when it is made. Construction raises `UserError` where
    their records are damaged.
    """

    def __init__(
        self,
        sweeps: Sequence[Path] = (),
        checkpoints: Callable[[], CheckpointStore] | None = None,
    ) -> None:
        self._checkpoints = checkpoints
        self._known: dict[str, list[tuple[SweepFolder, TrialFolder]]] = defaultdict(list)
        for sweep in map(SweepFolder, sweeps):
            for trial in sweep.trials():
                self._known[trial.record().signature].append((sweep, trial))

    def take(self, job: Job) -> Reused | None:
        """Have the checkpoint of a training that equals a job's; None where there is none.

        Raises `OSError` where it can't be stored.
        """
        for sweep, trial in self._known.get(job.record.signature, ()):
            with suppress(UserError):  # what is damaged is trained anew
                for replicate in filter(_is_complete, trial.replicates()):
                    same = replicate.equals(job.record, job.replicate)
                    if same and self._copied(sweep, trial, replicate, job):
                        return _reused(sweep, trial, replicate)
        return None

    def _copied(
        self, sweep: SweepFolder, trial: TrialFolder, source: ReplicateFolder, job: Job
    ) -> bool:
        """Whether a replicate's last checkpoint was stored as that of a job."""
        assert self._checkpoints is not None, "whoever names sweeps names a store"
        if not at_hand(sweep.record(), trial.record(), source):
            return False
        store = self._checkpoints()
        with store.hold(job.key) as path:
            partial = path.with_suffix(".partial")
            shutil.copyfile(source.checkpoint, partial)
            partial.replace(path)
            store.publish(job.key, job.record.total_steps)
        return True


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
    )
