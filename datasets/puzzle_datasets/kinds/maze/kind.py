"""Mazes as a kind of puzzle."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from puzzle_datasets.kinds.kind import Grid, Kind, Refuse, Tokens
from puzzle_datasets.kinds.maze import rules
from puzzle_datasets.kinds.maze.checks import check_maze
from puzzle_datasets.kinds.maze.drawing import MazeLook
from puzzle_datasets.storage.schema import Manifest, Split

if TYPE_CHECKING:
    import torch

    from puzzle_datasets.loading.picks import Augmenter
    from puzzle_datasets.loading.served import ServedSplit
    from puzzle_datasets.storage.dataset import PuzzleDataset


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


def _look(manifest: Manifest) -> MazeLook:
    return MazeLook()


def _legend(side: int) -> dict[str, str]:
    return rules.LEGEND


def _changes(manifest: Manifest) -> str:
    return "rotated or reflected"


KIND = Kind(
    name="maze",
    title="Maze",
    puzzles="mazes",
    columns={"length": pa.int16(), "n_shortest": pa.float64()},
    legend=_legend,
    fits=_fits,
    recognises=_has_one_start,
    measure=_measure,
    details=_details,
    look=_look,
    changes=_changes,
    augmenter=_augmenter,
    served=_served,
    check=check_maze,
    invariant=rules.canonical_hash,
    rule_scores=rules.score,
)
