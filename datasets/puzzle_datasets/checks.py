"""A puzzle set as it lies on disk, and the checks of it that hold for every kind."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.storage.forms import Form
from puzzle_datasets.storage.rows import BEFORE_FIRST, Fault, find_fault
from puzzle_datasets.storage.schema import (
    MANIFEST_FILE,
    SPLITS,
    Hashes,
    Manifest,
    Mask,
    Split,
    Tokens,
)
from puzzle_datasets.storage.shards import Columns, read_rows
from puzzle_datasets.storage.structure import require_columns, require_kind


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some rows of a split, in order: columns by name of the shard `file`, from row `first` on."""

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

    def pieces(self, split: Split) -> Iterator[Piece]:
        """Yield all rows of a split, some thousands at a time."""
        for file in self.manifest.shards(split):
            first = 0
            for columns in read_rows(self.folder / file):
                yield Piece(file=file, first=first, columns=columns)
                first += len(columns["inputs"])

    @property
    def remedy(self) -> str:
        """What to do about any fault."""
        again = "build the set again"
        if self.manifest.is_import:
            again = "mend what it was imported from and import it again"
        return f"delete {self.folder} and {again}"

    def refusal(self, file: str, fault: str, value: object = None) -> DatasetError:
        """Return the error for a file, `fault` being what is said of it."""
        return DatasetError.of(self.folder / file, fault, self.remedy, value)

    def row_refusal(self, file: str, row: int, fault: str) -> DatasetError:
        """Return the error for a row of a shard."""
        return self.refusal(file, f"has a fault in row {row} (from 0): {fault}", row)

    def require_none(self, piece: Piece, fault: Fault | None) -> None:
        """Raise `DatasetError` if there is anything wrong with a row of a piece."""
        if fault is not None:
            raise self.row_refusal(piece.file, piece.first + fault[0], fault[1])

    def position(self, split: Split, row: int) -> tuple[str, int]:
        """Return the shard, and the row in it, of a split's row."""
        for file in self.manifest.shards(split):
            rows = pq.read_metadata(self.folder / file).num_rows
            if row < rows:
                return file, row
            row -= rows
        raise AssertionError(f"{split} has too few rows")


def check_structure(stored: StoredSet, form: Form) -> Iterator[str]:
    """Check the files that the manifest names, and their columns, to be those of a kind's form.

    Raises `DatasetError` if the manifest contradicts the kind, or a file the manifest.
    """
    manifest = stored.manifest
    require_kind(stored.folder, manifest, form, stored.remedy)
    yield f"manifest: agrees with itself and with {len(manifest.files)} files"
    for split in SPLITS:
        require_columns(stored.folder, manifest, split, form.columns, stored.remedy)
    shards = len([file for split in SPLITS for file in manifest.shards(split)])
    yield f"columns: {shards} shards have those of kind {manifest.kind}, with their types"


def check_rows(stored: StoredSet) -> Iterator[str]:
    """Check tokens, numbers and order of all rows; `DatasetError` if one is wrong or missing."""
    has_rows = np.zeros(stored.manifest.counts["groups"], np.bool_)
    for split in SPLITS:
        rows = _check_split(stored, split, has_rows)
        yield f"{split} rows: {rows:,} in order, with tokens and numbers within bounds"
    if not has_rows.all():
        raise stored.refusal(MANIFEST_FILE, f"counts group {has_rows.argmin()}, which has no row")
    yield f"groups: {len(has_rows):,}, each with rows"


def check_sharing(stored: StoredSet, invariant: Callable[[Tokens], Hashes]) -> Iterator[str]:
    """Check by an invariant uint64 [n] of inputs [n, L] that no test puzzle is trained on.

    A published folder may share some: how many is said. Any other raises `DatasetError`. How many
    test puzzles are one problem with an earlier one is said of all.
    """
    train, test = (
        np.concatenate([invariant(piece.columns["inputs"]) for piece in stored.pieces(split)])
        for split in SPLITS
    )
    shared = np.isin(test, train)
    if shared.any() and not stored.manifest.is_import:
        row = int(shared.argmax())
        twin_file, twin = stored.position("train", int((train == test[row]).argmax()))
        clause = f"its puzzle is that of row {twin} of {twin_file} up to symmetry"
        raise stored.row_refusal(*stored.position("test", row), clause)
    yield (
        f"sharing: {shared.sum():,} of {len(test):,} test puzzles are trained on, also up to "
        "their symmetries"
    )
    twins = len(test) - len(np.unique(test))
    yield f"twins: {twins:,} of {len(test):,} test puzzles are an earlier one up to symmetry"


def _check_split(stored: StoredSet, split: Split, has_rows: Mask) -> int:
    """Return the number of rows of the split; mark the groups that they belong to."""
    before, rows = BEFORE_FIRST, 0
    for piece in stored.pieces(split):
        stored.require_none(piece, find_fault(stored.manifest, piece.columns, before))
        has_rows[piece.columns["group"]] = True
        before = {name: int(piece.columns[name][-1]) for name in before}
        rows += piece.rows
    promised = stored.manifest.counts[f"{split}_pairs"]
    if rows != promised:
        raise stored.refusal(MANIFEST_FILE, f"promises {promised} {split} pairs, not {rows}")
    return rows
