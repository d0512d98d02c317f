"""Where trials keep their checkpoints."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from puzzle_datasets.common.files import exclusive
from sweep_platform.common.notice import Notice
from sweep_platform.store.storage.checkpoints import ObjectCheckpoints
from sweep_platform.store.storage.objects import open_objects


class CheckpointStore(Protocol):
    """Keeps the newest checkpoint of each trial, by a key.

    A worker calls, from the thread that trains. It holds a key while it trains, so that no other
    process on its host writes there: a worker that was given up for lost may still be at work.
    `OSError` is raised where the store can't be reached or is full; a checkpoint that was
    published stays.
    """

    def hold(self, key: str) -> AbstractContextManager[Path]:
        """Wait until nobody else on this host holds the key; yield a path on this host.

        The newest published checkpoint is there, if there is one, and a new one may be put there,
        whole or not at all. Leaving waits until what was published is stored, unless by an error.
        """

    def publish(self, key: str, step: int) -> None:
        """Let the checkpoint at the held path, of a training step, be kept soon.

        The one of the highest step is the newest; a holder that publishes no further than what
        it found had no use for that.
        """

    def stored(self, key: str, seconds: float) -> bool:
        """Wait so long at most; whether what was published under a held key is stored."""

    def digest(self, key: str) -> str | None:
        """The SHA-256 of the newest published checkpoint of a key; None where there is none."""

    def find(self, key: str, sha256: str, place: Path) -> Path | None:
        """A published checkpoint of a key that has this SHA-256, on this host; None if it is gone.

        It is where the store keeps it, or is written to `place`, and not to be changed.
        """


class FolderCheckpoints:
    """Checkpoints in a folder that all hosts see: `KEY/checkpoint.pt` below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def hold(self, key: str) -> Iterator[Path]:
        """Hold the lock in the key's folder; the path is the one where checkpoints are kept."""
        folder = self._root / key
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / "lock", wait=True):
            yield folder / "checkpoint.pt"

    def publish(self, key: str, step: int) -> None:
        """Do nothing: what stands at the path is the newest."""

    def stored(self, key: str, seconds: float) -> bool:
        """Return True: so it is."""
        return True

    def digest(self, key: str) -> str | None:
        """The digest of the file that the key has now."""
        try:
            return _sha256(self._root / key / "checkpoint.pt")
        except FileNotFoundError:
            return None

    def find(self, key: str, sha256: str, place: Path) -> Path | None:
        """The file itself, if it has that digest."""
        return self._root / key / "checkpoint.pt" if self.digest(key) == sha256 else None


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def open_checkpoints(
    address: str,
    keep: int | None = None,
    tell: Callable[[Notice], object] = lambda notice: None,
) -> CheckpointStore:
    """The store at an address: the path of a folder, or with a `keep` a URL of a storage.

    `keep` checkpoints of each key stay there; `tell` hears of trouble that training gets along
    with. Raises `StorageError`, `InputError`; `OSError` where this host has no place for them.
    """
    if keep is None:
        return FolderCheckpoints(Path(address))
    return ObjectCheckpoints(open_objects(address), keep, tell)
