"""Puzzle sets in the published npy layout, imported as they are.

The published builders draw their augmentations without a seed, and a checkpoint of theirs is
worth nothing without the very identifiers that it was trained with. So nothing is drawn anew:
pairs, puzzles, groups and identifiers stay what they are in the folder and are served as stored.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.options import check as check_settings
from puzzle_datasets.common.options import option, require
from puzzle_datasets.kinds.kind import Kind, kind_named, kind_names
from puzzle_datasets.kinds.puzzle_set import PuzzleSet
from puzzle_datasets.published.folder import Integers, PublishedSplit, Tokens, read_split
from puzzle_datasets.published.groups import (
    Numbering,
    Splits,
    number_on,
    number_tasks,
    table_of_identities,
)
from puzzle_datasets.published.layout import (
    REMEDY,
    Metadata,
    parse_names,
    read_metadata,
    read_names,
)
from puzzle_datasets.storage.schema import (
    GROUP_FILE,
    IDENTITY_FILE,
    IMPORTED,
    SPLITS,
    Manifest,
    Split,
)
from puzzle_datasets.storage.writer import Rows, SetWriter, group_table

Hashes = npt.NDArray[np.uint64]

AUTO = "auto"
_SIZES = ("vocab_size", "seq_len", "num_puzzle_identifiers")


@dataclass(frozen=True, kw_only=True)
class OfficialSettings:
    """The published folder to import, and the kind of its puzzles.

    Raises `DatasetError` if a value is impossible.
    """

    folder: str = option(
        MISSING,
        "folder that holds train, test and identifiers.json, as HRM or TRM write it",
        files=("identifiers.json", "*/*.npy", "*/dataset.json"),
    )
    kind: str = option(AUTO, "what the puzzles are, such as arc or sudoku; auto finds out")

    def __post_init__(self) -> None:
        check_settings(self, DatasetError)
        kinds = (AUTO, *kind_names())
        remedy = f"choose from {', '.join(kinds)}"
        require(self, "kind", self.kind in kinds, remedy, DatasetError)

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

    Raises `DatasetError` if the folder can't be read.
    """
    return read_metadata(Path(settings.folder) / "train").num_puzzle_identifiers


def check(settings: OfficialSettings) -> None:
    """Refuse a folder by everything but its tokens, names of tasks and sizes of grids.

    Raises `DatasetError` if a file is missing, damaged or contradicts another, or the folder is
    not of the kind asked for.
    """
    _read(settings)


def build(settings: OfficialSettings, writer: SetWriter) -> Manifest:
    """Write the set that a published folder holds.

    Raises `DatasetError` as `check`, or a token, name or grid is wrong.
    """
    splits, names, kind = _read(settings)
    numbering = number_on(splits)
    if kind.identified:
        identities = parse_names(names)
        numbering = number_tasks(splits, identities)
        table = table_of_identities(splits, names, identities, numbering)
        writer.write_table(IDENTITY_FILE, table)
        writer.write_table(GROUP_FILE, group_table(numbering.tasks))
    overlap = _Overlap(kind, splits["train"].side)
    for split in SPLITS:
        writer.write_split(split, _rows(kind, splits, split, numbering, overlap))
    puzzles = {f"{split}_puzzles": len(splits[split].puzzle_sizes) for split in SPLITS}
    card = kind.card(
        IMPORTED,
        settings,
        source="a folder in the published npy layout, imported as it is",
        licence="that of the folder",
        groups=numbering.count,
        statistics={**puzzles, **overlap.statistics()},
        identities=splits["train"].metadata.num_puzzle_identifiers - 1,
    )
    return writer.finish(card)


OFFICIAL = PuzzleSet(
    summary="a folder in the layout that the published training scripts read",
    settings=OfficialSettings,
    build=build,
    quick_check=check,
    most_identifiers=most_identifiers,
)


def _read(settings: OfficialSettings) -> tuple[Splits, list[str], Kind]:
    """Return the folder's splits, whose tokens are still on disk, the names, and the kind."""
    folder = Path(settings.folder)
    splits = {split: read_split(folder, split) for split in SPLITS}
    names = read_names(folder, _common_metadata(splits).num_puzzle_identifiers)
    return splits, names, _find_kind(splits["train"], settings.kind)


