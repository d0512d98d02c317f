"""What a job needs on its host: the puzzles, its checkpoint, and that of its ancestor."""

import errno
import socket
import time
from contextlib import ExitStack
from pathlib import Path

from puzzle_datasets.common.errors import DatasetError
from sweep_platform.common.notice import Notice
from sweep_platform.execution.faults import HostError
from sweep_platform.space.dataset import DatasetAddress
from sweep_platform.space.puzzle_cache import PuzzleSource, puzzles_here
from sweep_platform.store.checkpoints import CheckpointStore, open_checkpoints
from sweep_platform.store.messages import TrialJob
from sweep_platform.store.storage.objects import StorageError

AWAY_SECONDS = 2.0
"""Between two looks whether a storage that is away is back."""


def at_hand(
    job: TrialJob, held: ExitStack, heard: list[Notice]
) -> tuple[DatasetAddress, CheckpointStore, Path] | None:
    """The puzzles, the store, and the path of the checkpoint, which is held.

    None, after a while, if a storage is away. Raises `HostError` where this host lacks a folder.
    """
    if job.keep is None:
        _require_folder(Path(job.checkpoints, job.replicate_key))
    try:
        puzzles = _puzzles(job)
        store = open_checkpoints(job.checkpoints, job.keep, heard.append)
        with ExitStack() as trying:  # what is held is let go where the storage is away
            checkpoint = trying.enter_context(store.hold(job.replicate_key))
            trying.callback(_find_ancestor(job, store, checkpoint).unlink, missing_ok=True)
            held.enter_context(trying.pop_all())
        return puzzles, store, checkpoint
    except StorageError as error:
        place = f"the storage can't be read on host {socket.gethostname()}"
        text = f"{place} ({error.strerror}); trials wait until it can"
        heard.append(Notice(text, f"{place} {job.checkpoints}"))
        time.sleep(AWAY_SECONDS)
        return None


def ancestor_beside(checkpoint: Path) -> Path:
    """Where a job's ancestor is found by all of its processes."""
    return checkpoint.with_name(".ancestor.pt")


def _find_ancestor(job: TrialJob, store: CheckpointStore, checkpoint: Path) -> Path:
    """Put the checkpoint whose weights a job begins with beside its own; nothing if it is gone.

    Also where there is a checkpoint of its own, which may be damaged. Returns its path. Raises
    `StorageError` where a storage is away.
    """
    beside = ancestor_beside(checkpoint)
    beside.unlink(missing_ok=True)
    if job.ancestor is not None:
        found = store.find(job.ancestor["key"], job.ancestor["sha256"], beside)
        if found is not None and found != beside:
            beside.symlink_to(found)
    return beside


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        here = f"host {socket.gethostname()}"
        raise HostError(f"{here} does not see {folder}; mount it there, or give a --storage")


def _puzzles(job: TrialJob) -> DatasetAddress:
    """The puzzles on this host. Raises `HostError`, and `StorageError` where it has to wait."""
    source = PuzzleSource(**{**job.puzzles, "urls": tuple(job.puzzles.get("urls", ()))})
    try:
        return puzzles_here(DatasetAddress(**job.dataset), source)
    except DatasetError as error:
        if error.unread:
            raise StorageError(errno.EIO, error.problem, error.field) from error
        here, remedy = f"host {socket.gethostname()}", "mount it there, or give a --storage"
        raise HostError(f"{here}: {error.field} {error.problem}; {remedy}") from error
