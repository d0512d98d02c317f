"""Puzzle sets in the published npy layout, imported as they are.

The published builders draw their augmentations without a seed, and a checkpoint of theirs is
worth nothing without the very identifiers that it was trained with. So nothing is drawn anew:
pairs, puzzles, groups and identifiers stay what they are in the folder and are served as stored.
"""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.options import check as check_settings
from puzzle_datasets.common.options import option
from puzzle_datasets.kinds.arc.build import group_table
from puzzle_datasets.kinds.sudoku.rules import BOX_SHAPES
from puzzle_datasets.published.folder import Integers, PublishedSplit, read_split
from puzzle_datasets.published.groups import (
    Numbering,
    Splits,
    identity_table,
    number_on,
    number_tasks,
)
from puzzle_datasets.published.kind import canvas_side, find_kind, legend, measure
from puzzle_datasets.published.metadata import Metadata, read_metadata, read_names
from puzzle_datasets.published.names import parse_names
from puzzle_datasets.published.overlap import Overlap
from puzzle_datasets.storage.schema import (
    GROUP_FILE,
    IDENTITY_FILE,
    SPLITS,
    Card,
    Kind,
    Manifest,
    Split,
)
from puzzle_datasets.storage.settings import settings_record
from puzzle_datasets.storage.writer import Rows, SetWriter


@dataclass(frozen=True, kw_only=True)
class OfficialSettings:
    """Which published folder is imported, and as what.

    Raises:
        DatasetError: a value is impossible.
    """

    folder: str = option(
        MISSING,
        "folder that holds train, test and identifiers.json, as HRM or TRM write it",
        files=("identifiers.json", "*/*.npy", "*/dataset.json"),
    )
    kind: Literal["auto", "arc", "sudoku", "maze"] = option(
        "auto", "what the puzzles are; auto finds out"
    )

    def __post_init__(self) -> None:
        check_settings(self, DatasetError)

    @property
    def vocab_size(self) -> int:
        """Number of tokens, read from the folder."""
        return self._metadata.vocab_size

    @property
    def seq_len(self) -> int:
        """Tokens of one grid, read from the folder."""
        return self._metadata.seq_len

    @property
    def _metadata(self) -> Metadata:
        return read_metadata(Path(self.folder) / "train")


def most_identifiers(settings: OfficialSettings) -> int:
    """Return the folder's puzzle identifiers, the blank one among them.

    Raises:
        DatasetError: the folder can't be read.
    """
    return read_metadata(Path(settings.folder) / "train").num_puzzle_identifiers


def check(settings: OfficialSettings) -> None:
    """Refuse a folder by everything but its tokens, names of tasks and sizes of grids.

    Raises:
        DatasetError: a file is missing, damaged or contradicts another, or the folder is not of
            the kind asked for.
    """
    _read(settings)


def build(settings: OfficialSettings, writer: SetWriter) -> Manifest:
    """Write the set that a published folder holds.

    Raises:
        DatasetError: the folder lacks a file, is damaged, contradicts itself, or is not of the
            kind asked for.
    """
    splits, names, kind = _read(settings)
    if kind == "arc":
        identities = parse_names(names)
        numbering = number_tasks(splits, identities)
        writer.write_table(IDENTITY_FILE, identity_table(splits, names, identities, numbering))
        writer.write_table(GROUP_FILE, group_table(numbering.tasks))
    else:
        numbering = number_on(splits)
    overlap = Overlap(kind, canvas_side(splits["train"].metadata))
    for split in SPLITS:
        writer.write_split(split, _rows(kind, splits, split, numbering, overlap))
    return writer.finish(_card(settings, kind, splits, numbering, overlap))


def _read(settings: OfficialSettings) -> tuple[Splits, list[str], Kind]:
    """Return the folder's splits, whose tokens are still on disk, the names, and the kind."""
    folder = Path(settings.folder)
    splits = {split: read_split(folder, split) for split in SPLITS}
    names = read_names(folder, _common_metadata(splits).num_puzzle_identifiers)
    return splits, names, find_kind(splits["train"], settings.kind)


def _common_metadata(splits: Splits) -> Metadata:
    """Return what both splits say alike."""
    train, test = (splits[split].metadata for split in SPLITS)
    for key in ("vocab_size", "seq_len", "num_puzzle_identifiers"):
        if getattr(train, key) != getattr(test, key):
            value = getattr(test, key)
            raise DatasetError.of_file(
                splits["test"].folder,
                f"has {key} {value} but train has {getattr(train, key)}",
                "take both from one build",
                value,
            )
    return train


def _rows(
    kind: Kind, splits: Splits, split: Split, numbering: Numbering, overlap: Overlap
) -> Iterator[Rows]:
    """Yield the pairs of a split; have ``overlap`` take note of them."""
    content = splits[split]
    puzzle = np.repeat(np.arange(len(content.puzzle_sizes)), content.puzzle_sizes)
    group = np.repeat(numbering.groups[split], content.group_sizes)[puzzle]
    identifier = content.puzzle_identifiers[puzzle]
    example = np.arange(len(puzzle)) - content.puzzle_starts[puzzle]
    if split == "test":
        example += _demonstrations(splits["train"])[identifier]
    for first, inputs, labels in content.chunks():
        overlap.add(split, inputs, labels)
        run = slice(first, first + len(inputs))
        counted = {"example": example[run].astype(np.int16)} if kind == "arc" else {}
        yield Rows(
            inputs=inputs,
            labels=labels,
            group=group[run].astype(np.int32),
            puzzle=puzzle[run].astype(np.int32),
            puzzle_identifier=identifier[run].astype(np.int32),
            details={**counted, **measure(kind, content, first, inputs, labels)},
        )


def _demonstrations(train: PublishedSplit) -> Integers:
    """Return how many training pairs each identifier has: its test pairs are counted on."""
    counts = np.zeros(train.metadata.num_puzzle_identifiers, np.int64)
    counts[train.puzzle_identifiers] = train.puzzle_sizes
    return counts


def _card(
    settings: OfficialSettings, kind: Kind, splits: Splits, numbering: Numbering, overlap: Overlap
) -> Card:
    puzzles = {f"{split}_puzzles": len(splits[split].puzzle_sizes) for split in SPLITS}
    metadata = splits["train"].metadata
    side = canvas_side(metadata)
    return Card(
        name="official",
        kind=kind,
        settings=settings_record(settings),
        source="a folder in the published npy layout, imported as it is",
        licence="that of the folder",
        vocab_size=metadata.vocab_size,
        seq_len=metadata.seq_len,
        grid=(side, side),
        box=BOX_SHAPES[side] if kind == "sudoku" else None,
        tokens=legend(kind, side),
        augmentation="stored",
        groups=numbering.count,
        identities=metadata.num_puzzle_identifiers - 1,
        statistics={**puzzles, **overlap.statistics()},
    )
