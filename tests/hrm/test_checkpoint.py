import resource
from pathlib import Path
from typing import Any

import pytest
import torch

from hrm.checkpoints import checkpoint
from hrm.checkpoints.checkpoint import CheckpointError


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    content = {"weights": torch.arange(3.0), "step": 7, "fractions": (0.5, 1.0), "none": None}
    checkpoint.save(path, content)
    loaded = checkpoint.load(path)
    assert loaded["weights"].equal(content["weights"])
    assert {key: loaded[key] for key in ("step", "fractions", "none")} == {
        key: content[key] for key in ("step", "fractions", "none")
    }
    assert list(tmp_path.iterdir()) == [path]


def test_a_death_while_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, {"step": 1})

    def die(_: Any, file: Any) -> None:
        file.write(b"half a checkpoint")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(torch, "save", die)
        checkpoint.save(path, {"step": 2})
    assert checkpoint.load(path)["step"] == 1
    checkpoint.save(path, {"step": 3})
    assert checkpoint.load(path)["step"] == 3
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_files_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, {"weights": torch.zeros(1000)})
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt is no whole checkpoint"):
            checkpoint.load(path)


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    with pytest.raises(CheckpointError, match=r"weights\.pt does not exist"):
        checkpoint.load(path)
    torch.save({"weights": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r"weights\.pt is not of format 3"):
        checkpoint.load(path)
    torch.save(path, path)
    with pytest.raises(CheckpointError, match=r"weights\.pt holds pathlib.PosixPath, not only"):
        checkpoint.load(path)


def test_a_full_disk_is_told_and_leaves_the_old_file(tmp_path: Path) -> None:
    """A limit on a file's size stands for the disk: writing fails half-way."""
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, {"step": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt can't be written \(File too"):
            checkpoint.save(path, {"step": 2, "weights": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert checkpoint.load(path)["step"] == 1
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(CheckpointError, match=r"No such file or directory\); make room there or"):
        checkpoint.save(tmp_path / "absent" / "checkpoint.pt", {"step": 1})
