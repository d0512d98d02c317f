"""A puzzle set in memory: base pairs of both splits and the recipes of all identities."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from puzzle_datasets.schema import RECIPE_FILE, Manifest
from puzzle_datasets.shards import read_bytes_column, shard_file, verify


@dataclass(frozen=True, kw_only=True)
class PairTable:
    """The base pairs of one split, rows ordered by group.

    ``inputs`` and ``labels`` are tokens uint8 [n, L] of grids in the canvas's corner, of
    ``input_sizes`` and ``label_sizes`` (height, width) int64 [n, 2]. ``group`` int64 [n] numbers
    the tasks, ``example`` int64 [n] the pairs within one, ``puzzle_identifier`` int32 [n] is the
    task's un-augmented identity and ``tasks`` its name.
    """

    inputs: Tensor
    labels: Tensor
    input_sizes: Tensor
    label_sizes: Tensor
    group: Tensor
    example: Tensor
    puzzle_identifier: Tensor
    tasks: list[str]

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, kw_only=True)
class IdentityTable:
    """The recipe of every identity; row k belongs to puzzle identifier k + 1, ordered by group.

    ``group`` int64 [I], ``dihedral`` int64 [I] and ``colours`` uint8 [I, 10], where
    ``colours[k, c]`` is what colour c becomes.
    """

    group: Tensor
    dihedral: Tensor
    colours: Tensor

    def __len__(self) -> int:
        return len(self.group)


@dataclass(frozen=True, kw_only=True)
class PuzzleDataset:
    """A whole puzzle set, proven against its manifest and read into memory."""

    manifest: Manifest
    train: PairTable
    test: PairTable
    identities: IdentityTable

    @classmethod
    def open(cls, folder: Path) -> "PuzzleDataset":
        """Read a folder that ``prepare`` returned.

        Raises:
            DatasetError: a file is missing, damaged or of another schema version.
        """
        manifest = verify(folder)
        return cls(
            manifest=manifest,
            train=_read_pairs(folder / shard_file("train")),
            test=_read_pairs(folder / shard_file("test")),
            identities=_read_identities(folder / RECIPE_FILE),
        )


def _read_pairs(file: Path) -> PairTable:
    table = pq.read_table(file)
    return PairTable(
        inputs=torch.from_numpy(read_bytes_column(table, "inputs")),
        labels=torch.from_numpy(read_bytes_column(table, "labels")),
        input_sizes=torch.stack([_integers(table, "h_in"), _integers(table, "w_in")], 1),
        label_sizes=torch.stack([_integers(table, "h_out"), _integers(table, "w_out")], 1),
        group=_integers(table, "group"),
        example=_integers(table, "example"),
        puzzle_identifier=_integers(table, "puzzle_identifier").int(),
        tasks=table.column("task").to_pylist(),
    )


def _read_identities(file: Path) -> IdentityTable:
    table = pq.read_table(file)
    return IdentityTable(
        group=_integers(table, "group"),
        dihedral=_integers(table, "dihedral"),
        colours=torch.from_numpy(read_bytes_column(table, "colours")),
    )


def _integers(table: pa.Table, column: str) -> Tensor:
    return torch.from_numpy(table.column(column).to_numpy().astype(np.int64))