def _common_metadata(splits: Splits) -> Metadata:
    """Return the metadata that both splits share."""
    train, test = (splits[split].metadata for split in SPLITS)
    for key in _SIZES:
        value = getattr(test, key)
        if getattr(train, key) != value:
            raise DatasetError.of(
                splits["test"].folder,
                f"has {key} {value} but train has {getattr(train, key)}",
                "take both from one build",
                value,
            )
    return train


def _find_kind(split: PublishedSplit, wanted: str) -> Kind:
    """Return the kind that is asked for, or the one that fits the split.

    The folder itself does not say. Where several kinds fit (a 4×4 Sudoku and a maze have 6 tokens
    each), the first that recognises a label is taken, or else the last. Raises `DatasetError` if
    vocabulary, length and identifiers are not those of the kind, or of any.
    """
    sizes = split.metadata
    names = kind_names() if wanted == AUTO else [wanted]
    fitting = [
        kind
        for kind in map(kind_named, names)
        if split.side and kind.fits(sizes.vocab_size, split.side, sizes.num_puzzle_identifiers)
    ]
    if not fitting:
        has = ", ".join(f"{key} {getattr(sizes, key)}" for key in _SIZES)
        raise DatasetError(
            "kind",
            wanted,
            "check kind and folder",
            problem=f"is {wanted}, but {split.folder} has {has}",
            also=("folder",),
        )
    if len(fitting) == 1:
        return fitting[0]
    label = next(split.chunks())[2][0]
    return next((kind for kind in fitting if kind.recognises(label)), fitting[-1])


def _rows(
    kind: Kind, splits: Splits, split: Split, numbering: Numbering, overlap: "_Overlap"
) -> Iterator[Rows]:
    """Yield the pairs of a split; have `overlap` take note of them."""
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
        counted = {"example": example[run].astype(np.int16)} if kind.identified else {}
        refuse = partial(_example_error, content.folder, first)
        measured = kind.measure(inputs, labels, (content.side, content.side), refuse)
        yield Rows(
            inputs=inputs,
            labels=labels,
            group=group[run].astype(np.int32),
            puzzle=puzzle[run].astype(np.int32),
            puzzle_identifier=identifier[run].astype(np.int32),
            details={**counted, **measured},
        )


def _example_error(folder: Path, first: int, row: int, clause: str) -> DatasetError:
    example = first + row
    problem = f"has a fault in example {example} (from 0): {clause}"
    return DatasetError.of(folder, problem, REMEDY, example)


def _demonstrations(train: PublishedSplit) -> Integers:
    """Return how many training pairs each identifier has: its test pairs are counted on."""
    counts = np.zeros(train.metadata.num_puzzle_identifiers, np.int64)
    counts[train.puzzle_identifiers] = train.puzzle_sizes
    return counts


class _Overlap:
    """Counts test pairs that are training pairs too, holding eight or sixteen bytes of each.

    Published sets are what they are, so that these are counted and not refused.
    """

    def __init__(self, kind: Kind, side: int) -> None:
        self._invariant, self._grid = kind.invariant, (side, side)
        self._hashes: defaultdict[tuple[str, Split], list[Hashes]] = defaultdict(list)

    def add(self, split: Split, inputs: Tokens, labels: Tokens) -> None:
        """Take note of pairs of tokens [n, L]."""
        self._hashes["", split].append(_pair_hashes(inputs, labels))
        if self._invariant is not None:
            invariants = self._invariant(inputs, self._grid)
            self._hashes["_up_to_symmetry", split].append(invariants)

    def statistics(self) -> dict[str, float]:
        """Return how many test pairs are trained on, exactly and up to the kind's symmetries."""
        figures: dict[str, float] = {}
        for sense in dict.fromkeys(sense for sense, _ in self._hashes):
            train, test = (np.concatenate(self._hashes[sense, s]) for s in SPLITS)
            figures[f"test_pairs_trained_on{sense}"] = int(np.isin(test, train).sum())
        return figures


def _pair_hashes(inputs: Tokens, labels: Tokens) -> Hashes:
    pairs = np.concatenate([inputs, labels], axis=1)
    digests = b"".join(hashlib.blake2b(pair, digest_size=8).digest() for pair in pairs)
    return np.frombuffer(digests, "<u8").astype(np.uint64)
