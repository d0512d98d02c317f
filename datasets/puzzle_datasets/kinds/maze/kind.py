"""Mazes as a kind of puzzle, and the check that labels are paths as the columns say."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from puzzle_datasets.checks.stored_set import Fault, Piece, StoredSet, first_fault
from puzzle_datasets.kinds.kind import Grid, Kind, Refuse, Tokens
from puzzle_datasets.kinds.maze import rules
from puzzle_datasets.kinds.maze.drawing import MazeLook
from puzzle_datasets.storage.schema import MANIFEST_FILE, SPLITS, Split

if TYPE_CHECKING:
    import torch

    from puzzle_datasets.loading.picks import Augmenter
    from puzzle_datasets.loading.served import ServedSplit
    from puzzle_datasets.storage.dataset import PuzzleDataset


_ROUNDING = 1e-9
"""Of numbers of shortest paths, which are rounded beyond 2**53."""


def check_maze(stored: StoredSet) -> Iterator[str]:
    """Check the paths of all rows, and what the columns say of them.

    Files of others may have labels that are valid paths but not shortest; the manifest of a set
    made of them counts these. Raises `DatasetError` if a row breaks a rule, or the manifest's
    count of longer paths is wrong.
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
    broken = rules.find_fault(inputs, labels, shape, must_be_shortest=False)
    if broken is not None:
        return broken
    own = (labels == rules.PATH).sum(1) + 1
    length = own if stored.is_import else rules.shortest_lengths(inputs, shape)
    ways = rules.count_shortest(inputs, shape)
    return first_fault(
        {
            "its length is not what its column says": length != columns["length"],
            "its shortest paths are not as many as its column says": ~np.isclose(
                ways, columns["n_shortest"], rtol=_ROUNDING
            ),
        }
    )


def _count_longer(piece: Piece, shape: rules.Shape) -> int:
    """Return how many labels are longer than a shortest path."""
    steps = (piece.columns["labels"] == rules.PATH).sum(1) + 1
    return int(np.count_nonzero(steps > rules.shortest_lengths(piece.columns["inputs"], shape)))


def _require_counted(stored: StoredSet, split: Split, longer: int) -> None:
    counted = stored.manifest.statistics.get(f"{split}_labels_not_shortest", 0)
    if longer != counted and not stored.is_import:
        raise stored.refusal(
            MANIFEST_FILE, f"counts {counted} {split} labels that are not shortest, not {longer}"
        )


def _fits(vocab_size: int, side: int, identifiers: int) -> bool:
    return vocab_size == rules.VOCAB_SIZE and identifiers == 1


def _has_one_start(label: Tokens) -> bool:
    return bool(np.count_nonzero(label == rules.START) == 1)


def _measure(
    inputs: Tokens, labels: Tokens, grid: Grid, refuse: Refuse
) -> dict[str, npt.NDArray[Any]]:
    """Return the steps of the labels' own paths, and the number of shortest paths."""
    steps = (labels == rules.PATH).sum(axis=1) + 1
    return {"length": steps.astype(np.int16), "n_shortest": rules.count_shortest(inputs, grid)}


def _details(columns: Mapping[str, float]) -> list[str]:
    length, rating = columns["length"], columns.get("rating")
    details = [f"{length} steps", _ways(columns["n_shortest"])]
    return details if rating in (None, length) else [*details, f"rating {rating:.4g}"]


def _ways(count: float) -> str:
    if count == 1:
        return "one shortest path"
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if count >= size:
            return f"{count / size:,.1f} {word} shortest paths"
    return f"{count:,.0f} shortest paths"


def _augmenter(dataset: "PuzzleDataset", seed: int, device: "torch.device") -> "Augmenter":
    from puzzle_datasets.kinds.maze.augment import MazePairs

    return MazePairs(dataset, seed, device)


def _served(dataset: "PuzzleDataset") -> "dict[Split, ServedSplit]":
    from puzzle_datasets.kinds.maze.augment import change_to_variants
    from puzzle_datasets.loading.served import with_variants

    return with_variants(dataset, change_to_variants)


KIND = Kind(
    name="maze",
    title="Maze",
    puzzles="mazes",
    columns={"length": pa.int16(), "n_shortest": pa.float64()},
    legend=lambda side: rules.LEGEND,
    fits=_fits,
    recognises=_has_one_start,
    measure=_measure,
    details=_details,
    look=lambda manifest: MazeLook(),
    changes=lambda manifest: "rotated or reflected",
    augmenter=_augmenter,
    served=_served,
    check=check_maze,
    invariant=rules.canonical_hash,
    rule_scores=rules.score,
)
