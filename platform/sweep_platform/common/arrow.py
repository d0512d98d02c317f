"""Rows as Arrow tables, and tables as the bytes of CSV and Parquet files."""

import io
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
from pyarrow import csv, parquet


def arrow_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """A table of rows; a column is there if any row has it. Mixed kinds become text.

    >>> arrow_table([{"a": 1}, {"a": "x", "b": 2.0}]).to_pylist()
    [{'a': '1', 'b': None}, {'a': 'x', 'b': 2.0}]
    """
    listed = list(rows)
    names = list(dict.fromkeys(name for row in listed for name in row))
    return pa.table({name: _column([row.get(name) for row in listed]) for name in names})


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if value is None else str(value) for value in values])


def as_csv(table: pa.Table) -> bytes:
    """The content of a CSV file: a line of names, then one for each row; an empty cell is null."""
    stream = io.BytesIO()
    csv.write_csv(_plain(table), stream)
    return stream.getvalue()


def _plain(table: pa.Table) -> pa.Table:
    """The same with lists as text, which CSV has no other way to hold."""
    return pa.table(
        {
            name: _listed(column) if pa.types.is_list(column.type) else column
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
    )


def _listed(column: pa.ChunkedArray) -> pa.Array:
    each = (None if one is None else " ".join(map(str, one)) for one in column.to_pylist())
    return pa.array(list(each), pa.string())


def as_parquet(table: pa.Table) -> bytes:
    """The content of a Parquet file."""
    stream = io.BytesIO()
    parquet.write_table(table, stream)
    return stream.getvalue()
