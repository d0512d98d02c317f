"""A file is written whole, or its former content stays and nothing lies beside it."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from hrm.config import ConfigError
from hrm.files import write_file, write_whole


@contextmanager
def full_disk() -> Iterator[None]:
    """A limit on a file's size stands for the disk: writing fails half-way.

    It holds for this process as a whole, so no longer than it takes: pytest writes its own report.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_content_is_there_in_a_folder_that_was_not(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    for content in (b"one", b"another"):
        write_file(path, content)
        assert path.read_bytes() == content
        assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_file(path, b"short")
    told = r"file\.txt can't be written \(File too large\); name"
    with full_disk(), pytest.raises(ConfigError, match=told):
        write_file(path, b"long" * 10)
    with full_disk(), pytest.raises(OSError, match=r"File too large: '.*file\.txt'"):
        write_whole(path, lambda stream: stream.write(b"long" * 10))
    assert path.read_bytes() == b"short"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_file(path, b"whole")

    def interrupted(stream: BinaryIO) -> None:
        stream.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, interrupted)
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]
