"""Files appear whole or not at all, lines survive a death, and one process holds a lock."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.files import (
    append_json_line,
    drop_torn_line,
    exclusive,
    exclusive_once,
    make_folder,
    naming,
    visible_files,
    write_file,
    write_json,
    write_whole,
)
from puzzle_datasets.common.reading import Reader

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def python(code: str, *words: object) -> "subprocess.Popen[str]":
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_an_interrupt_after_the_renaming_leaves_what_another_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial, renamed = tmp_path / ".a.partial", Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        renamed(self, target)
        partial.write_text("another's")
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert partial.read_text() == "another's"


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
    with full_disk(), pytest.raises(OSError, match=r"File too large: '.*file\.txt'") as refused:
        write_file(path, b"long" * 10)
    assert refused.value.filename == str(path)
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


@in_one_folder
@given(content=JSON)
def test_json_reads_back(content: Any, tmp_path: Path) -> None:
    write_json(tmp_path / "file.json", content)
    assert json.loads((tmp_path / "file.json").read_text()) == content


@in_one_folder
@given(lines=st.lists(JSON, max_size=4), torn=st.binary(max_size=8))
def test_json_lines_read_back_without_a_torn_one(
    lines: list[Any], torn: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "lines.jsonl"
    path.unlink(missing_ok=True)
    torn = torn.replace(b"\n", b"")
    for number, line in enumerate(lines):
        append_json_line(path, line)
        with path.open("ab") as file:
            file.write(torn)  # the next writer drops it, and no reader sees it
        assert list(Reader(path, UserError, "mend it").lines()) == lines[: number + 1]
    if lines:
        drop_torn_line(path)
        assert path.read_text() == "".join(f"{json.dumps(x, sort_keys=True)}\n" for x in lines)


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_torn_line_is_found_however_long_it_is(end: bytes, tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"1\n" * 40_000 + b"2" * 200_000 + end)
    drop_torn_line(path)
    assert path.stat().st_size == (280_001 if end else 80_000)
    path.write_bytes(b"3" * 70_000)
    drop_torn_line(path)
    assert path.read_bytes() == b""


@pytest.mark.timeout(60)
def test_lines_are_added_to_regular_files_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        append_json_line(tmp_path / "pipe", {})


def test_an_error_of_something_else_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="source") as caught, naming(tmp_path / "made"):
        make_folder(tmp_path / "made", lambda into: (tmp_path / "source").read_bytes())
    assert caught.value.filename == str(tmp_path / "source")


# Another process that writes one file again and again, slowly.
WRITE = """
import sys
from pathlib import Path
from puzzle_datasets.common.files import write_whole

def write(stream):
    for _ in range(20):
        stream.write(sys.argv[2].encode() * 1000)
        stream.flush()

for _ in range(100):
    write_whole(Path(sys.argv[1]), write)
"""


def test_writers_of_one_file_come_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    (tmp_path / ".file.partial").write_text("of a writer that died")
    writers = [python(WRITE, path, letter) for letter in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            seen.add(path.read_bytes())
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen <= {b"a" * 20_000, b"b" * 20_000}
    assert list(tmp_path.iterdir()) == [path]


# Another process that makes many folders, in the order in which the others make them.
MAKE = """
import sys
from pathlib import Path
from puzzle_datasets.common.files import make_folder

def fill(partial):
    (partial / "file").write_text("whole")
    with (root / "made.txt").open("a") as log:
        log.write(f"{partial.name}\\n")

root = Path(sys.argv[1])
for number in range(60):
    make_folder(root / str(number), fill)
    assert (root / str(number) / "file").read_text() == "whole"
"""


def test_many_processes_make_each_folder_once_and_leave_no_lock(tmp_path: Path) -> None:
    processes = [python(MAKE, tmp_path) for _ in range(8)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * len(processes)
    assert {path.name for path in tmp_path.iterdir()} == {*map(str, range(60)), "made.txt"}
    assert len((tmp_path / "made.txt").read_text().split()) == 60


def test_a_folder_that_can_not_be_filled_is_not_there(tmp_path: Path) -> None:
    def fail(partial: Path) -> None:
        (partial / "file").touch()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        make_folder(tmp_path / "set", fail)
    assert not list(tmp_path.iterdir())


# Another process that holds a lock until it reads a line, or is killed.
HOLD = """
import sys
from pathlib import Path
from puzzle_datasets.common.files import exclusive

with exclusive(Path(sys.argv[1]), wait=False):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("killed", [False, True])
def test_a_lock_is_held_by_one_and_ends_with_its_process(killed: bool, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with python(HOLD, path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError), exclusive(path, wait=False):
            pass
        if killed:
            holder.kill()
        else:
            holder.communicate("let go\n")
    with exclusive(path, wait=False):
        assert path.exists()


def test_a_lock_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="lock"), exclusive_once(tmp_path / "lock"):
        pass
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("mask", [0o077, 0o027, 0o002])
def test_files_and_folders_keep_to_the_umask(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        write_file(tmp_path / "made" / "whole", b"content")
        write_json(tmp_path / "json", {})
        append_json_line(tmp_path / "lines", {})
        make_folder(tmp_path / "folder", lambda into: write_file(into / "inner", b""))
        with exclusive(tmp_path / "lock", wait=False):
            pass
    finally:
        os.umask(before)
    for path in tmp_path.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o777 if path.is_dir() else 0o666) & ~mask, path


def test_partial_files_and_locks_follow_no_links(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in (".file.partial", ".folder.partial", ".folder.lock"):
        (tmp_path / name).symlink_to(victim)
    write_file(tmp_path / "file", b"content")
    with pytest.raises(OSError, match="symbolic links"):
        make_folder(tmp_path / "folder", lambda into: None)
    (tmp_path / ".folder.lock").unlink()
    with pytest.raises(OSError, match="exists"):
        make_folder(tmp_path / "folder", lambda into: None)
    assert victim.read_text() == "precious"


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    for name in ("b.json", "a/c.json", ".a.json", ".hidden/d.json", "a/.hidden/e.json"):
        write_file(tmp_path / name, b"")
    found = [path.relative_to(tmp_path).as_posix() for path in visible_files(tmp_path, ["**/*"])]
    assert found == ["a", "a/c.json", "b.json"]
