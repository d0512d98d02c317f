"""Settings of puzzle sets: what all of them know, and how a manifest records them."""

import hashlib
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.options import files_of, is_folder, is_later
from puzzle_datasets.common.reading import ANY_SIZE, Reader
from puzzle_datasets.storage.schema import AugmentationMode

MOST_PUZZLES = 10**9

Augmentations = int | Literal["fresh"]
"""Number of fixed variants of each puzzle beside itself, or `fresh`: new ones in each epoch."""


class Settings(Protocol):
    """The settings of any puzzle set, before the set is built."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def vocab_size(self) -> int:
        """Number of tokens."""

    @property
    def seq_len(self) -> int:
        """Tokens of one grid."""


def augmentation_mode(augmentations: Augmentations) -> AugmentationMode:
    """Return how training pairs are varied under a setting of that name.

    >>> augmentation_mode(0), augmentation_mode(7), augmentation_mode("fresh")
    ('stored', 'table', 'fresh')
    """
    if augmentations == "fresh":
        return "fresh"
    return "table" if augmentations else "stored"


def settings_record(settings: Settings) -> dict[str, Any]:
    """Return settings as plain values, equal on all machines: of a folder, its files' digest."""
    record = {item.name: getattr(settings, item.name) for item in fields(settings)}
    for item in fields(settings):
        if is_folder(item) and record[item.name] is not None:
            record[item.name] = f"sha256:{_digest(Path(record[item.name]), item)}"
    unsaid = unrecorded(settings)
    return {name: value for name, value in record.items() if value != unsaid.get(name, MISSING)}


def unrecorded(settings: Settings) -> dict[str, Any]:
    """Return the values that a record leaves out: defaults of settings that came later."""
    return {item.name: item.default for item in fields(settings) if is_later(item)}


def _digest(folder: Path, item: Field[Any]) -> str:
    total = hashlib.sha256()
    try:
        for file in files_of(item, folder):
            with Reader(file, DatasetError, "remove it", most=ANY_SIZE).opened() as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            total.update(f"{_place(file, folder)} {content}\n".encode())
    except OSError as error:
        problem = f"names {folder}, which can't be read ({error.strerror})"
        remedy = "give a folder that exists"
        raise DatasetError.of(item.name, problem, remedy, str(folder)) from error
    return total.hexdigest()


def _place(file: Path, folder: Path) -> str:
    """The place of a file in a folder, of a single file its name."""
    return file.relative_to(folder if folder.is_dir() else folder.parent).as_posix()
