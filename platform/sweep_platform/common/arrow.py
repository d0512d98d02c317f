"""Rows as Arrow tables, and tables in CSV and Parquet files."""

import io
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import csv, parquet

Tables = Iterable[pa.Table]
"""Pieces of one table, with the same columns; at least one."""


def arrow_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """A table of rows; a column is there if any row has it. Mixed kinds become text.

    FLOPs are floats in every table, as no column of whole numbers holds all of them.

    >>> arrow_table([{"a": 1}, {"a": "x", "b": 2.0}]).to_pylist()
    [{'a': '1', 'b': None}, {'a': 'x', 'b': 2.0}]
    >>> arrow_table([{"a": 2**64}, {"a": 0.5}]).to_pylist()
    [{'a': 1.8446744073709552e+19}, {'a': 0.5}]
    """
    listed = list(rows)
    names = list(dict.fromkeys(name for row in listed for name in row))
    return pa.table({name: _column(name, [row.get(name) for row in listed]) for name in names})


def _column(name: str, values: list[Any]) -> pa.Array:
    numbers = all(value is None or type(value) in (int, float) for value in values)
    try:
        return pa.array(values, pa.float64() if numbers and "flops" in name else None)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        if numbers:
            return pa.array([None if value is None else float(value) for value in values])
        return pa.array([None if value is None else str(value) for value in values])


def as_csv(table: pa.Table) -> bytes:
    """The content of a table's CSV file."""
    stream = io.BytesIO()
    write_csv([table], stream)
    return stream.getvalue()


def as_parquet(table: pa.Table) -> bytes:
    """The content of a table's Parquet file."""
    stream = io.BytesIO()
    write_parquet([table], stream)
    return stream.getvalue()


def write_csv(tables: Tables, stream: BinaryIO) -> None:
    """Write a line of names, then one for each row; an empty cell is null."""
    _write(tables, csv.CSVWriter, stream)


def write_parquet(tables: Tables, stream: BinaryIO) -> None:
    """Write all rows as Parquet."""
    _write(tables, parquet.ParquetWriter, stream)


def _write(tables: Tables, form: Any, stream: BinaryIO) -> None:
    pieces = iter(tables)
    first = next(pieces)
    with form(stream, first.schema) as writer:
        for table in chain([first], pieces):
            writer.write_table(table)
