"""A puzzle set at hand: base pairs of both splits and the recipes of all identities."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import make_folder, sync
from puzzle_datasets.storage.schema import GROUP_FILE, IDENTITY_FILE, SPLITS, Manifest, Split
from puzzle_datasets.storage.shards import (
    Columns,
    joined,
    read_bytes_column,
    read_rows,
    rebuild,
    verify,
)


@dataclass(frozen=True, kw_only=True)
class PairTable:
    """The base pairs of one split, rows ordered by group and puzzle.

    Attributes:
        inputs, labels: tokens uint8 [n, L]; of ARC, grids in the canvas's corner.
        group: int32 [n], the number of each pair's group.
        puzzle: int32 [n], the number of each pair's puzzle within the split.
        puzzle_identifier: int32 [n]; of ARC, the task's un-augmented identity.
        details: the kind's own columns [n].
    """

    inputs: Tensor
    labels: Tensor
    group: Tensor
    puzzle: Tensor
    puzzle_identifier: Tensor
    details: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def input_sizes(self) -> Tensor:
        """Height and width int64 [n, 2] of ARC's input grids."""
        return torch.stack([self.details["h_in"], self.details["w_in"]], 1).long()

    @property
    def label_sizes(self) -> Tensor:
        """Height and width int64 [n, 2] of ARC's label grids."""
        return torch.stack([self.details["h_out"], self.details["w_out"]], 1).long()


@dataclass(frozen=True)
class IdentityTable:
    """Groups and transforms int64 [I] of identifiers 1, 2, …, and new colours uint8 [I, 10]."""

    group: Tensor
    dihedral: Tensor
    colours: Tensor

    def __len__(self) -> int:
        return len(self.group)


@dataclass(frozen=True, kw_only=True)
class PuzzleDataset:
    """A whole puzzle set, proven against its manifest; only ARC has identities and group names."""

    manifest: Manifest
    train: PairTable
    test: PairTable
    identities: IdentityTable | None
    group_names: list[str]

    @classmethod
    def open(cls, folder: Path) -> "PuzzleDataset":
        """Read a folder that `prepare` returned.

        Raises `DatasetError` if a file is missing, damaged or of another schema version.
        """
        manifest = verify(folder)
        columns = decoded_columns(folder, manifest)
        has_names, has_identities = (f in manifest.files for f in (GROUP_FILE, IDENTITY_FILE))
        return cls(
            manifest=manifest,
            train=_pairs(columns["train"]),
            test=_pairs(columns["test"]),
            identities=_read_identities(folder / IDENTITY_FILE) if has_identities else None,
            group_names=pq.read_table(folder / GROUP_FILE)["name"].to_pylist()
            if has_names
            else [],
        )


def _pairs(columns: Columns) -> PairTable:
    tensors = {name: torch.from_numpy(values) for name, values in columns.items()}
    common = {
        name: tensors.pop(name) for name in PairTable.__dataclass_fields__ if name in tensors
    }
    return PairTable(**common, details=tensors)


def _read_identities(file: Path) -> IdentityTable:
    table = pq.read_table(file)
    group, dihedral = (table[name].to_numpy().astype(np.int64) for name in ("group", "dihedral"))
    colours = read_bytes_column(table, "colours")
    return IdentityTable(*map(torch.from_numpy, (group, dihedral, colours)))


FOLDER = ".decoded"


def decoded_columns(folder: Path, manifest: Manifest) -> dict[Split, Columns]:
    """Return every column of both splits as arrays that are mapped from disk, copied on write.

    Parquet has to be decompressed to be indexed. Doing so in every trial would cost each its own
    copy; so the first reader writes the columns as plain arrays beside the set, under its
    fingerprint, and all processes of the host map these. Where nothing can be written, they are
    decoded into this process's own memory. Raises `DatasetError` if a shard is unreadable or
    disagrees with the manifest.
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
                    streams[name] = stack.enter_context((into / f"{name}.npy").open("wb"))
                    kind, shape = values.dtype.str, (count, *values.shape[1:])
                    header = {"descr": kind, "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(streams[name], header)
                streams[name].write(np.ascontiguousarray(values).data)
    for file in into.iterdir():
        sync(file)


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
    names = set(pq.read_schema(folder / manifest.shards(split)[0]).names)
    count = manifest.counts[f"{split}_pairs"]
    return set(columns) == names and all(len(values) == count for values in columns.values())
