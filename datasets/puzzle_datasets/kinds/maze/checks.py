"""Mazes: every label is a shortest path of its maze, and its columns say the same."""

from collections.abc import Iterator

import numpy as np

from puzzle_datasets.checks.stored_set import Fault, Piece, StoredSet, first_fault
from puzzle_datasets.kinds.maze import rules as maze
from puzzle_datasets.storage.schema import MANIFEST_FILE, SPLITS, Split

_ROUNDING = 1e-9
"""Of numbers of shortest paths, which are rounded beyond 2**53."""


def check_maze(stored: StoredSet) -> Iterator[str]:
    """Check the paths of all rows, and what the columns say of them.

    Files of others may have labels that are valid paths but not shortest; the manifest of a set
    made of them counts these.

    Raises:
        DatasetError: a row breaks a rule, or the manifest's count of longer paths is wrong.
    """
    shape = stored.manifest.grid
    for split in SPLITS:
        rows = longer = 0
        for piece in stored.pieces(split):
            stored.require_none(piece, _find_fault(stored, piece))
            longer += _count_longer(piece, shape)
            rows += piece.rows
        _require_counted(stored, split, longer)
        shortest = rows - longer
        yield f"{split} rules: {rows:,} labels hold a path from S to G, {shortest:,} shortest ones"


def _find_fault(stored: StoredSet, piece: Piece) -> Fault | None:
    """Return the first row with a fault; an import's length is that of the label's own path."""
    shape, columns = stored.manifest.grid, piece.columns
    inputs, labels = columns["inputs"], columns["labels"]
    broken = maze.find_fault(inputs, labels, shape, must_be_shortest=False)
    if broken is not None:
        return broken
    own = (labels == maze.PATH).sum(1) + 1
    length = own if stored.is_import else maze.shortest_lengths(inputs, shape)
    ways = maze.count_shortest(inputs, shape)
    return first_fault(
        {
            "its length is not what its column says": length != columns["length"],
            "its shortest paths are not as many as its column says": ~np.isclose(
                ways, columns["n_shortest"], rtol=_ROUNDING
            ),
        }
    )


def _count_longer(piece: Piece, shape: maze.Shape) -> int:
    """Return how many labels are longer than a shortest path."""
    steps = (piece.columns["labels"] == maze.PATH).sum(1) + 1
    return int(np.count_nonzero(steps > maze.shortest_lengths(piece.columns["inputs"], shape)))


def _require_counted(stored: StoredSet, split: Split, longer: int) -> None:
    counted = stored.manifest.statistics.get(f"{split}_labels_not_shortest", 0)
    if longer != counted and not stored.is_import:
        raise stored.refusal(
            MANIFEST_FILE, f"counts {counted} {split} labels that are not shortest, not {longer}"
        )
