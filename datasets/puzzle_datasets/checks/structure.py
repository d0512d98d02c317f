"""The manifest names the files of its kind, and the shards have the kind's columns."""

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from puzzle_datasets.checks.stored_set import StoredSet
from puzzle_datasets.storage.schema import GROUP_FILE, IDENTITY_FILE, MANIFEST_FILE, SPLITS

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

    Raises:
        DatasetError: the manifest contradicts the kind, or a file contradicts the manifest.
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
