"""Files and folders that appear whole or not at all, and locks that end with their process."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO


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


def visible_files(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Files below a folder that match any pattern, sorted, without hidden ones and hidden folders.

    Editors and notebooks keep copies of files there. Raises `OSError` if there is no such folder.
    """
    folder.stat()
    found = {path for pattern in patterns for path in folder.glob(pattern)}
    hidden = (any(part.startswith(".") for part in p.relative_to(folder).parts) for p in found)
    return sorted(path for path, is_hidden in zip(found, hidden, strict=True) if not is_hidden)


def make_folder(folder: Path, fill: Callable[[Path], object]) -> None:
    """Have `folder` exist, filled by `fill` if it does not yet, by one process; others wait.

    What a killed process left is cleared by the next one. Raises `OSError` if it can't be written.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.partial")
    with exclusive_once(folder.with_name(f".{folder.name}.lock")):
        if folder.exists():
            return
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            fill(partial)
            sync(partial)
            partial.rename(folder)
            sync(folder.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


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


@contextmanager
def exclusive(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock file `path` alone; it is made where it is missing, and stays.

    Raises `BlockingIOError` if another process holds it and `wait` is false.
    """
    with _opened(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


@contextmanager
def exclusive_once(path: Path) -> Iterator[None]:
    """Wait for the lock file `path`, hold it alone, and remove it in the end."""
    while True:
        with _opened(path) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Whoever held the lock before may have removed the file that this one waited at.
            try:
                if not os.path.samestat(path.stat(), os.fstat(file)):
                    continue
            except FileNotFoundError:
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The lock file, never what a symbolic link in its place points to."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
