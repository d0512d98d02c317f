"""Puzzle files of columns ``source,question,answer,rating``, read in a stream without row loops.

One row is one puzzle; ``question`` and ``answer`` have one character a cell, row by row of the
grid. Values are never stripped: the spaces at the ends of a maze are cells.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from puzzle_datasets.csv_files.blocks import AS_UTF8, line_error, no_rows, read_blocks
from puzzle_datasets.storage.schema import PAD

LARGEST_RATING = float(np.finfo(np.float32).max)
"""Ratings are stored as float32."""

Tokens = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class GridText:
    """How the grids of a kind of puzzle are written.

    Attributes:
        question: token of each character that a question may hold.
        answer: token of each character that an answer may hold.
        cells: characters of a grid.
        remedy: what to do about a grid of another length.
    """

    question: Mapping[str, int]
    answer: Mapping[str, int]
    cells: int
    remedy: str


@dataclass(frozen=True, kw_only=True)
class CsvRows:
    """Some rows of a file, in its order.

    ``row`` int64 [n], ``source`` strings [n], ``inputs`` and ``labels`` tokens uint8 [n, L].
    """

    row: npt.NDArray[np.int64]
    source: pa.Array
    inputs: Tokens
    labels: Tokens

    def take(self, mask: npt.NDArray[np.bool_]) -> "CsvRows":
        """Return the rows where ``mask`` bool [n] holds."""
        if mask.all():
            return self
        return CsvRows(
            row=self.row[mask],
            source=self.source.filter(pa.array(mask)),
            inputs=self.inputs[mask],
            labels=self.labels[mask],
        )


def read_ratings(file: Path) -> npt.NDArray[np.float64]:
    """Return the rating of every row, float64 [rows].

    Raises:
        DatasetError: the file can't be read, lacks a column or a row, has a row that is no row of
            its columns or a rating that is no number or too large.
    """
    parts = [
        _numbers(batch.column(0), file, first) for first, batch in read_blocks(file, ["rating"])
    ]
    if not parts:
        raise no_rows(file)
    return np.concatenate(parts)


def read_rows(file: Path, text: GridText, chosen: npt.NDArray[np.bool_]) -> Iterator[CsvRows]:
    """Yield the rows where ``chosen`` bool [rows] holds, some thousands at a time.

    Raises:
        DatasetError: as ``read_ratings``, or a chosen row is not UTF-8, has a grid of another
            length or an unknown character.
    """
    for first, batch in read_blocks(file, ["source", "question", "answer"]):
        here = chosen[first : first + len(batch)]
        row = first + np.flatnonzero(here)
        if len(row):
            kept = batch if here.all() else batch.filter(pa.array(here))
            yield CsvRows(
                row=row,
                source=_strings(kept.column("source"), file, row),
                inputs=_tokens(kept.column("question"), "question", text, file, row),
                labels=_tokens(kept.column("answer"), "answer", text, file, row),
            )


def first_question(file: Path) -> bytes:
    """Return the question of the first row, from which the size of the grids can be told.

    Raises:
        DatasetError: as ``read_ratings``.
    """
    for _, batch in read_blocks(file, ["question"]):
        question: bytes = batch.column(0)[0].as_py()
        return question
    raise no_rows(file)


def _numbers(values: pa.Array, file: Path, first: int) -> npt.NDArray[np.float64]:
    try:
        numbers = values.cast(pa.string()).cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        numbers = np.array([_number(value) for value in values.to_pylist()])
    wrong = np.flatnonzero(~(np.abs(numbers) <= LARGEST_RATING))
    if wrong.size:
        text = _shown(values[int(wrong[0])].as_py())
        problem = f"rating {text} is no number up to {LARGEST_RATING:.2g}"
        raise line_error(file, first + int(wrong[0]), problem, "give a finite one")
    return np.asarray(numbers, np.float64)


def _number(value: bytes) -> float:
    try:
        return float(value)
    except ValueError:
        return np.nan


def _strings(values: pa.Array, file: Path, row: npt.NDArray[np.int64]) -> pa.Array:
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid as error:
        lines = (n for n, v in enumerate(values.to_pylist()) if "�" in v.decode(errors="replace"))
        raise line_error(file, int(row[next(lines)]), "source is not UTF-8", AS_UTF8) from error


def _tokens(
    values: pa.Array, column: str, text: GridText, file: Path, row: npt.NDArray[np.int64]
) -> Tokens:
    """Return a column of grids as tokens uint8 [n, cells], through a table of all 256 bytes."""
    alphabet: Mapping[str, int] = getattr(text, column)
    table = np.full(256, PAD, np.uint8)
    table[[ord(character) for character in alphabet]] = list(alphabet.values())
    offsets = np.frombuffer(values.buffers()[1], np.int32)
    offsets = offsets[values.offset : values.offset + len(values) + 1]
    wrong = np.flatnonzero(np.diff(offsets) != text.cells)
    if not wrong.size:
        characters = np.frombuffer(values.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
        tokens: Tokens = table[characters].reshape(-1, text.cells)
        # No character means PAD, so that a PAD shows an unknown one.
        wrong = np.flatnonzero((tokens == PAD).any(1))
    if wrong.size:
        value: bytes = values[int(wrong[0])].as_py()
        problem, remedy = _grid_fault(value, alphabet, text)
        raise line_error(file, int(row[wrong[0]]), f"{column} {problem}", remedy)
    return tokens


def _grid_fault(value: bytes, alphabet: Mapping[str, int], text: GridText) -> tuple[str, str]:
    """Return what is wrong with a grid, and the remedy."""
    try:
        unknown = sorted(set(value.decode()) - set(alphabet))
    except UnicodeDecodeError:
        return "is not UTF-8", AS_UTF8
    if unknown:
        return f"has the unknown character {unknown[0]!r}", f"use only {''.join(alphabet)!r}"
    return f"has {len(value)} characters in place of {text.cells}", text.remedy


def _shown(value: bytes) -> str:
    return repr(value.decode(errors="replace"))
