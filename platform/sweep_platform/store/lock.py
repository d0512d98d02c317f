"""Owning a sweep's folder: one driver at a time, and nothing left of a sweep that never began."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from puzzle_datasets.common.files import exclusive
from sweep_platform.common.errors import InputError
from sweep_platform.store.folder import SweepFolder


@contextmanager
def owned(folder: SweepFolder) -> Iterator[None]:
    """Own a sweep's folder; it is removed again if no session comes of it.

    Raises:
        InputError: it cannot be written, or another driver owns it.
    """
    made = _make(folder.root)
    with ExitStack() as held:
        try:
            held.enter_context(exclusive(folder.lock, wait=False))
        except BlockingIOError:
            raise InputError.of(
                folder.root,
                "is in use: another process runs this sweep",
                "wait for it or choose another --out",
            ) from None
        try:
            yield
        finally:
            if not folder.sessions():
                folder.discard()
                for directory in made:
                    directory.rmdir()


def _make(root: Path) -> list[Path]:
    """Make a folder that can be written; returns what had to be made, innermost first."""
    missing = [path for path in (root, *root.parents) if not path.exists()]
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not os.access(root, os.W_OK | os.X_OK):
            raise PermissionError("permission denied")
    except OSError as error:
        raise InputError.of(root, f"cannot be written ({error})", "choose another --out") from None
    return missing
