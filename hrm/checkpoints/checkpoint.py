"""Checkpoints: one file, written whole or not at all, read without running foreign code."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.files import write_whole

FORMAT = 3
CHECKPOINT_FILE = "checkpoint.pt"
"""The name of a run's checkpoint in its folder."""


class CheckpointError(UserError):
    """A checkpoint can't be used; its field is the file, or the setting in the file."""


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
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError.of(path, "does not exist", "name a file that save wrote") from error
    except Exception as error:  # torch raises a dozen kinds on damaged files
        raise CheckpointError.of(path, "is no whole checkpoint", "restore another one") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError.of(path, f"is not of format {FORMAT}", "restore another one")
    return content


def require_same(path: Path, what: str, saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse a checkpoint whose settings differ from those in use."""
    for key in {**saved, **now}:
        if saved.get(key) != now.get(key):
            problem = f"({what}) is {now.get(key)!r}, but {path} has {saved.get(key)!r}"
            remedy = "restore it under the settings it was written with"
            raise CheckpointError.of(key, problem, remedy, now.get(key))
