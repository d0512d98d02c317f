"""A puzzle set as it lies on disk, and the checks of it that hold for every kind."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.storage.schema import (
    BLANK_IDENTIFIER,
    GROUP_FILE,
    IDENTITY_FILE,
    IMPORTED,
    MANIFEST_FILE,
    SPLITS,
    Hashes,
    Manifest,
    Mask,
    Split,
    Tokens,
)
from puzzle_datasets.storage.shards import Columns, read_rows, unreadable

Fault = tuple[int, str]
"""A row and a clause on what is wrong with it."""
Masks = dict[str, Mask]
"""Faulty rows, bool [n], by a clause on what is wrong."""


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
        """Return a table beside the splits; raise `DatasetError` if it is no Parquet file."""
        with unreadable(self.folder / file, self.remedy):
            return pq.read_table(self.folder / file)

    @property
    def remedy(self) -> str:
        """What to do about any fault."""
        source = "mend what it was imported from and import it again"
        return f"delete {self.folder} and {source if self.is_import else 'build the set again'}"

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


def first_fault(masks: Masks) -> Fault | None:
    """Return the first row that has a fault, and its first fault."""
    faults = np.stack(list(masks.values()))
    faulty = faults.any(0)
    if not faulty.any():
        return None
    row = int(faulty.argmax())
    return row, list(masks)[int(faults[:, row].argmax())]


_NUMBERS = {name: pa.int32() for name in ("group", "puzzle", "puzzle_identifier")}

_Numbers = dict[str, int]
"""Group, puzzle and identifier of a row."""
_BEFORE_FIRST: _Numbers = {"group": 0, "puzzle": -1, "puzzle_identifier": BLANK_IDENTIFIER}


def check_structure(
    stored: StoredSet,
    *,
    columns: Mapping[str, pa.DataType],
    box: tuple[int, int] | None,
    identified: bool,
) -> Iterator[str]:
    """Check the files that the manifest names, and their columns.

    A kind has further `columns` of these types, and there may be others; a grid as large as the
    set's has a `box` of these rows and columns. Tables lie beside the splits if it is
    `identified`. Raises `DatasetError` if the manifest contradicts the kind, or a file the
    manifest.
    """
    manifest = stored.manifest
    if manifest.box != box:
        rows_by_columns = "{} by {}".format(*manifest.grid)
        fault = f"says box {manifest.box} of a {manifest.kind} grid of {rows_by_columns}"
        raise stored.refusal(MANIFEST_FILE, fault, manifest.box)
    tables = {IDENTITY_FILE, GROUP_FILE} if identified else set()
    shards = [file for split in SPLITS for file in manifest.shards(split)]
    if set(manifest.files) != tables.union(shards):
        fault = "names other files than shards and the tables of its kind"
        raise stored.refusal(MANIFEST_FILE, fault)
    yield f"manifest: agrees with itself and with {len(manifest.files)} files"
    tokens = pa.binary(manifest.seq_len)
    expected = {"inputs": tokens, "labels": tokens, **_NUMBERS, **columns}
    for file in shards:
        with unreadable(stored.folder / file, stored.remedy):
            schema = pq.read_schema(stored.folder / file)
        actual = dict(zip(schema.names, schema.types, strict=True))
        for name, expected_type in expected.items():
            if name not in actual:
                raise stored.refusal(file, f"lacks the column {name}")
            if actual[name] != expected_type:
                raise stored.refusal(file, f"has {name} as {actual[name]}, not {expected_type}")
    yield f"columns: {len(shards)} shards have those of kind {manifest.kind}, with their types"


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

    A published folder may share some: how many is said. Any other raises `DatasetError`.
    """
    train, test = (
        np.concatenate([invariant(piece.columns["inputs"]) for piece in stored.pieces(split)])
        for split in SPLITS
    )
    shared = np.isin(test, train)
    if shared.any() and not stored.is_import:
        row = int(shared.argmax())
        twin_file, twin = stored.position("train", int((train == test[row]).argmax()))
        clause = f"its puzzle is that of row {twin} of {twin_file} up to symmetry"
        raise stored.row_refusal(*stored.position("test", row), clause)
    yield (
        f"sharing: {shared.sum():,} of {len(test):,} test puzzles are trained on, also up to "
        "their symmetries"
    )


def _check_split(stored: StoredSet, split: Split, has_rows: Mask) -> int:
    """Return the number of rows of the split; mark the groups that they belong to."""
    before, rows = _BEFORE_FIRST, 0
    for piece in stored.pieces(split):
        stored.require_none(piece, _find_fault(stored.manifest, piece, before))
        has_rows[piece.columns["group"]] = True
        before = {name: int(piece.columns[name][-1]) for name in before}
        rows += piece.rows
    promised = stored.manifest.counts[f"{split}_pairs"]
    if rows != promised:
        raise stored.refusal(MANIFEST_FILE, f"promises {promised} {split} pairs, not {rows}")
    return rows


def _find_fault(manifest: Manifest, piece: Piece, before: _Numbers) -> Fault | None:
    """Return the first row with a fault, `before` being the numbers of the row in front."""
    columns, groups = piece.columns, manifest.counts["groups"]
    tokens: Masks = {
        name: np.asarray((columns[name] >= manifest.vocab_size).any(1))
        for name in ("inputs", "labels")
    }
    group, identifier = columns["group"], columns["puzzle_identifier"]
    steps = [np.diff(columns[name], prepend=np.int32(last)) for name, last in before.items()]
    group_step, puzzle_step, identifier_step = steps
    inside = puzzle_step == 0
    # Where there are identities, no puzzle is under the blank identifier.
    least = BLANK_IDENTIFIER + bool(manifest.counts["identities"])
    alien = (identifier < least) | (identifier >= manifest.num_puzzle_identifiers)
    jumps = (puzzle_step < 0) | (puzzle_step > 1)
    return first_fault(
        {
            "a token of its input is not in the vocabulary": tokens["inputs"],
            "a token of its label is not in the vocabulary": tokens["labels"],
            "its group comes before that of the row in front": group_step < 0,
            "its group is beyond those counted": (group < 0) | (group >= groups),
            "its puzzle is neither that of the row in front nor the next": jumps,
            "its group is not that of its puzzle": inside & (group_step != 0),
            "its identifier is not that of its puzzle": inside & (identifier_step != 0),
            "its identifier is none of the set": alien,
        }
    )
