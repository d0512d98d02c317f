"""A puzzle set at hand: base pairs of both splits and the recipes of all identities."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from puzzle_datasets.common.arguments import checked
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import make_folder, sync
from puzzle_datasets.common.memory import memory
from puzzle_datasets.common.reading import path_from
from puzzle_datasets.common.text import byte_size
from puzzle_datasets.storage.arrays import open_array
from puzzle_datasets.storage.forms import form_named
from puzzle_datasets.storage.rows import (
    BEFORE_FIRST,
    Fault,
    find_fault,
    first_fault,
    recipe_faults,
)
from puzzle_datasets.storage.schema import (
    IDENTITY_FILE,
    MANIFEST_FILE,
    NO_GROUP,
    SPLITS,
    Manifest,
    Split,
)
from puzzle_datasets.storage.shards import (
    Columns,
    read_bytes_column,
    read_rows,
    rebuild,
    verify,
)
from puzzle_datasets.storage.structure import (
    numbered_table,
    read_group_names,
    require_columns,
    require_kind,
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
    @checked(DatasetError)
    def open(cls, folder: Path | str) -> "PuzzleDataset":
        """Read a folder that `prepare` returned.

        Raises `DatasetError` if a file is missing, damaged or of another schema version, or what
        it holds is no set of its kind: all that costs little of what `verify_all` proves.
        """
        folder = path_from("folder", folder, DatasetError)
        manifest = verify(folder)
        _require_kind(folder, manifest)
        has_tables = IDENTITY_FILE in manifest.files
        identities = read_identities(folder, manifest) if has_tables else None
        columns = decoded_columns(folder, manifest)
        require_rules(folder, manifest, columns, identities)
        return cls(
            manifest=manifest,
            train=pairs_of(columns["train"]),
            test=pairs_of(columns["test"]),
            identities=identities,
            group_names=read_group_names(folder, manifest, rebuild(folder)),
        )


def _require_kind(folder: Path, manifest: Manifest) -> None:
    """Prove files and columns to be those of the kind, which is looked up by its name."""
    kind, remedy = form_named(manifest.kind), rebuild(folder)
    require_kind(folder, manifest, kind, remedy)
    for split in SPLITS:
        require_columns(folder, manifest, split, kind.columns, remedy)


def pairs_of(columns: Columns) -> PairTable:
    """Return a split's decoded columns as tensors, those of its kind as details."""
    tensors = {name: torch.from_numpy(values) for name, values in columns.items()}
    common = {
        name: tensors.pop(name) for name in PairTable.__dataclass_fields__ if name in tensors
    }
    return PairTable(**common, details=tensors)


def read_identities(folder: Path, manifest: Manifest) -> IdentityTable:
    """Return the recipes of all identities, each of which is one; else raise `DatasetError`."""
    table = numbered_table(folder, manifest, IDENTITY_FILE, rebuild(folder))
    group, dihedral = (table[name].to_numpy().astype(np.int64) for name in ("group", "dihedral"))
    colours = read_bytes_column(table, "colours")
    alien = (group < NO_GROUP) | (group >= manifest.counts["groups"])
    faults = {"its group is none of the set": alien, **recipe_faults(dihedral, colours)}
    if (fault := first_fault(faults)) is not None:
        raise _row_error(folder / IDENTITY_FILE, fault, folder)
    return IdentityTable(*map(torch.from_numpy, (group, dihedral, colours)))


MOST_PROVEN, LARGEST_PROVEN = 1_000_000, 200_000
"""Cells of a split, and of one row, that are held against the rules at every opening; `verify`
proves all. A single maze of a million cells, walked step by step, takes 20 s."""


