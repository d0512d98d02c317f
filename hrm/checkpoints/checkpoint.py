"""Checkpoints: one file, written whole or not at all, read without running foreign code."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from hrm.files import write_whole

FORMAT = 2


class CheckpointError(ValueError):
    """A checkpoint can't be used; the message names the file, what is wrong and the remedy."""


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values; a process that dies here leaves the former file in place.

    Raises `CheckpointError` where there is no room or no right to write.
    """
    try:
        write_whole(path, partial(torch.save, {"format": FORMAT, **content}))
    except (OSError, RuntimeError) as error:
        # torch tells of a full disk by an error of its own, raised while handling the disk's.
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        raise CheckpointError(
            f"{path} can't be written ({cause.strerror}); make room there or name another place."
        ) from error


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote, tensors in main memory; raises `CheckpointError`."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist; name a file that save wrote.") from error
    except Exception as error:  # torch raises a dozen kinds on damaged files
        raise CheckpointError(f"{path} is no whole checkpoint; restore another one.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not of format {FORMAT}; restore another one.")
    return content


def require_same(path: Path, what: str, saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse a checkpoint whose settings differ from those in use."""
    for key in {**saved, **now}:
        if saved.get(key) != now.get(key):
            raise CheckpointError(
                f"{path} was written with {what} {key}={saved.get(key)!r}, not {now.get(key)!r}; "
                "restore it under the settings it was written with."
            )
