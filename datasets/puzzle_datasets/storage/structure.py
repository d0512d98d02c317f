"""What holds for the files of a set before their rows are read: names, columns, types, counts."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.storage.schema import (
    ARC_COLOURS,
    GROUP_FILE,
    IDENTITY_FILE,
    MANIFEST_FILE,
    Manifest,
    Split,
)
from puzzle_datasets.storage.shards import unreadable

MOST_UNPACKED = 1_000
"""Bytes of tokens for each byte of a shard, above `SMALL`: more is no puzzle, but a trap."""
SMALL = 50_000_000

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


def require_kind(
    folder: Path, manifest: Manifest, box: tuple[int, int] | None, identified: bool, remedy: str
) -> None:
    """Raise `DatasetError` if the manifest has another box than its kind, or other files."""
    file = folder / MANIFEST_FILE
    if manifest.box != box:
        rows_by_columns = "{} by {}".format(*manifest.grid)
        fault = f"says box {manifest.box} of a {manifest.kind} grid of {rows_by_columns}"
        raise DatasetError.of(file, fault, remedy, manifest.box)
    tables = manifest.files.keys() & {IDENTITY_FILE, GROUP_FILE}
    if len(tables) != (2 if identified else 0):
        fault = "names other files than shards and the tables of its kind"
        raise DatasetError.of(file, fault, remedy)


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
        if (fault := _fault_of_schema(schema, expected)) is not None:
            raise DatasetError.of(file, fault, remedy)
        unpacked = 2 * manifest.seq_len * metadata.num_rows
        if unpacked > SMALL + MOST_UNPACKED * file.stat().st_size:
            raise DatasetError.of(file, f"would unpack to {unpacked:,} bytes of tokens", remedy)
        rows += metadata.num_rows
    promised = manifest.counts[f"{split}_pairs"]
    if rows != promised:
        fault = f"promises {promised} {split} pairs, not {rows}"
        raise DatasetError.of(folder / MANIFEST_FILE, fault, remedy, rows)


def numbered_table(folder: Path, manifest: Manifest, file: str, remedy: str) -> pa.Table:
    """Return a table beside the splits, whose rows are numbered and as many as counted.

    Raises `DatasetError` if it is no Parquet file, or another table.
    """
    with unreadable(folder / file, remedy):
        table = pq.read_table(folder / file)
    if (fault := _fault_of_table(table, manifest, file)) is not None:
        raise DatasetError.of(folder / file, fault, remedy)
    return table


def _fault_of_table(table: pa.Table, manifest: Manifest, file: str) -> str | None:
    for name, kind in _TABLES[file].items():
        if name not in table.column_names or table.schema.field(name).type != kind:
            return f"has no column {name} of {kind}"
    things, first = _COUNTED[file]
    count, number = manifest.counts[things], next(iter(_TABLES[file]))
    if len(table) != count:
        return f"has {len(table)} rows, not {count} as the manifest says"
    if any(table[name].null_count for name in _TABLES[file]):
        return "lacks values in some rows"
    if not np.array_equal(table[number].to_numpy(), np.arange(first, first + count)):
        return f"does not count {number} from {first} row by row"
    return None


def _fault_of_schema(schema: pa.Schema, expected: Mapping[str, pa.DataType]) -> str | None:
    actual = dict(zip(schema.names, schema.types, strict=True))
    if len(actual) != len(schema.names):
        return "has two columns of one name"
    for name, wanted in expected.items():
        if name not in actual:
            return f"lacks the column {name}"
        if actual[name] != wanted:
            return f"has {name} as {actual[name]}, not {wanted}"
    for name in actual:
        if name not in expected and actual[name] != _OPTIONAL.get(name):
            return f"has a column {name!r:.80}, which its kind does not"
    return None
