"""The manifest agrees with itself, and the shards have the columns of their kind."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from puzzle_datasets.checks.stored_set import StoredSet
from puzzle_datasets.kinds.sudoku.rules import BOX_SHAPES
from puzzle_datasets.storage.schema import (
    GROUP_FILE,
    IDENTITY_FILE,
    MANIFEST_FILE,
    SPLITS,
    Kind,
)

_NUMBERS = {name: pa.int32() for name in ("group", "puzzle", "puzzle_identifier")}
_SIZES = {name: pa.uint8() for name in ("h_in", "w_in", "h_out", "w_out")}
_DETAILS: dict[Kind, dict[str, pa.DataType]] = {
    "arc": {"example": pa.int16(), **_SIZES},
    "sudoku": {"clues": pa.uint8()},
    "maze": {"length": pa.int16(), "n_shortest": pa.float64()},
}
"""Columns that every set of the kind has; there may be others."""


def check_structure(stored: StoredSet) -> Iterator[str]:
    """Check what the manifest says of the files, and their columns.

    Raises:
        DatasetError: the manifest contradicts itself, or a file contradicts the manifest.
    """
    manifest = stored.manifest
    fault = _manifest_fault(stored)
    if fault is not None:
        raise stored.refusal(MANIFEST_FILE, fault)
    yield f"manifest: agrees with itself and with {len(manifest.files)} files"
    for split in SPLITS:
        for file in manifest.shards(split):
            _check_columns(stored, file)
    shards = sum(len(manifest.shards(split)) for split in SPLITS)
    yield f"columns: {shards} shards have those of kind {manifest.kind}, with their types"


def _manifest_fault(stored: StoredSet) -> str | None:
    """Return in what the manifest contradicts the kind of its puzzles."""
    manifest = stored.manifest
    rows, columns = manifest.grid
    box = BOX_SHAPES.get(rows) if manifest.kind == "sudoku" else None
    if manifest.box != box:
        return f"says box {manifest.box} of a {manifest.kind} grid of {rows} by {columns}"
    tables = {IDENTITY_FILE, GROUP_FILE} if manifest.kind == "arc" else set()
    shards = {file for split in SPLITS for file in manifest.shards(split)}
    if set(manifest.files) != shards | tables:
        return "names other files than shards and the tables of its kind"
    return None


def _check_columns(stored: StoredSet, file: str) -> None:
    tokens = pa.binary(stored.manifest.seq_len)
    expected = {"inputs": tokens, "labels": tokens, **_NUMBERS, **_DETAILS[stored.manifest.kind]}
    try:
        schema = pq.read_schema(stored.folder / file)
    except (OSError, pa.ArrowException) as error:
        raise stored.refusal(file, f"can't be read ({error})") from error
    actual = dict(zip(schema.names, schema.types, strict=True))
    for name, kind in expected.items():
        if name not in actual:
            raise stored.refusal(file, f"lacks the column {name}")
        if actual[name] != kind:
            raise stored.refusal(file, f"has {name} as {actual[name]}, not {kind}")
