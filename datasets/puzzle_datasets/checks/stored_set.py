"""A puzzle set as it lies on disk, read shard by shard, and how faults in it are named."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.storage.schema import IMPORTED, Manifest, Split
from puzzle_datasets.storage.shards import Columns, read_rows

Fault = tuple[int, str]
"""A row and a clause on what is wrong with it."""
Masks = dict[str, npt.NDArray[np.bool_]]
"""Faulty rows, bool [n], by a clause on what is wrong."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some rows of a split, in order.

    Attributes:
        file: the shard's name.
        first: the number of the first row within the shard.
        columns: the rows' columns by name, of `rows` entries each.
    """

    file: str
    first: int
    columns: Columns

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.columns["inputs"])


@dataclass(frozen=True, kw_only=True)
class StoredSet:
    """A folder and the manifest in it."""

    folder: Path
    manifest: Manifest

    @property
    def is_import(self) -> bool:
        """True if the set was taken over as somebody else's build left it."""
        return self.manifest.name == IMPORTED

    def pieces(self, split: Split) -> Iterator[Piece]:
        """Yield all rows of a split, some thousands at a time."""
        for file in self.manifest.shards(split):
            first = 0
            for columns in read_rows(self.folder / file):
                yield Piece(file=file, first=first, columns=columns)
                first += len(columns["inputs"])

    def read_table(self, file: str) -> pa.Table:
        """Return a table that lies beside the splits.

        Raises `DatasetError` if it is no whole Parquet file.
        """
        try:
            return pq.read_table(self.folder / file)
        except (OSError, pa.ArrowException) as error:
            raise self.refusal(file, f"can't be read ({error})") from error

    def refusal(self, file: str, fault: str, value: object = None) -> DatasetError:
        """Return the error for a file, `fault` being what is said of it."""
        source = "mend what it was imported from and import it again"
        again = source if self.is_import else "build the set again"
        remedy = f"delete {self.folder} and {again}"
        return DatasetError.of(self.folder / file, fault, remedy, value)

    def row_refusal(self, file: str, row: int, fault: str) -> DatasetError:
        """Return the error for a row of a shard."""
        return self.refusal(file, f"has a fault in row {row} (from 0): {fault}", row)

    def require_none(self, piece: Piece, fault: Fault | None) -> None:
        """Refuse a row of a piece if there is anything wrong with it.

        Raises `DatasetError` if there is.
        """
        if fault is not None:
            row, clause = fault
            raise self.row_refusal(piece.file, piece.first + row, clause)

    def position(self, split: Split, row: int) -> tuple[str, int]:
        """Return the shard, and the row in it, of a split's row."""
        for file in self.manifest.shards(split):
            rows = pq.read_metadata(self.folder / file).num_rows
            if row < rows:
                return file, row
            row -= rows
        raise AssertionError(f"{split} has too few rows")


def first_fault(masks: Masks) -> Fault | None:
    """Return the first row that has a fault, and its first fault."""
    faults = np.stack(list(masks.values()))
    faulty = faults.any(0)
    if not faulty.any():
        return None
    row = int(faulty.argmax())
    return row, list(masks)[int(faults[:, row].argmax())]
