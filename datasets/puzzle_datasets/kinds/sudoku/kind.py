"""Sudoku as a kind of puzzle."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from puzzle_datasets.kinds.kind import Grid, Kind, Refuse, Tokens
from puzzle_datasets.kinds.sudoku import rules
from puzzle_datasets.kinds.sudoku.checks import check_sudoku
from puzzle_datasets.kinds.sudoku.drawing import SudokuLook
from puzzle_datasets.kinds.sudoku.symmetry import invariant
from puzzle_datasets.storage.schema import Manifest, Split

if TYPE_CHECKING:
    import torch

    from puzzle_datasets.loading.picks import Augmenter
    from puzzle_datasets.loading.served import ServedSplit
    from puzzle_datasets.storage.dataset import PuzzleDataset


def _fits(vocab_size: int, side: int, identifiers: int) -> bool:
    has_boxes = side in rules.BOX_SHAPES and vocab_size == rules.vocab_size(side)
    return has_boxes and identifiers == 1


def _measure(inputs: Tokens, labels: Tokens, grid: Grid, refuse: Refuse) -> dict[str, Tokens]:
    return {"clues": rules.clue_counts(inputs)}


def _details(columns: Mapping[str, float]) -> list[str]:
    rating = [f"rating {columns['rating']:.4g}"] if "rating" in columns else []
    return [f"{columns['clues']} clues", *rating]


def _look(manifest: Manifest) -> SudokuLook:
    assert manifest.box is not None, f"{manifest.name} has no boxes"
    return SudokuLook(manifest.box)


def _changes(manifest: Manifest) -> str:
    swapped = "digits renamed, bands, stacks and the lines in them swapped"
    is_square = manifest.box is not None and len(set(manifest.box)) == 1
    return f"{swapped}, or the grid transposed" if is_square else swapped


def _augmenter(dataset: "PuzzleDataset", seed: int, device: "torch.device") -> "Augmenter":
    from puzzle_datasets.kinds.sudoku.augment import SudokuPairs

    return SudokuPairs(dataset, seed, device)


def _served(dataset: "PuzzleDataset") -> "dict[Split, ServedSplit]":
    from puzzle_datasets.kinds.sudoku.augment import change_to_variants
    from puzzle_datasets.loading.served import with_variants

    return with_variants(dataset, change_to_variants)


def _invariant(inputs: Tokens, grid: Grid) -> npt.NDArray[np.uint64]:
    return invariant(inputs, grid[0])


KIND = Kind(
    name="sudoku",
    title="Sudoku",
    puzzles="Sudoku puzzles",
    columns={"clues": pa.uint8()},
    legend=rules.legend,
    box=rules.BOX_SHAPES.get,
    fits=_fits,
    measure=_measure,
    details=_details,
    look=_look,
    has_symbols=True,
    changes=_changes,
    augmenter=_augmenter,
    served=_served,
    check=check_sudoku,
    invariant=_invariant,
    rule_scores=rules.score,
)
