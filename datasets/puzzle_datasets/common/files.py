"""Files and folders that appear whole or not at all, and what a process that died may leave."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from puzzle_datasets.common.locks import exclusive_once


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Have `path` hold what `write` writes; a reader sees the old content or the new, whole.

    One writer at a time is the caller's duty: what an earlier one left unfinished is removed.
    Raises `OSError` if the disk refuses; it names `path`, whose former content stays.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with naming(path):
            partial.unlink(missing_ok=True)
            with partial.open("xb") as stream:  # made anew, so that it follows no link
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(path)
            sync(path.parent)
    except BaseException:
        # What can't be removed must not hide why.
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def write_file(path: Path, content: bytes) -> None:
    """Have `path` hold `content`, whole or not at all; its folder is made. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda stream: stream.write(content))


def write_json(path: Path, content: Any) -> None:
    """Have `path` hold `content` as JSON, whole or not at all. Raises `OSError`."""
    text = json.dumps(content, indent=2) + "\n"
    write_whole(path, lambda stream: stream.write(text.encode()))


def read_json(path: Path) -> Any:
    """Content of a JSON file. Raises `OSError`, or `ValueError` where it is no JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def append_json_line(path: Path, content: Any) -> None:
    """Add one line to a JSON-lines file, on disk when this returns. Raises `OSError`.

    A torn last line, left by a process that died while writing, is dropped first. One writer at a
    time is the caller's duty.
    """
    with naming(path):
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


def make_folder(folder: Path, fill: Callable[[Path], object]) -> None:
    """Have `folder` exist, filled by `fill` if it does not yet.

    One process fills, under another name, and others wait for it. What a killed process left is
    cleared by the next one. Raises `OSError` where the folder can't be written.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with exclusive_once(folder.with_name(f".{folder.name}.lock")):
        if not folder.exists():
            _fill(folder, fill)


def sync(path: Path) -> None:
    """Make a file or a folder's entries last through a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error of the disk name the file, which one met while writing does not."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


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
