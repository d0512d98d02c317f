"""CSV files in blocks of rows, and refusals that name a row's line.

Rows count from 0, the lines that refusals name from 1, with the header as line 1.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from puzzle_datasets.common.errors import DatasetError

COLUMNS = ("source", "question", "answer", "rating")
BLOCK_BYTES = 1 << 20
FIRST_LINE = 2
_HEADER = -1


AS_UTF8 = "save the file as UTF-8"


def line_error(file: Path, row: int, problem: str, remedy: str) -> DatasetError:
    """Return the error of a row; its value is the number of the row's line."""
    line = row + FIRST_LINE
    return DatasetError.of_file(file, f"has a fault in line {line}: {problem}", remedy, line)


def no_rows(file: Path) -> DatasetError:
    """Return the error of a file that ends with its header."""
    return DatasetError.of_file(file, "has no row below its header", "give at least one puzzle")


def read_blocks(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield blocks of some columns, as bytes, each with the number of its first row.

    Raises:
        DatasetError: the file can't be read, lacks a column or a row, or has a row that is no row
            of its columns.
    """
    refused: list[Any] = []

    def refuse(row: Any) -> str:
        refused.append(row)
        return "error"

    first = 0
    try:
        _check_header(file)
        with pa_csv.open_csv(
            file,
            # One thread: with more, a refused row has no number.
            read_options=pa_csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
            parse_options=pa_csv.ParseOptions(
                ignore_empty_lines=False, invalid_row_handler=refuse
            ),
            convert_options=pa_csv.ConvertOptions(
                include_columns=columns, column_types=dict.fromkeys(columns, pa.binary())
            ),
        ) as reader:
            for batch in reader:
                yield first, batch
                first += len(batch)
    except OSError as error:
        problem = f"can't be read ({error.strerror or error})"
        raise DatasetError.of_file(file, problem, "give a CSV file that can") from error
    except pa.ArrowInvalid as error:
        raise _parse_fault(file, refused, error) from error


def _check_header(file: Path) -> None:
    with file.open("rb") as stream:
        line, more = stream.readline(), stream.read(1)
    try:
        names = next(csv.reader([line.decode("utf-8-sig")]), [])
    except UnicodeDecodeError as error:
        raise line_error(file, _HEADER, "it is not UTF-8", AS_UTF8) from error
    for column in COLUMNS:
        if names.count(column) != 1:
            problem = f"there are {names.count(column)} columns {column!r}"
            raise line_error(file, _HEADER, problem, f"have the header {','.join(COLUMNS)}")
    if not more:
        raise no_rows(file)


def _parse_fault(file: Path, refused: Sequence[Any], error: pa.ArrowInvalid) -> DatasetError:
    with file.open("rb") as stream:
        quotes = (n for n, line in enumerate(stream, 1) if line.count(b'"') % 2)
        line = next(quotes, None)
    if line is not None:
        return line_error(file, line - FIRST_LINE, "a quote is left open", "close it")
    if refused:
        row = refused[0]
        return line_error(
            file,
            row.number - FIRST_LINE,
            f"there are {row.actual_columns} values where the header has {row.expected_columns}",
            "mend the line, or get the file again if it is cut short",
        )
    return DatasetError.of_file(file, f"can't be parsed ({error})", "get the file again")
