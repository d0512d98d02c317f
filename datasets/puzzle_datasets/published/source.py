"""Puzzle sets in the published npy layout, imported as they are.

A published checkpoint is worth nothing without the very identifiers that it was trained with, so
that pairs, puzzles, groups and identifiers stay what they are and are served as stored.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from pathlib import Path

import numpy as np

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.options import check as check_settings
from puzzle_datasets.common.options import option, require
from puzzle_datasets.kinds.kind import Kind, PuzzleSet, kind_named, kind_names
from puzzle_datasets.published.folder import PublishedSplit, read_split
from puzzle_datasets.published.groups import Splits, number_on, number_tasks, table_of_identities
from puzzle_datasets.published.layout import SIZES, fault, parse_names, read_metadata, read_names
from puzzle_datasets.storage.schema import (
    GROUP_FILE,
    IDENTITY_FILE,
    IMPORTED,
    SPLITS,
    Hashes,
    Integers,
    Manifest,
    Split,
    Tokens,
)
from puzzle_datasets.storage.writer import Rows, SetWriter, group_table

AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class OfficialSettings:
    """The published folder to import, and the kind; `DatasetError` if a value is impossible."""

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
        return read_metadata(Path(self.folder) / "train").vocab_size

    @property
    def seq_len(self) -> int:
        """Tokens of one grid, read from the folder."""
        return read_metadata(Path(self.folder) / "train").seq_len


def most_identifiers(settings: OfficialSettings) -> int:
    """Return the folder's puzzle identifiers, the blank one too, or raise `DatasetError`."""
    return read_metadata(Path(settings.folder) / "train").num_puzzle_identifiers


def build(settings: OfficialSettings, writer: SetWriter) -> Manifest:
    """Write the set that a published folder holds; `DatasetError` if it is damaged."""
    splits, names, kind = _read(settings)
    numbers = number_on(splits)
    if kind.identified:
        identities = parse_names(names)
        numbers, tasks = number_tasks(splits, identities)
        table = table_of_identities(splits, names, identities, numbers, tasks)
        writer.write_table(IDENTITY_FILE, table)
        writer.write_table(GROUP_FILE, group_table(tasks))
    overlap = _Overlap(kind, splits["train"].side)
    for split in SPLITS:
        writer.write_split(split, _rows(kind, splits, split, numbers[split], overlap))
    puzzles = {f"{split}_puzzles": len(splits[split].puzzle_sizes) for split in SPLITS}
    card = kind.card(
        IMPORTED,
        settings,
        source="a folder in the published npy layout, imported as it is",
        licence="that of the folder",
        groups=1 + max(int(ones.max()) for ones in numbers.values()),
        statistics={**puzzles, **overlap.statistics()},
        identities=splits["train"].metadata.num_puzzle_identifiers - 1,
    )
    return writer.finish(card)


OFFICIAL = PuzzleSet(
    summary="a folder in the layout that the published training scripts read",
    settings=OfficialSettings,
    build=build,
    quick_check=lambda settings: _read(settings),
    most_identifiers=most_identifiers,
)


def _read(settings: OfficialSettings) -> tuple[Splits, list[str], Kind]:
    """Return the folder's splits, whose tokens are still on disk, the names, and the kind."""
    folder = Path(settings.folder)
    splits = {split: read_split(folder, split) for split in SPLITS}
    train, test = (splits[split].metadata for split in SPLITS)
    for key in SIZES:
        value, other = getattr(test, key), getattr(train, key)
        if other != value:
            problem, remedy = (
                f"has {key} {value} but train has {other}",
                "take both from one build",
            )
            raise DatasetError.of(splits["test"].folder, problem, remedy, value)
    puzzles = sum(len(content.puzzle_identifiers) for content in splits.values())
    names = read_names(folder, train.num_puzzle_identifiers, puzzles)
    return splits, names, _find_kind(splits["train"], settings.kind)


def _find_kind(split: PublishedSplit, wanted: str) -> Kind:
    """Return the kind that is asked for, or the one that fits the split.

    Where several fit (a 4×4 Sudoku and a maze have 6 tokens each), the first that recognises a
    label is taken, or else the last. Raises `DatasetError` if none fits.
    """
    sizes = split.metadata
    names = kind_names() if wanted == AUTO else [wanted]
    fitting = [
        kind
        for kind in map(kind_named, names)
        if split.side and kind.fits(sizes.vocab_size, split.side, sizes.num_puzzle_identifiers)
    ]
    if not fitting:
        has = ", ".join(f"{key} {getattr(sizes, key)}" for key in SIZES)
        problem, remedy = f"is {wanted}, but {split.folder} has {has}", "check kind and folder"
        raise DatasetError.of("kind", problem, remedy, wanted, also=("folder",))
    if len(fitting) == 1:
        return fitting[0]
    label = next(split.chunks())[2][0]
    return next((kind for kind in fitting if kind.recognises(label)), fitting[-1])


def _rows(
    kind: Kind, splits: Splits, split: Split, numbers: Integers, overlap: "_Overlap"
) -> Iterator[Rows]:
    """Yield the pairs of a split; have `overlap` take note of them."""
    content = splits[split]
    puzzle = np.repeat(np.arange(len(content.puzzle_sizes)), content.puzzle_sizes)
    group = np.repeat(numbers, content.group_sizes)[puzzle]
    identifier = content.puzzle_identifiers[puzzle]
    example = np.arange(len(puzzle)) - content.puzzle_starts[puzzle]
    if split == "test":  # its pairs are counted on from those of train under their identifier
        train = splits["train"]
        counts = np.zeros(train.metadata.num_puzzle_identifiers, np.int64)
        counts[train.puzzle_identifiers] = train.puzzle_sizes
        example += counts[identifier]
    for first, inputs, labels in content.chunks():
        overlap.add(split, inputs, labels)
        run = slice(first, first + len(inputs))
        counted = {"example": example[run].astype(np.int16)} if kind.identified else {}

        def refuse(row: int, clause: str, first: int = first) -> DatasetError:
            example = first + row
            problem = f"has a fault in example {example} (from 0): {clause}"
            return fault(content.folder, problem, example)

        measured = kind.measure(inputs, labels, (content.side, content.side), refuse)
        yield Rows(
            inputs=inputs,
            labels=labels,
            group=group[run].astype(np.int32),
            puzzle=puzzle[run].astype(np.int32),
            puzzle_identifier=identifier[run].astype(np.int32),
            details={**counted, **measured},
        )


class _Overlap:
    """Counts test pairs that are training pairs too, holding eight or sixteen bytes of each."""

    def __init__(self, kind: Kind, side: int) -> None:
        self._invariant, self._grid = kind.invariant, (side, side)
        self._hashes: defaultdict[tuple[str, Split], list[Hashes]] = defaultdict(list)

    def add(self, split: Split, inputs: Tokens, labels: Tokens) -> None:
        """Take note of pairs of tokens [n, L]."""
        pairs = np.concatenate([inputs, labels], axis=1)
        digests = b"".join(hashlib.blake2b(pair, digest_size=8).digest() for pair in pairs)
        self._hashes["", split].append(np.frombuffer(digests, "<u8").astype(np.uint64))
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
