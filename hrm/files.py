"""Files that are written whole or not at all."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from hrm.config import ConfigError
from puzzle_datasets.common.files import sync


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Have `path` hold what `write` writes; where that fails, its former content stays.

    Raises `OSError` that names `path`, and whatever `write` raises.
    """
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with naming(path):
            with temporary.open("wb") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
            sync(path.parent)
    except BaseException:
        # What can't be removed must not hide why.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_file(path: Path, content: bytes) -> None:
    """Have `path` hold `content`; its folder is made. Raises `ConfigError` where it can't be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda stream: stream.write(content))
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"{path} can't be written ({reason}); name another place.") from error


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error of the disk name the file, which one met while writing does not."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
