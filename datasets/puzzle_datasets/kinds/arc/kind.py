"""ARC as a kind of puzzle."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import pyarrow as pa

from puzzle_datasets.checks.stored_set import StoredSet
from puzzle_datasets.kinds.arc.drawing import ArcLook
from puzzle_datasets.kinds.arc.grids import check_grids, grid_sizes, token_legend
from puzzle_datasets.kinds.arc.task_checks import check_identities, check_tasks
from puzzle_datasets.kinds.kind import Grid, Kind, Refuse, Tokens
from puzzle_datasets.storage.schema import ARC_VOCAB_SIZE, Split

if TYPE_CHECKING:
    import torch

    from puzzle_datasets.loading.picks import Augmenter
    from puzzle_datasets.loading.served import ServedSplit
    from puzzle_datasets.storage.dataset import PuzzleDataset


def _measure(
    inputs: Tokens, labels: Tokens, grid: Grid, refuse: Refuse
) -> dict[str, npt.NDArray[Any]]:
    """Return heights and widths of the grids, wherever they lie on their canvases."""
    columns: dict[str, npt.NDArray[Any]] = {}
    for name, suffix, tokens in (("input", "in", inputs), ("label", "out", labels)):
        heights, widths = grid_sizes(tokens)
        if not heights.all():
            raise refuse(int(heights.argmin()), f"its {name} is no full rectangle of colours")
        columns |= {f"h_{suffix}": heights, f"w_{suffix}": widths}
    return columns


def _check(stored: StoredSet) -> Iterator[str]:
    yield from check_grids(stored)
    yield from check_identities(stored)
    yield from check_tasks(stored)


def _augmenter(dataset: "PuzzleDataset", seed: int, device: "torch.device") -> "Augmenter":
    from puzzle_datasets.kinds.arc.augment_batches import FreshPairs, TablePairs

    if dataset.manifest.augmentation == "table":
        return TablePairs(dataset, device)
    return FreshPairs(dataset, seed, device)


def _served(dataset: "PuzzleDataset") -> "dict[Split, ServedSplit]":
    from puzzle_datasets.kinds.arc.served import served_splits

    return served_splits(dataset)


def _tasks(dataset: "PuzzleDataset") -> dict[str, Any]:
    from puzzle_datasets.kinds.arc.served import scored_tasks

    return scored_tasks(dataset)


def _score(dataset: "PuzzleDataset", predictions: "torch.Tensor") -> dict[str, float]:
    from puzzle_datasets.kinds.arc.scoring import score_once

    return score_once(dataset, predictions)


KIND = Kind(
    name="arc",
    title="ARC",
    puzzles="ARC puzzles",
    columns={
        "example": pa.int16(),
        **{name: pa.uint8() for name in ("h_in", "w_in", "h_out", "w_out")},
    },
    legend=lambda side: token_legend(),
    fits=lambda vocab_size, side, identifiers: vocab_size == ARC_VOCAB_SIZE and identifiers > 1,
    measure=_measure,
    details=lambda columns: ["{h_in} by {w_in} to {h_out} by {w_out}".format(**columns)],
    look=lambda manifest: ArcLook(),
    changes=lambda manifest: "rotated or reflected, recoloured and moved on the canvas",
    augmenter=_augmenter,
    served=_served,
    check=_check,
    vote_scores=_score,
    identified=True,
    published_tasks=_tasks,
)
