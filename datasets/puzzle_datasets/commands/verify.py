"""Prove that a puzzle set is whole and right: hashes, structure, and the rules of its puzzles."""

from collections.abc import Iterator
from pathlib import Path

from puzzle_datasets.checks.stored_set import StoredSet
from puzzle_datasets.checks.structure import check_rows, check_sharing, check_structure
from puzzle_datasets.kinds.kind import kind_named
from puzzle_datasets.storage.shards import verify


def verify_all(folder: Path) -> Iterator[str]:
    """Yield a line for every check that a puzzle set passes, in order; later ones build on it.

    Raises `DatasetError` if a check fails; the message names file, row and remedy.
    """
    manifest = verify(folder)
    yield f"hashes: {len(manifest.files):,} files are as the manifest says"
    stored, kind = StoredSet(folder=folder, manifest=manifest), kind_named(manifest.kind)
    box = kind.box(manifest.grid[0])
    yield from check_structure(stored, columns=kind.columns, box=box, identified=kind.identified)
    yield from check_rows(stored)
    yield from kind.check(stored)
    if (invariant := kind.invariant) is not None:
        yield from check_sharing(stored, lambda inputs: invariant(inputs, manifest.grid))
