"""Puzzle files of columns `source,question,answer,rating`, read in a stream without row loops.

One row is one puzzle; `question` and `answer` have one character a cell, row by row of the
grid. Values are never stripped: the spaces at the ends of a maze are cells.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.csv_files.lines import line_number, lines, opened
from puzzle_datasets.storage.schema import PAD, Integers, Mask, Tokens

COLUMNS = ("source", "question", "answer", "rating")
BLOCK_BYTES = 1 << 20
_HEADER = -1

AS_UTF8 = "save the file as UTF-8"

LARGEST_RATING = float(np.finfo(np.float32).max)
"""Ratings are stored as float32."""


def line_error(file: Path, row: int, problem: str, remedy: str) -> DatasetError:
    """Return the error of a row; its value is the number of the row's line."""
    line = line_number(file, row)
    return DatasetError.of(file, f"has a fault in line {line}: {problem}", remedy, line)


def no_rows(file: Path) -> DatasetError:
    """Return the error of a file that ends with its header."""
    return DatasetError.of(file, "has no row below its header", "give at least one puzzle")


def read_blocks(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield blocks of some columns, as bytes, each with the number of its first row.

    Raises `DatasetError` if the file can't be read, or lacks a column, a row or a value of a row.
    """
    first = 0
    try:
        _check_header(file)
        with (
            opened(file) as stream,
            pa_csv.open_csv(
                stream,
                # One thread: with more, a refused row has no number.
                read_options=pa_csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
                parse_options=pa_csv.ParseOptions(ignore_empty_lines=True),
                convert_options=pa_csv.ConvertOptions(
                    include_columns=columns, column_types=dict.fromkeys(columns, pa.binary())
                ),
            ) as reader,
        ):
            for batch in reader:
                yield first, batch
                first += len(batch)
    except (OSError, EOFError) as error:
        problem = f"can't be read ({getattr(error, 'strerror', None) or error})"
        raise DatasetError.of(file, problem, "give a CSV file that can") from error
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise _parse_fault(file) from error


def _check_header(file: Path) -> None:
    found = lines(file)
    line, more = next(found, b""), next(found, None)
    try:
        names = _values(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise line_error(file, _HEADER, "it is not UTF-8", AS_UTF8) from error
    for column in COLUMNS:
        if names.count(column) != 1:
            problem = f"there are {names.count(column)} columns {column!r}"
            raise line_error(file, _HEADER, problem, f"have the header {','.join(COLUMNS)}")
    if more is None:
        raise no_rows(file)


def _values(line: str) -> list[str]:
    """Return the values of a line; none of a line with a value beyond all bounds."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def _parse_fault(file: Path) -> DatasetError:
    """Return what is wrong with the first line that can't be parsed."""
    expected = 0
    for row, line in enumerate(lines(file), _HEADER):
        if line.count(b'"') % 2:
            return line_error(file, row, "a quote is left open", "close it")
        actual = len(_values(line.decode("latin-1")))
        expected = expected or actual
        if actual != expected:
            problem = f"there are {actual} values where the header has {expected}"
            remedy = "mend the line, or get the file again if it is cut short"
            return line_error(file, row, problem, remedy)
    return DatasetError.of(file, "can't be parsed", "get the file again")


@dataclass(frozen=True, kw_only=True)
class GridText:
    """The alphabet and size of the grids of a kind of puzzle.

    `question` and `answer` have the token of each character that one may hold; `remedy` says what
    to do about a grid that does not have `cells` characters.
    """

    question: Mapping[str, int]
    answer: Mapping[str, int]
    cells: int
    remedy: str


@dataclass(frozen=True, kw_only=True)
class CsvRows:
    """Some rows of a file, in its order: their numbers [n], sources [n], and tokens [n, L]."""

    row: Integers
    source: pa.Array
    inputs: Tokens
    labels: Tokens

    def take(self, mask: Mask) -> "CsvRows":
        """Return the rows where `mask` bool [n] holds."""
        if mask.all():
            return self
        return CsvRows(
            row=self.row[mask],
            source=self.source.filter(pa.array(mask)),
            inputs=self.inputs[mask],
            labels=self.labels[mask],
        )


def read_ratings(file: Path) -> npt.NDArray[np.float64]:
    """Return each row's rating, float64 [rows]; `DatasetError` as `read_blocks`, or for others."""
    parts = [
        _numbers(batch.column(0), file, first) for first, batch in read_blocks(file, ["rating"])
    ]
    if not parts:
        raise no_rows(file)
    return np.concatenate(parts)


def read_rows(file: Path, text: GridText, chosen: Mask) -> Iterator[CsvRows]:
    """Yield rows where `chosen` bool [rows] holds; `DatasetError` if a grid has another size."""
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
    """Return the question of the first row, from which the size of the grids can be told."""
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
        text = values[int(wrong[0])].as_py().decode(errors="replace")
        problem = f"rating {text!r} is no number up to {LARGEST_RATING:.2g}"
        raise line_error(file, first + int(wrong[0]), problem, "give a finite one")
    return np.asarray(numbers, np.float64)


def _number(value: bytes) -> float:
    try:
        return float(value)
    except ValueError:
        return np.nan


def _strings(values: pa.Array, file: Path, row: Integers) -> pa.Array:
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid as error:
        lines = (n for n, v in enumerate(values.to_pylist()) if "�" in v.decode(errors="replace"))
        raise line_error(file, int(row[next(lines)]), "source is not UTF-8", AS_UTF8) from error


def _tokens(values: pa.Array, column: str, text: GridText, file: Path, row: Integers) -> Tokens:
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
