"""The manifest names the files of its kind, these its columns; rows are in order, none shared."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from puzzle_datasets.checks.stored_set import Fault, Piece, StoredSet, first_fault
from puzzle_datasets.storage.schema import (
    BLANK_IDENTIFIER,
    GROUP_FILE,
    IDENTITY_FILE,
    MANIFEST_FILE,
    SPLITS,
    Manifest,
    Split,
)

_NUMBERS = {name: pa.int32() for name in ("group", "puzzle", "puzzle_identifier")}


def check_structure(
    stored: StoredSet,
    *,
    columns: Mapping[str, pa.DataType],
    box: tuple[int, int] | None,
    identified: bool,
) -> Iterator[str]:
    """Check the files that the manifest names, and their columns.

    Args:
        stored: the set.
        columns: the further columns of its kind with their types; there may be others.
        box: rows and columns of a box of a grid as large as the set's.
        identified: tables of groups and identities lie beside the splits.

    Raises `DatasetError` if the manifest contradicts the kind, or a file contradicts the manifest.
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
    for file in shards:
        _check_columns(stored, file, columns)
    yield f"columns: {len(shards)} shards have those of kind {manifest.kind}, with their types"


def _check_columns(stored: StoredSet, file: str, columns: Mapping[str, pa.DataType]) -> None:
    tokens = pa.binary(stored.manifest.seq_len)
    expected = {"inputs": tokens, "labels": tokens, **_NUMBERS, **columns}
    try:
        schema = pq.read_schema(stored.folder / file)
    except (OSError, pa.ArrowException) as error:
        raise stored.refusal(file, f"can't be read ({error})") from error
    actual = dict(zip(schema.names, schema.types, strict=True))
    for name, expected_type in expected.items():
        if name not in actual:
            raise stored.refusal(file, f"lacks the column {name}")
        if actual[name] != expected_type:
            raise stored.refusal(file, f"has {name} as {actual[name]}, not {expected_type}")


Tokens = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]

_Numbers = dict[str, int]
"""Group, puzzle and identifier of a row."""
_BEFORE_FIRST: _Numbers = {"group": 0, "puzzle": -1, "puzzle_identifier": BLANK_IDENTIFIER}


def check_rows(stored: StoredSet) -> Iterator[str]:
    """Check tokens, groups, puzzles and identifiers of all rows.

    Raises `DatasetError` if a row is out of order or out of bounds, or rows or groups are missing.
    """
    has_rows = np.zeros(stored.manifest.counts["groups"], np.bool_)
    for split in SPLITS:
        rows = _check_split(stored, split, has_rows)
        yield f"{split} rows: {rows:,} in order, with tokens and numbers within bounds"
    if not has_rows.all():
        raise stored.refusal(MANIFEST_FILE, f"counts group {has_rows.argmin()}, which has no row")
    yield f"groups: {len(has_rows):,}, each with rows"


def check_sharing(stored: StoredSet, invariant: Callable[[Tokens], Hashes]) -> Iterator[str]:
    """Check that no test puzzle is trained on, by an invariant uint64 [n] of inputs [n, L].

    A published folder may share some, and is what it is: how many is said, and not refused. Raises
    `DatasetError` if any other set has a test puzzle that is equal to a training puzzle.
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


def _check_split(stored: StoredSet, split: Split, has_rows: npt.NDArray[np.bool_]) -> int:
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
    group, identifier = columns["group"], columns["puzzle_identifier"]
    step = {
        name: np.diff(columns[name], prepend=np.int32(number)) for name, number in before.items()
    }
    inside = step["puzzle"] == 0
    # Where there are identities, no puzzle is under the blank identifier.
    least = BLANK_IDENTIFIER + bool(manifest.counts["identities"])
    alien = {
        f"a token of its {name.removesuffix('s')} is not in the vocabulary": np.asarray(
            (columns[name] >= manifest.vocab_size).any(1)
        )
        for name in ("inputs", "labels")
    }
    return first_fault(
        alien
        | {
            "its group comes before that of the row in front": step["group"] < 0,
            "its group is beyond those counted": (group < 0) | (group >= groups),
            "its puzzle is neither that of the row in front nor the next": (step["puzzle"] < 0)
            | (step["puzzle"] > 1),
            "its group is not that of its puzzle": inside & (step["group"] != 0),
            "its identifier is not that of its puzzle": inside & (step["puzzle_identifier"] != 0),
            "its identifier is none of the set": (identifier < least)
            | (identifier >= manifest.num_puzzle_identifiers),
        }
    )
