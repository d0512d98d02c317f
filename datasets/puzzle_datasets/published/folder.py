"""A split of a folder in the published layout, read piece by piece and checked."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.published.layout import (
    METADATA_FILE,
    REMEDY,
    Metadata,
    array_file,
    fault,
    read_metadata,
)
from puzzle_datasets.storage.arrays import open_array
from puzzle_datasets.storage.schema import BLANK_IDENTIFIER, Integers, Split, Tokens

_CHUNK = 8192
_DTYPES = ("uint8", "int32", "int64")


@dataclass(frozen=True, kw_only=True)
class PublishedSplit:
    """One split: its structure in memory, its tokens on disk; several sets of it are as if one.

    `puzzle_starts` int64 [P + 1] has the first example of each puzzle, and the examples' number;
    `group_starts` int64 [G + 1] the first puzzle of each group, and the puzzles' number.
    """

    folder: Path
    metadata: Metadata
    puzzle_identifiers: Integers
    puzzle_starts: Integers
    group_starts: Integers

    @property
    def puzzle_sizes(self) -> Integers:
        """Examples of each puzzle [P]."""
        return np.diff(self.puzzle_starts)

    @property
    def side(self) -> int:
        """Side of the square canvas, 0 if the tokens fill none."""
        side = math.isqrt(self.metadata.seq_len)
        return side if side**2 == self.metadata.seq_len else 0

    @property
    def group_sizes(self) -> Integers:
        """Puzzles of each group [G]."""
        return np.diff(self.group_starts)

    def chunks(self) -> Iterator[tuple[int, Tokens, Tokens]]:
        """Yield runs: the first example's number, inputs and labels [n, L]; tokens are checked."""
        first = 0
        for name in self.metadata.sets:
            files = [array_file(self.folder, name, part) for part in ("inputs", "labels")]
            for begin in range(0, len(_integers(files[0])), _CHUNK):
                inputs, labels = (_tokens(file, begin, self.metadata) for file in files)
                yield first, inputs, labels
                first += len(inputs)


def read_split(folder: Path, split: Split) -> PublishedSplit:
    """Return a split whose structure is sound, else `DatasetError`; tokens are checked as read."""
    metadata = read_metadata(folder / split)
    parts = [_read_structure(folder / split, name, metadata) for name in metadata.sets]
    identifiers, puzzle_starts, group_starts = zip(*parts, strict=True)
    found = PublishedSplit(
        folder=folder / split,
        metadata=metadata,
        puzzle_identifiers=np.concatenate(identifiers),
        puzzle_starts=_chained(puzzle_starts),
        group_starts=_chained(group_starts),
    )
    for key, total in metadata.totals.items():
        # Builders count puzzles in ways of their own, but each holds an example.
        if total > (examples := int(found.puzzle_starts[-1])):
            problem = f"has {key} {total}, but there are {examples} examples"
            raise fault(folder / split / METADATA_FILE, problem, total)
    return found


def _integers(file: Path) -> npt.NDArray[Any]:
    """Return an npy file's array, mapped into memory; `DatasetError` if it holds no integers."""
    array = open_array(file, REMEDY)
    if array.dtype.name not in _DTYPES:
        remedy = f"convert it to {', '.join(_DTYPES)}"
        raise DatasetError.of(file, f"holds {array.dtype}", remedy, array.dtype.name)
    return array


def _read_structure(
    folder: Path, name: str, metadata: Metadata
) -> tuple[Integers, Integers, Integers]:
    """Return identifiers [P], starts of puzzles [P + 1] and of groups [G + 1] of one set."""
    parts = ("puzzle_identifiers", "puzzle_indices", "group_indices")
    identifiers_file, puzzles_file, groups_file = (array_file(folder, name, p) for p in parts)
    examples = _count_examples(folder, name, metadata)
    identifiers = _read_integers(identifiers_file)
    puzzles, count = len(identifiers), metadata.num_puzzle_identifiers
    puzzle_starts = _read_starts(puzzles_file, "examples", examples)
    group_starts = _read_starts(groups_file, "puzzles", puzzles)
    if (entries := len(puzzle_starts)) != puzzles + 1:
        there = f"there are {puzzles} puzzle identifiers, which need {puzzles + 1}"
        raise fault(puzzles_file, f"has {entries} entries but {there}", entries)
    # The blank identifier is that of puzzles only where there is no other.
    wrong = (identifiers < min(BLANK_IDENTIFIER + 1, count - 1)) | (identifiers >= count)
    if wrong.any():
        index = int(wrong.argmax())
        found = int(identifiers[index])
        problem = f"has identifier {found} at index {index} but num_puzzle_identifiers is {count}"
        raise fault(identifiers_file, problem, found)
    return identifiers, puzzle_starts, group_starts


def _count_examples(folder: Path, name: str, metadata: Metadata) -> int:
    files = [array_file(folder, name, part) for part in ("inputs", "labels")]
    inputs, labels = (_integers(file).shape for file in files)
    if inputs != labels:
        raise fault(files[0], f"has shape {inputs} but labels have {labels}", inputs)
    if len(inputs) != 2 or inputs[1] != metadata.seq_len:
        problem = f"has shape {inputs} but {METADATA_FILE} has seq_len {metadata.seq_len}"
        raise fault(files[0], problem, inputs)
    if not inputs[0]:
        raise fault(files[0], "holds no examples")
    return int(inputs[0])


def _read_integers(file: Path) -> Integers:
    array = _integers(file)
    if array.ndim != 1:
        raise fault(file, f"has shape {array.shape} where a list is due", array.shape)
    return array.astype(np.int64)


def _read_starts(file: Path, things: str, count: int) -> Integers:
    """Return offsets that rise from 0 to `count`; an empty puzzle or group is refused too."""
    starts = _read_integers(file)
    if not len(starts) or starts[0] != 0:
        begin = starts[:1].tolist()
        raise fault(file, f"starts at {begin} instead of 0", begin)
    falls = np.diff(starts) <= 0
    if falls.any():
        at = int(falls.argmax()) + 1
        problem = f"has {starts[at]} at index {at} after {starts[at - 1]} where it has to ascend"
        raise fault(file, problem, int(starts[at]))
    if (end := int(starts[-1])) != count:
        raise fault(file, f"ends at {end} but there are {count} {things}", end)
    return starts


def _chained(parts: tuple[Integers, ...]) -> Integers:
    """Return the starts of several sets as those of one: each begins where the last one ends."""
    ends = np.cumsum([0, *(starts[-1] for starts in parts)])
    shifted = [starts[:-1] + end for starts, end in zip(parts, ends[:-1], strict=True)]
    return np.concatenate([*shifted, ends[-1:]])


def _tokens(file: Path, begin: int, metadata: Metadata) -> Tokens:
    # Mapped anew for each chunk, so that a large file does not stay in memory once it is read.
    chunk = _integers(file)[begin : begin + _CHUNK]
    if chunk.min() < 0 or chunk.max() >= metadata.vocab_size:
        row, position = np.argwhere((chunk < 0) | (chunk >= metadata.vocab_size))[0]
        token = int(chunk[row, position])
        place = f"in row {begin + row} (counted from 0) at position {position}"
        problem = f"has token {token} {place} but vocab_size is {metadata.vocab_size}"
        raise fault(file, problem, token)
    return chunk.astype(np.uint8)
