"""Cores are those of the machine, and no more than a container grants."""

import os
from pathlib import Path

import pytest

from puzzle_datasets.common.processors import cores

ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("own", "files", "count"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, ALL),
        ("0::/a/b\n", {"a/cpu.max": "100000 100000\n", "a/b/cpu.max": "max 100000\n"}, 1),
        ("3:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "9"}, ALL),
        ("", {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        (
            "3:cpu,cpuacct:/docker/1\n",
            {
                "cpu,cpuacct/docker/1/cpu.cfs_quota_us": "120000",
                "cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000",
            },
            1,
        ),
        ("garbage\n0::/\n", {"cpu.max": "garbage"}, ALL),
        ("0::/\n", {"cpu.max": "1 0"}, ALL),
    ],
)
def test_a_quota_is_respected(own: str, files: dict[str, str], count: int, tmp_path: Path) -> None:
    for name, content in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "own").write_text(own)
    assert cores(tmp_path / "groups", tmp_path / "own") == count


def test_without_control_groups_all_cores_are_there(tmp_path: Path) -> None:
    assert cores(tmp_path / "none", tmp_path / "none") == ALL
