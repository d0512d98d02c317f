"""A puzzle set at hand: base pairs of both splits and the recipes of all identities."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from puzzle_datasets.storage.decoded import decoded_columns
from puzzle_datasets.storage.schema import GROUP_FILE, IDENTITY_FILE, Manifest
from puzzle_datasets.storage.shards import Columns, read_bytes_column, verify


@dataclass(frozen=True, kw_only=True)
class PairTable:
    """The base pairs of one split, rows ordered by group and puzzle.

    Attributes:
        inputs: tokens uint8 [n, L], as `labels`; of ARC, grids in the canvas's corner.
        labels: tokens uint8 [n, L].
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


@dataclass(frozen=True, kw_only=True)
class IdentityTable:
    """The recipe of every identity; row k belongs to puzzle identifier k + 1, ordered by group.

    `group` int64 [I], `dihedral` int64 [I] and `colours` uint8 [I, 10], where
    `colours[k, c]` is what colour c becomes.
    """

    group: Tensor
    dihedral: Tensor
    colours: Tensor

    def __len__(self) -> int:
        return len(self.group)


@dataclass(frozen=True, kw_only=True)
class PuzzleDataset:
    """A whole puzzle set, proven against its manifest.

    `identities` and `group_names` (a task's name for each group number) are ARC's.
    """

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
            group_names=_read_names(folder / GROUP_FILE) if has_names else [],
        )


def _pairs(columns: Columns) -> PairTable:
    tensors = {name: torch.from_numpy(values) for name, values in columns.items()}
    common = {
        name: tensors.pop(name) for name in PairTable.__dataclass_fields__ if name in tensors
    }
    return PairTable(**common, details=tensors)


def _read_identities(file: Path) -> IdentityTable:
    table = pq.read_table(file)
    return IdentityTable(
        group=_integers(table, "group"),
        dihedral=_integers(table, "dihedral"),
        colours=torch.from_numpy(read_bytes_column(table, "colours")),
    )


def _read_names(file: Path) -> list[str]:
    names: list[str] = pq.read_table(file).column("name").to_pylist()
    return names


def _integers(table: pa.Table, column: str) -> Tensor:
    return torch.from_numpy(table.column(column).to_numpy().astype(np.int64))
