"""Where trials keep their checkpoints."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from puzzle_datasets.common.files import exclusive


class CheckpointStore(Protocol):
    """Keeps the newest checkpoint of each trial, by a key.

    A worker calls, from the thread that trains. It holds a key while it trains, so that no other
    process writes there: a worker that was given up for lost may still be at work. `OSError` is
    raised where the store can't be reached or is full; a checkpoint that was published stays.
    """

    def hold(self, key: str) -> AbstractContextManager[Path]:
        """Wait until nobody else holds the key; yield a path on this host.

        The newest published checkpoint is there, if there is one, and a new one may be put there,
        whole or not at all.
        """

    def publish(self, key: str) -> None:
        """Make the checkpoint at the held path the newest."""


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

    def publish(self, key: str) -> None:
        """Do nothing: what stands at the path is the newest."""


def open_checkpoints(address: str) -> CheckpointStore:
    """The store at an address: the path of a folder."""
    return FolderCheckpoints(Path(address))
