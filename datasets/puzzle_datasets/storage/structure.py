"""What holds for the files of a set before their rows are read: names, columns, types, counts."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.storage.forms import Form
from puzzle_datasets.storage.schema import (
    ARC_COLOURS,
    GROUP_FILE,
    IDENTITY_FILE,
    MANIFEST_FILE,
    Manifest,
    Split,
)
from puzzle_datasets.storage.shards import ROW_GROUP, unreadable

MOST_UNPACKED = 1_000
"""Bytes of rows for each byte of a shard, above `SMALL`: more is no puzzle, but a trap."""
SMALL = 50_000_000
LONGEST_NAME = 100
"""Bytes of a name in the tables beside the shards, on average."""

_NUMBERS = {name: pa.int32() for name in ("group", "puzzle", "puzzle_identifier")}
_OPTIONAL = {"rating": pa.float32()}
_TABLES = {
    GROUP_FILE: {"group": pa.int32(), "name": pa.string()},
    IDENTITY_FILE: {
        "identifier": pa.int32(),
        "group": pa.int32(),
        "dihedral": pa.int8(),
        "colours": pa.binary(ARC_COLOURS),
    },
}
_COUNTED = {GROUP_FILE: ("groups", 0), IDENTITY_FILE: ("identities", 1)}
"""What the rows of a table are, and the number of the first, which its first column has."""


def require_kind(folder: Path, manifest: Manifest, form: Form, remedy: str) -> None:
    """Raise `DatasetError` if the manifest contradicts its kind, or the settings in it."""
    file = folder / MANIFEST_FILE
    if manifest.box != form.box(manifest.grid[0]):
        rows_by_columns = "{} by {}".format(*manifest.grid)
        fault = f"says box {manifest.box} of a {manifest.kind} grid of {rows_by_columns}"
        raise DatasetError.of(file, fault, remedy, manifest.box)
    tables = manifest.files.keys() & {IDENTITY_FILE, GROUP_FILE}
    if len(tables) != (2 if form.identified else 0):
        fault = "names other files than shards and the tables of its kind"
        raise DatasetError.of(file, fault, remedy)
    if (contradiction := form.contradiction(manifest)) is not None:
        raise DatasetError.of(file, contradiction, remedy)


def require_columns(
    folder: Path,
    manifest: Manifest,
    split: Split,
    columns: Mapping[str, pa.DataType],
    remedy: str,
) -> None:
    """Raise `DatasetError` unless a split's shards have the common columns and these of its kind.

    There may be none but those and ratings: a column's name becomes that of a file. Also proves
    that the rows are as many as the manifest counts, before anything of that size is made.
    """
    tokens = pa.binary(manifest.seq_len)
    expected = {"inputs": tokens, "labels": tokens, **_NUMBERS, **columns}
    rows = 0
    for name in manifest.shards(split):
        file = folder / name
        with unreadable(file, remedy):
            metadata = pq.read_metadata(file)
            schema = metadata.schema.to_arrow_schema()
        if (fault := _fault_of_schema(schema, expected, _OPTIONAL)) is not None:
            raise DatasetError.of(file, fault, remedy)
        all_of_row, tokens_of_row = sum(map(_width, schema.types)), 2 * manifest.seq_len
        for what, width in (("tokens", tokens_of_row), ("numbers", all_of_row - tokens_of_row)):
            unpacked = width * metadata.num_rows
            if unpacked > SMALL + MOST_UNPACKED * file.stat().st_size:
                fault = f"would unpack to {unpacked:,} bytes of {what}"
                raise DatasetError.of(file, fault, remedy)
        rows += metadata.num_rows
    promised = manifest.counts[f"{split}_pairs"]
    if rows != promised:
        fault = f"promises {promised} {split} pairs, not {rows}"
        raise DatasetError.of(folder / MANIFEST_FILE, fault, remedy, rows)


def read_group_names(folder: Path, manifest: Manifest, remedy: str) -> list[str]:
    """Return the name of each group, none where the set names none.

    Raises `DatasetError` where the table is another.
    """
    if GROUP_FILE not in manifest.files:
        return []
    names: list[str] = numbered_table(folder, manifest, GROUP_FILE, remedy)["name"].to_pylist()
    return names


def numbered_table(folder: Path, manifest: Manifest, file: str, remedy: str) -> pa.Table:
    """Return a table beside the splits, whose rows are numbered and as many as counted.

    Raises `DatasetError` if it is no Parquet file, or another table.
    """
    path = folder / file
    with unreadable(path, remedy), pq.ParquetFile(path) as parquet:
        fault = _fault_of_header(parquet, manifest, file, path.stat().st_size)
        if fault is None:
            table = _read_in_bounds(parquet)
            fault = "holds texts too long for names" if table is None else _fault(table, file)
    if fault is not None:
        raise DatasetError.of(path, fault, remedy)
    return table


def _fault_of_header(
    parquet: pq.ParquetFile, manifest: Manifest, file: str, size: int
) -> str | None:
    """What is wrong with a table by what it says of itself, before any row of it is read."""
    optional = {"name": pa.string()}
    fault = _fault_of_schema(parquet.schema_arrow, _TABLES[file], optional)
    rows, count = parquet.metadata.num_rows, manifest.counts[_COUNTED[file][0]]
    if fault is None and rows != count:
        return f"has {rows} rows, not {count} as the manifest says"
    unpacked = rows * sum(map(_width, parquet.schema_arrow.types))
    if fault is None and unpacked > SMALL + MOST_UNPACKED * size:
        return f"would unpack to {unpacked:,} bytes"
    return fault


def _width(kind: pa.DataType) -> int:
    return LONGEST_NAME if pa.types.is_string(kind) else int(kind.byte_width)


def _read_in_bounds(parquet: pq.ParquetFile) -> pa.Table | None:
    """The rows; None where their texts are longer than names, which a small file may have many of.

    A piece has so few rows that it is small even if each holds all that its column does.
    """
    metadata = parquet.metadata
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    largest = max((group.total_byte_size for group in groups), default=0)
    pieces: list[pa.RecordBatch] = []
    left = SMALL + metadata.num_rows * sum(map(_width, parquet.schema_arrow.types))
    for piece in parquet.iter_batches(max(1, min(ROW_GROUP, SMALL // max(largest, 1)))):
        left -= piece.nbytes
        if left < 0:
            return None
        pieces.append(piece)
    table = pa.Table.from_batches(pieces, parquet.schema_arrow)
    table.validate(full=True)  # Arrow believes texts to be UTF-8 until it looks
    return table


def _fault(table: pa.Table, file: str) -> str | None:
    first, number = _COUNTED[file][1], next(iter(_TABLES[file]))
    if any(column.null_count for column in table.columns):
        return "lacks values in some rows"
    if not np.array_equal(table[number].to_numpy(), np.arange(first, first + len(table))):
        return f"does not count {number} from {first} row by row"
    return None


def _fault_of_schema(
    schema: pa.Schema,
    expected: Mapping[str, pa.DataType],
    optional: Mapping[str, pa.DataType],
) -> str | None:
    actual = dict(zip(schema.names, schema.types, strict=True))
    if len(actual) != len(schema.names):
        return "has two columns of one name"
    for name, wanted in expected.items():
        if name not in actual:
            return f"lacks the column {name}"
        if actual[name] != wanted:
            return f"has {name} as {actual[name]}, not {wanted}"
    for name in actual:
        if name not in expected and actual[name] != optional.get(name):
            return f"has a column {name!r:.80}, which its kind does not"
    return None
