"""Parquet shards: write arrays to them, read them back, and prove that a folder is whole."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from puzzle_datasets.common.arguments import checked
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import sync
from puzzle_datasets.common.reading import ANY_SIZE, Reader, path_from
from puzzle_datasets.storage.schema import MANIFEST_FILE, Manifest, Split

ROW_GROUP = 8192
GROUPS_PER_SHARD = 16
_READ_ROWS, _READ_BYTES = 8 * ROW_GROUP, 1 << 26
"""Most rows read at a time, and about the most bytes of one column of them."""

Columns = dict[str, npt.NDArray[Any]]


def shard_file(split: Split, number: int = 0) -> str:
    """Return the name of a shard of `train` or `test`."""
    return f"{split}-{number:05d}.parquet"


def bytes_column(rows: npt.NDArray[np.uint8]) -> pa.Array:
    """Return uint8 [n, width] as a column of byte strings: 10 times faster to read than lists."""
    count, width = rows.shape
    values = pa.py_buffer(np.ascontiguousarray(rows))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), count, [None, values])


def read_bytes_column(table: pa.Table, column: str) -> npt.NDArray[np.uint8]:
    """Return a column of byte strings as a writable uint8 [n, width]."""
    return _bytes(table.column(column).combine_chunks()).copy()


def to_table(columns: Columns) -> pa.Table:
    """Return columns as a table: arrays of rank 2 as byte strings, of rank 1 as they are."""
    return pa.table(
        {
            name: bytes_column(values) if values.ndim == 2 else pa.array(values)
            for name, values in columns.items()
        }
    )


def to_columns(batch: pa.RecordBatch) -> Columns:
    """Return a batch's columns as read-only arrays, the reverse of `to_table`."""
    return {
        name: _bytes(values)
        if pa.types.is_fixed_size_binary(values.type)
        else values.to_numpy(zero_copy_only=False)
        for name, values in zip(batch.schema.names, batch.columns, strict=True)
    }


def joined(parts: Sequence[Columns]) -> Columns:
    """Return the columns of several runs of rows as those of one."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def read_rows(file: Path) -> Iterator[Columns]:
    """Yield a shard's columns, some row groups at a time; `DatasetError` if it can't be read."""
    again = "build the set again"
    with unreadable(file, again), pq.ParquetFile(file, memory_map=True) as parquet:
        widths = [
            t.byte_width for t in parquet.schema_arrow.types if pa.types.is_fixed_size_binary(t)
        ]
        rows = max(1, min(_READ_ROWS, _READ_BYTES // max(widths, default=1)))
        for batch in parquet.iter_batches(rows):
            if any(column.null_count for column in batch.columns):
                raise DatasetError.of(file, "lacks values in some rows", again)
            yield to_columns(batch)


@contextmanager
def unreadable(file: Path, remedy: str) -> Iterator[None]:
    """Raise `DatasetError` where a file can't be read, or is not what it is read as."""
    try:
        yield
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())  # Arrow's has lines
        raise DatasetError.of(file, f"can't be read ({reason})", remedy) from error


def write_shard(table: pa.Table, file: Path) -> None:
    """Write one shard durably; equal tables give equal bytes."""
    with open_shard(table.schema, file) as writer:
        writer.write_table(table, ROW_GROUP)
    sync(file)


def open_shard(schema: pa.Schema, file: Path) -> pq.ParquetWriter:
    """Return a writer of row groups; what it leaves is whole once it is closed."""
    others = [f.name for f in schema if not pa.types.is_fixed_size_binary(f.type)]
    # Numbers of rows and groups ascend and names begin alike: differences are the smallest.
    encodings = {
        field.name: "DELTA_BINARY_PACKED" if pa.types.is_int32(field.type) else "DELTA_BYTE_ARRAY"
        for field in schema
        if pa.types.is_int32(field.type) or pa.types.is_string(field.type)
    }
    return pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in others if name not in encodings],
        column_encoding=encodings,
        write_statistics=others,
    )


def file_hash(file: Path, remedy: str = "restore it") -> str:
    """Return the SHA-256 of a file as hex digits. Raises `DatasetError` if it can't be read."""
    with Reader(file, DatasetError, remedy, most=ANY_SIZE).opened() as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@checked(DatasetError)
def read_manifest(folder: Path | str) -> Manifest:
    """Return a folder's manifest, the other files unseen; `DatasetError` if none can be used."""
    folder = path_from("folder", folder, DatasetError)
    file = folder / MANIFEST_FILE
    if not file.exists():
        raise DatasetError.of(
            folder,
            f"is no puzzle set, for it has no {MANIFEST_FILE}",
            "name a folder that `python -m puzzle_datasets build` made",
        )
    text = Reader(file, DatasetError, rebuild(folder)).text()
    return Manifest.from_json(text, file)


def verify(folder: Path) -> Manifest:
    """Return a folder's manifest; raise `DatasetError` if a file is not as it says."""
    manifest = read_manifest(folder)
    for name, expected in manifest.files.items():
        with unreadable(folder / name, rebuild(folder)):
            actual = file_hash(folder / name, rebuild(folder))
        if actual != expected:
            problem = "is damaged (its hash has changed)"
            raise DatasetError.of(folder / name, problem, rebuild(folder), actual)
    return manifest


def rebuild(folder: Path) -> str:
    """Return the remedy for a set that is damaged."""
    return f"delete {folder} and build the set again"


def _bytes(values: pa.Array) -> npt.NDArray[np.uint8]:
    width = values.type.byte_width
    flat = np.frombuffer(values.buffers()[1], np.uint8, len(values) * width, values.offset * width)
    return flat.reshape(len(values), width)
