"""Parquet shards: write arrays to them, read them back, and prove that a folder is whole."""

import hashlib
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from puzzle_datasets.schema import MANIFEST_FILE, DatasetError, Manifest

ROW_GROUP = 8192


def shard_file(split: str) -> str:
    """Return the name of the shard of ``train`` or ``test``."""
    return f"{split}-00000.parquet"


def bytes_column(rows: npt.NDArray[np.uint8]) -> pa.Array:
    """Return uint8 [n, width] as a column of byte strings: 10 times faster to read than lists."""
    count, width = rows.shape
    values = pa.py_buffer(np.ascontiguousarray(rows).tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), count, [None, values])


def read_bytes_column(table: pa.Table, column: str) -> npt.NDArray[np.uint8]:
    """Return a column of byte strings as a writable uint8 [n, width]."""
    values = table.column(column).combine_chunks()
    width = values.type.byte_width
    flat = np.frombuffer(values.buffers()[1], np.uint8, len(values) * width, values.offset * width)
    return flat.reshape(len(values), width).copy()


def write_shard(table: pa.Table, file: Path) -> None:
    """Write one shard durably; equal tables give equal bytes."""
    is_bytes = {field.name: pa.types.is_fixed_size_binary(field.type) for field in table.schema}
    pq.write_table(
        table,
        file,
        row_group_size=ROW_GROUP,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name, flag in is_bytes.items() if not flag],
        write_statistics=[name for name, flag in is_bytes.items() if not flag],
    )
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write ``manifest.json`` durably."""
    with (folder / MANIFEST_FILE).open("w", encoding="utf-8") as stream:
        stream.write(manifest.to_json())
        stream.flush()
        os.fsync(stream.fileno())


def file_hash(file: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def verify(folder: Path) -> Manifest:
    """Return the manifest of a folder whose every file is as the manifest says.

    Raises:
        DatasetError: a file is missing, can't be read or differs from its hash.
    """
    remedy = f"delete {folder} and prepare the set again"
    file = folder / MANIFEST_FILE
    manifest = Manifest.from_json(_read_text(file, remedy), file)
    for name, expected in manifest.files.items():
        try:
            actual = file_hash(folder / name)
        except OSError as error:
            raise DatasetError(f"{folder / name} can't be read ({error}); {remedy}") from error
        if actual != expected:
            raise DatasetError(f"{folder / name} is damaged (its hash has changed); {remedy}")
    return manifest


def _read_text(file: Path, remedy: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file} can't be read ({error}); {remedy}") from error
