"""One decoded copy of a puzzle set per host, which all processes share through the page cache.

Parquet has to be decompressed to be indexed. Doing so in every trial would cost each its own copy;
so the first reader writes the columns as plain arrays beside the set, and all map these.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import make_folder, sync
from puzzle_datasets.storage.schema import SPLITS, Manifest, Split
from puzzle_datasets.storage.shards import Columns, joined, read_rows, rebuild, shard_columns

FOLDER = ".decoded"


def decoded_columns(folder: Path, manifest: Manifest) -> dict[Split, Columns]:
    """Return every column of both splits as arrays that are mapped from disk, copied on write.

    The copy lies beside `folder` under the set's fingerprint, whole or not at all. Where nothing
    can be written, the columns are decoded into this process's own memory. Raises `DatasetError`
    if a shard is unreadable or disagrees with the manifest.
    """
    copy = folder.absolute().parent / FOLDER / manifest.fingerprint[:16]
    for _ in range(2):
        try:
            make_folder(copy, lambda partial: _decode(folder, manifest, partial))
        except OSError:
            break
        columns = {split: _mapped(copy / split) for split in SPLITS}
        if all(_is_whole(columns[split], folder, manifest, split) for split in SPLITS):
            return columns
        shutil.rmtree(copy, ignore_errors=True)
    return {split: joined(list(_rows(folder, manifest, split))) for split in SPLITS}


def _rows(folder: Path, manifest: Manifest, split: Split) -> Iterator[Columns]:
    """Yield a split's columns piece by piece; refuse at the end if their number is wrong."""
    promised, found = manifest.counts[f"{split}_pairs"], 0
    for name in manifest.shards(split):
        for columns in read_rows(folder / name):
            if columns["inputs"].shape[1] != manifest.seq_len:
                length = columns["inputs"].shape[1]
                problem = f"has grids of {length} tokens but the manifest says {manifest.seq_len}"
                raise DatasetError.of(folder / name, problem, rebuild(folder), length)
            found += len(columns["inputs"])
            yield columns
    if found != promised:
        problem = f"has {found} {split} pairs but its manifest says {promised}"
        raise DatasetError.of(folder, problem, rebuild(folder), found)


def _decode(folder: Path, manifest: Manifest, into: Path) -> None:
    for split in SPLITS:
        (into / split).mkdir()
        count = manifest.counts[f"{split}_pairs"]
        _write(_rows(folder, manifest, split), count, into / split)


def _write(pieces: Iterator[Columns], count: int, into: Path) -> None:
    """Append each column to a file of its own, of `count` rows in the end."""
    with ExitStack() as stack:
        streams: dict[str, Any] = {}
        for columns in pieces:
            for name, values in columns.items():
                if name not in streams:
                    file = into / f"{name}.npy"
                    streams[name] = stack.enter_context(file.open("wb"))
                    np.lib.format.write_array_header_1_0(streams[name], _header(values, count))
                streams[name].write(np.ascontiguousarray(values).data)
    for file in into.iterdir():
        sync(file)


def _header(like: npt.NDArray[Any], count: int) -> dict[str, Any]:
    return {
        "descr": np.lib.format.dtype_to_descr(like.dtype),
        "fortran_order": False,
        "shape": (count, *like.shape[1:]),
    }


def _mapped(folder: Path) -> Columns:
    """Return the arrays of a copy; those that are damaged are missing."""
    # Copy on write: PyTorch warns of arrays that can't be written, and nobody may change the file.
    columns: Columns = {}
    for file in sorted(folder.glob("*.npy")):
        with suppress(ValueError, OSError, EOFError):
            columns[file.stem] = np.load(file, mmap_mode="c")
    return columns


def _is_whole(columns: Columns, folder: Path, manifest: Manifest, split: Split) -> bool:
    """Return True if a copy, which anybody may have deleted in part, has all columns and rows."""
    names = shard_columns(folder / manifest.shards(split)[0])
    count = manifest.counts[f"{split}_pairs"]
    return set(columns) == names and all(len(values) == count for values in columns.values())
