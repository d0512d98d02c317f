"""Checkpoints: one file, written whole or not at all, read without running foreign code."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from hrm.checkpoints.tensor_file import CheckpointError as CheckpointError
from hrm.checkpoints.tensor_file import read_tensors
from hrm.config import ModelConfig
from puzzle_datasets.common.files import write_whole
from puzzle_datasets.common.text import shown

LONGEST_PUZZLE = 65_536
"""Tokens; those of published puzzles are at most 900."""

FORMAT = 3
CHECKPOINT_FILE = "checkpoint.pt"
"""The name of a run's checkpoint in its folder."""


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values; a process that dies here leaves the former file in place.

    Raises `CheckpointError` where there is no room, or no right to write.
    """
    try:
        write_whole(path, partial(torch.save, {"format": FORMAT, **content}))
    except (OSError, RuntimeError) as error:
        # torch tells of a full disk by an error of its own, raised while handling the disk's.
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        problem = f"can't be written ({cause.strerror})"
        raise CheckpointError.of(path, problem, "make room there or name another place") from error


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote, tensors in main memory. Raises `CheckpointError`."""
    content = read_tensors(path, "restore another one")
    if not isinstance(content, dict) or not _equal(content.get("format"), FORMAT):
        raise CheckpointError.of(path, f"is not of format {FORMAT}", "restore another one")
    return content


def section(path: Path, content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a part of a checkpoint, a mapping. Raises `CheckpointError` where it has none."""
    found = content.get(name)
    if not isinstance(found, Mapping):
        raise CheckpointError.of(path, f"lacks its {name}", "restore another one")
    return found


def require_length(path: Path, config: ModelConfig) -> None:
    """Refuse puzzles so long that a model's positions alone would fill the memory.

    No weight shows how long they are. Raises `CheckpointError`.
    """
    if config.seq_len > LONGEST_PUZZLE:
        problem = f"is of puzzles of {config.seq_len:,} tokens, over {LONGEST_PUZZLE:,}"
        raise CheckpointError.of(path, problem, "restore another one")


def require_same(path: Path, what: str, saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse a checkpoint whose settings differ from those in use."""
    for key in {**saved, **now}:
        if not _equal(saved.get(key), now.get(key)):
            problem = f"({what}) is {shown(now.get(key))}, but {path} has {shown(saved.get(key))}"
            remedy = "restore it under the settings it was written with"
            raise CheckpointError.of(key, problem, remedy, now.get(key))


def _equal(saved: Any, now: Any) -> bool:
    try:
        return type(saved) is type(now) and bool(saved == now)
    except (RuntimeError, RecursionError):  # of a tensor where a plain value belongs
        return False
