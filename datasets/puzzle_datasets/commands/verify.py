"""Prove that a puzzle set is whole and right: hashes, structure, and the rules of its puzzles."""

from collections.abc import Callable, Iterator
from pathlib import Path

from puzzle_datasets.checks.rows import check_rows
from puzzle_datasets.checks.stored_set import StoredSet
from puzzle_datasets.checks.structure import check_structure
from puzzle_datasets.kinds.arc.checks import check_arc
from puzzle_datasets.kinds.maze.checks import check_maze
from puzzle_datasets.kinds.sudoku.checks import check_sudoku
from puzzle_datasets.storage.schema import Kind
from puzzle_datasets.storage.shards import verify

_CHECKS: dict[Kind, Callable[[StoredSet], Iterator[str]]] = {
    "arc": check_arc,
    "sudoku": check_sudoku,
    "maze": check_maze,
}


def verify_all(folder: Path) -> Iterator[str]:
    """Yield a line for every check that a puzzle set passes, in order; later ones build on it.

    Raises:
        DatasetError: a check fails; the message names file, row and remedy.
    """
    manifest = verify(folder)
    yield f"hashes: {len(manifest.files):,} files are as the manifest says"
    stored = StoredSet(folder=folder, manifest=manifest)
    yield from check_structure(stored)
    yield from check_rows(stored)
    yield from _CHECKS[manifest.kind](stored)
