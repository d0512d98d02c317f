"""Folders that appear whole or not at all, and once however many processes make them."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def make_folder(folder: Path, fill: Callable[[Path], object]) -> None:
    """Have ``folder`` exist, filled by ``fill`` if it does not yet.

    One process fills, under another name, and others wait for it. What a killed process left is
    cleared by the next one.

    Raises:
        OSError: the folder can't be written.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(f".{folder.name}.lock")):
        if not folder.exists():
            _fill(folder, fill)


def sync(path: Path) -> None:
    """Make a file or a folder's entries last through a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fill(folder: Path, fill: Callable[[Path], object]) -> None:
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        fill(partial)
        sync(partial)
        partial.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold an exclusive lock that ends with this process, however it ends."""
    while True:
        with file.open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            # Whoever held the lock before may have removed the file that this one waited at.
            if not _is_at(stream.fileno(), file):
                continue
            try:
                yield
            finally:
                file.unlink(missing_ok=True)
            return


def _is_at(descriptor: int, file: Path) -> bool:
    """Say whether an open file is the one of that name."""
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
