"""Writing that survives a process dying at any line, and reading what such a death leaves."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content`, so that a reader sees the old file or the new one, whole."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Any) -> None:
    """Replace `path` by `content` as JSON, whole or not at all."""
    write_bytes(path, (json.dumps(content, indent=2, sort_keys=True) + "\n").encode())


def read_json(path: Path) -> Any:
    """Content of a JSON file."""
    return json.loads(path.read_text())


def append_json_line(path: Path, content: Any) -> None:
    """Add one line to a JSON-lines file, on disk when this returns.

    A torn last line, left by a process that died while writing, is dropped first. One writer
    at a time is the caller's duty.
    """
    with path.open("ab+") as file:
        _drop_torn_line(file.fileno(), path)
        file.write((json.dumps(content, sort_keys=True) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def _drop_torn_line(descriptor: int, path: Path) -> None:
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole != len(content):
        os.ftruncate(descriptor, whole)


def read_json_lines(path: Path) -> Iterator[Any]:
    """Every whole line of a JSON-lines file; none where there is no file yet."""
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n")[:-1]:
        yield json.loads(line)
