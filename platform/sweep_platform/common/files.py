"""Writing that survives a process dying at any line, and reading what such a death leaves."""

import fcntl
import glob
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content`, so that a reader sees the old file or the new one, whole.

    One writer at a time is the caller's duty: what an earlier one left unfinished is removed.
    """
    for unfinished in path.parent.glob(f".{glob.escape(path.name)}.*"):
        unfinished.unlink()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` outlive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, content: Any) -> None:
    """Replace `path` by `content` as JSON, whole or not at all."""
    write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())


def read_json(path: Path) -> Any:
    """Content of a JSON file."""
    return json.loads(path.read_text())


def append_json_line(path: Path, content: Any) -> None:
    """Add one line to a JSON-lines file, on disk when this returns.

    A torn last line, left by a process that died while writing, is dropped first. One writer
    at a time is the caller's duty.
    """
    if path.exists():
        drop_torn_line(path)
    with path.open("ab") as file:
        file.write((json.dumps(content, sort_keys=True) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def drop_torn_line(path: Path) -> None:
    """Cut what follows the last line end: a line whose writer died before it was whole."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole != len(content):
        os.truncate(path, whole)


def read_json_lines(path: Path) -> Iterator[Any]:
    """Every whole line of a JSON-lines file; none where there is no file yet."""
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n")[:-1]:
        yield json.loads(line)


@contextmanager
def exclusive(path: Path, wait: bool) -> Iterator[None]:
    """Hold the lock file `path` alone; it is freed when this process ends, however it ends.

    Raises:
        BlockingIOError: another process holds it and `wait` is False.
    """
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
