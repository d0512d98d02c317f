"""Files and folders that appear whole or not at all, and locks that end with their process."""

import errno
import fcntl
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Have `path` hold what `write` writes; a reader sees the old content or the new, whole.

    Of several writers one comes after the other; what a dead one left unfinished is removed.
    Raises `OSError` if the disk refuses; it names `path`, whose former content stays.
    """
    partial = path.with_name(f".{path.name}.partial")
    with naming(path), _made_anew(partial) as stream:
        try:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
            partial.replace(path)
        except BaseException:
            # What can't be removed must not hide why; after the renaming, another's may be there.
            with suppress(OSError):
                if _is_at(partial, stream.fileno()):
                    partial.unlink()
            raise
        sync(path.parent)


@contextmanager
def _made_anew(path: Path) -> Iterator[BinaryIO]:
    """A new file, locked; one that is there is waited for, and removed if it stays."""
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            _clear(path)
            continue
        with os.fdopen(descriptor, "wb") as stream:
            _lock(descriptor)
            if _is_at(path, descriptor):  # until it was locked, it looked like a dead writer's
                yield stream
                return


def _clear(path: Path) -> None:
    """Wait for the writer of a file; remove what is still there, whatever it is."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # its writer is done, and what is there by now is another's
    except OSError:
        path.unlink(missing_ok=True)
        return
    try:
        _lock(descriptor)
        if _is_at(path, descriptor):
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    # Where a file system has no locks, one writer at a time is the caller's duty.
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def write_file(path: Path, content: bytes) -> None:
    """Have `path` hold `content`, whole or not at all; its folder is made. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda stream: stream.write(content))


def write_json(path: Path, content: Any) -> None:
    """Have `path` hold `content` as JSON, whole or not at all. Raises `OSError`."""
    text = json.dumps(content, indent=2) + "\n"
    write_whole(path, lambda stream: stream.write(text.encode()))


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
    with os.fdopen(_regular(path), "r+b") as file:
        end = whole = file.seek(0, os.SEEK_END)
        while whole:
            begin = max(0, whole - _BLOCK)
            file.seek(begin)
            if line_end := file.read(whole - begin).rfind(b"\n") + 1:
                whole = begin + line_end
                break
            whole = begin
        if whole != end:
            file.truncate(whole)


_BLOCK = 1 << 16


def _regular(path: Path) -> int:
    """Open a file to change it; others than regular ones could keep one waiting for ever."""
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no regular file", str(path))
    return descriptor


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
    """Let an error of the disk name the file or folder; one met while writing does not.

    An error that names something else, such as a file that was read meanwhile, stays as it is.
    """
    # Not `with_name`, which refuses a folder without a name, such as the root.
    own = (path, *(path.parent / f".{path.name}.{end}" for end in ("partial", "lock")))
    try:
        yield
    except OSError as error:
        named = error.filename
        elsewhere = isinstance(named, str) and not any(map(Path(named).is_relative_to, own))
        if error.errno is None or elsewhere:
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
def exclusive_once(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock file `path` alone, and remove it in the end.

    Raises `BlockingIOError` if another process holds it and `wait` is false.
    """
    while True:
        with _opened(path) as file:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            # Whoever held the lock before may have removed the file that this one waited at.
            if not _is_at(path, file):
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
