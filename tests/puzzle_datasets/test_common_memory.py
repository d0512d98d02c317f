"""Memory is that of the machine with its swap, and no more than a container's limit grants."""

import os
from pathlib import Path

import pytest

from puzzle_datasets.common.memory import memory, reservable

ALL = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("own", "files", "count"),
    [
        ("0::/\n", {"memory.max": "1000000\n"}, 1_000_000),
        ("0::/\n", {"memory.max": "max\n"}, ALL),
        ("0::/a/b\n", {"a/memory.max": "1000000\n", "a/b/memory.max": "max\n"}, 1_000_000),
        ("", {"memory/memory.limit_in_bytes": "2000000\n"}, 2_000_000),
        ("7:memory:/job\n", {"memory/job/memory.limit_in_bytes": "3000000\n"}, 3_000_000),
        ("0::/\n", {"memory.limit_in_bytes": "9223372036854771712\n"}, ALL),
        ("garbage\n0::/\n", {"memory.max": "garbage"}, ALL),
    ],
)
def test_a_limit_is_respected(own: str, files: dict[str, str], count: int, tmp_path: Path) -> None:
    for name, content in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "own").write_text(own)
    assert memory(tmp_path / "groups", tmp_path / "own", tmp_path / "none") == count


def test_swap_is_memory_too(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  8 kB\nSwapTotal:  3 kB\n")
    assert memory(tmp_path, tmp_path / "none", tmp_path / "meminfo") == ALL + 3 * 1024


def test_what_no_machine_has_is_not_granted() -> None:
    assert reservable(1)
    assert not reservable(2**60)
    assert not reservable(2**80)
