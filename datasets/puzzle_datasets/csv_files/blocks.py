"""CSV files in blocks of rows, and refusals that name a row's line.

Rows count from 0, the lines that refusals name from 1, with the header as line 1.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from puzzle_datasets.storage.schema import DatasetError

COLUMNS = ("source", "question", "answer", "rating")
BLOCK_BYTES = 1 << 20
FIRST_LINE = 2


def fault(file: Path, row: int, sentence: str) -> DatasetError:
    """Return the refusal of a row."""
    return DatasetError(f"{file}, line {row + FIRST_LINE}: {sentence}")


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
        raise DatasetError(
            f"{file} can't be read ({error.strerror or error}); give a CSV file that can"
        ) from error
    except pa.ArrowInvalid as error:
        raise _parse_fault(file, refused, error) from error


def _check_header(file: Path) -> None:
    with file.open("rb") as stream:
        line, more = stream.readline(), stream.read(1)
    try:
        names = next(csv.reader([line.decode("utf-8-sig")]), [])
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file}, line 1: is not UTF-8; save the file as UTF-8") from error
    for column in COLUMNS:
        if names.count(column) != 1:
            raise DatasetError(
                f"{file}, line 1: has {names.count(column)} columns {column!r}; "
                f"its header has to be {','.join(COLUMNS)}"
            )
    if not more:
        raise DatasetError(f"{file} has no row below its header; give at least one puzzle")


def _parse_fault(file: Path, refused: Sequence[Any], error: pa.ArrowInvalid) -> DatasetError:
    with file.open("rb") as stream:
        quotes = (n for n, line in enumerate(stream, 1) if line.count(b'"') % 2)
        line = next(quotes, None)
    if line is not None:
        return DatasetError(f"{file}, line {line}: a quote is left open; close it")
    if refused:
        row = refused[0]
        return DatasetError(
            f"{file}, line {row.number}: has {row.actual_columns} values, the header "
            f"{row.expected_columns}; is the file cut short? Get it again or mend the line"
        )
    return DatasetError(f"{file} can't be parsed ({error}); get the file again")