def require_rules(
    folder: Path,
    manifest: Manifest,
    columns: dict[Split, Columns],
    identities: IdentityTable | None,
) -> None:
    """Raise `DatasetError` where a group has no row, or a row breaks the rules of its kind.

    Of a split of over `MOST_PROVEN` cells, evenly spread rows are looked at, and none of grids of
    over `LARGEST_PROVEN` cells. Sets imported from
    published layouts keep the same rules, but for what their kind leaves to the publisher.
    """
    has_rows = np.zeros(manifest.counts["groups"], np.bool_)
    for split, ones in columns.items():
        has_rows[ones["group"]] = True
        count = len(ones["inputs"])
        small = manifest.seq_len <= LARGEST_PROVEN
        proven = min(count, MOST_PROVEN // manifest.seq_len) if small else 0
        rows = np.linspace(0, count - 1, proven).astype(np.int64)
        sample = {name: values[rows] for name, values in ones.items()}
        fault = form_named(manifest.kind).broken(manifest, sample)
        if fault is None and identities is not None:
            of_identity = identities.group.numpy()[sample["puzzle_identifier"] - 1]
            alien = of_identity != sample["group"]
            fault = first_fault({"its identifier is of another group": alien})
        if fault is not None:
            problem = f"has a fault in {split} row {rows[fault[0]]} (from 0): {fault[1]}"
            raise DatasetError.of(folder, problem, rebuild(folder), int(rows[fault[0]]))
    if not has_rows.all():
        problem = f"counts group {has_rows.argmin()}, which has no row"
        raise DatasetError.of(folder / MANIFEST_FILE, problem, rebuild(folder))


def _row_error(file: Path, fault: Fault, folder: Path) -> DatasetError:
    problem = f"has a fault in row {fault[0]} (from 0): {fault[1]}"
    return DatasetError.of(file, problem, rebuild(folder), fault[0])


FOLDER = ".decoded"


def decoded_columns(folder: Path, manifest: Manifest) -> dict[Split, Columns]:
    """Return every column of both splits as arrays that are mapped from disk, copied on write.

    Parquet has to be decompressed to be indexed. Doing so in every trial would cost each its own
    copy; so the first reader writes the columns as plain arrays beside the set, under its
    fingerprint, and all processes of the host map these. Where nothing can be written, they are
    decoded into this process's own memory. A copy that has been changed is made anew. Raises
    `DatasetError` if a shard is unreadable or a row of it has a fault.
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
    _require_memory(folder, manifest, copy.parent)
    return {split: _held(list(_rows(folder, manifest, split))) for split in SPLITS}


def _held(pieces: list[Columns]) -> Columns:
    """The pieces as one, in memory of its own: those of a shard can't be written to."""
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def _require_memory(folder: Path, manifest: Manifest, copies: Path) -> None:
    """Raise `DatasetError` for a set that no copy of could be written, and no memory holds."""
    pairs = sum(manifest.counts[f"{split}_pairs"] for split in SPLITS)
    size = 2 * 2 * manifest.seq_len * pairs  # its tokens, once more while pieces are joined
    if size > memory():
        problem = f"takes {byte_size(size)} of memory, which this machine has not"
        remedy = f"have {copies} writable, with room for it"
        raise DatasetError.of(folder, problem, remedy, size)


def _rows(folder: Path, manifest: Manifest, split: Split) -> Iterator[Columns]:
    """Yield a split's columns piece by piece.

    Raises `DatasetError` at a row with a fault, or where there are not as many as counted.
    """
    before, total = BEFORE_FIRST, 0
    for name in manifest.shards(split):
        first = 0
        for columns in read_rows(folder / name):
            if (fault := find_fault(manifest, columns, before)) is not None:
                raise _row_error(folder / name, (first + fault[0], fault[1]), folder)
            before = {key: int(columns[key][-1]) for key in before}
            first += len(columns["inputs"])
            yield columns
        total += first
    if total != (counted := manifest.counts[f"{split}_pairs"]):
        problem = f"holds {total:,} of {counted:,} {split} pairs"
        raise DatasetError.of(folder, problem, rebuild(folder), total)


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
        with suppress(DatasetError):
            columns[file.stem] = open_array(file, rebuild(folder), "c")
    return columns


def _is_whole(columns: Columns, folder: Path, manifest: Manifest, split: Split) -> bool:
    """Return True if a copy, which anybody may have changed, has all columns, types and rows."""
    schema = pq.read_schema(folder / manifest.shards(split)[0])
    count = manifest.counts[f"{split}_pairs"]
    if set(columns) != set(schema.names):
        return False
    for field in schema:
        values, is_bytes = columns[field.name], pa.types.is_fixed_size_binary(field.type)
        dtype = np.dtype(np.uint8) if is_bytes else np.dtype(field.type.to_pandas_dtype())
        shape = (count, field.type.byte_width) if is_bytes else (count,)
        if values.dtype != dtype or values.shape != shape:
            return False
    return find_fault(manifest, columns, BEFORE_FIRST) is None
