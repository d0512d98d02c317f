"""Sudoku as a kind of puzzle, and the check that stored pairs are puzzles with one solution."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from puzzle_datasets.checks.stored_set import Fault, Piece, StoredSet, first_fault
from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.kinds.kind import Kind
from puzzle_datasets.kinds.sudoku import rules
from puzzle_datasets.kinds.sudoku.drawing import SudokuLook
from puzzle_datasets.kinds.sudoku.kernel import MOST_SOLVED_ANEW, count_solutions
from puzzle_datasets.storage.schema import SPLITS, Manifest, Split

if TYPE_CHECKING:
    import torch

    from puzzle_datasets.loading.picks import Augmenter
    from puzzle_datasets.loading.served import ServedSplit
    from puzzle_datasets.storage.dataset import PuzzleDataset


def check_sudoku(stored: StoredSet) -> Iterator[str]:
    """Check solutions and clues of all rows, and that solutions are the only ones of a sample.

    Raises `DatasetError` if a row breaks a rule.
    """
    side = stored.manifest.grid[0]
    for split in SPLITS:
        rows = 0
        for piece in stored.pieces(split):
            stored.require_none(piece, _find_fault(piece, side))
            rows += piece.rows
        yield f"{split} rules: {rows:,} solutions keep every rule and every clue"
        solved = _check_uniqueness(stored, split, side)
        yield f"{split} uniqueness: {solved:,} of {rows:,} puzzles, solved anew, have one solution"


def _find_fault(piece: Piece, side: int) -> Fault | None:
    inputs, clues = piece.columns["inputs"], piece.columns["clues"]
    miscounted = rules.clue_counts(inputs) != clues
    broken = rules.find_fault(inputs, piece.columns["labels"], side)
    return broken or first_fault({"its clues are not as many as its column says": miscounted})


def _check_uniqueness(stored: StoredSet, split: Split, side: int) -> int:
    """Return how many puzzles were solved, each of which has one solution."""
    chosen = _sample(stored.manifest.counts[f"{split}_pairs"], split)
    first = 0
    for piece in stored.pieces(split):
        rows = np.flatnonzero(chosen[first : first + piece.rows])
        several = count_solutions(piece.columns["inputs"][rows], side) > 1
        if several.any():
            fault = "its puzzle has more than one solution"
            stored.require_none(piece, (int(rows[several.argmax()]), fault))
        first += piece.rows
    return int(chosen.sum())


def _sample(count: int, split: Split) -> npt.NDArray[np.bool_]:
    """Return which of `count` rows are in the sample, [count]."""
    chosen = np.zeros(count, np.bool_)
    order = keyed_generator("verify", split).permutation(count)
    chosen[order[:MOST_SOLVED_ANEW]] = True
    return chosen


def _fits(vocab_size: int, side: int, identifiers: int) -> bool:
    has_boxes = side in rules.BOX_SHAPES and vocab_size == rules.vocab_size(side)
    return has_boxes and identifiers == 1


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


KIND = Kind(
    name="sudoku",
    title="Sudoku",
    puzzles="Sudoku puzzles",
    columns={"clues": pa.uint8()},
    legend=rules.legend,
    box=rules.BOX_SHAPES.get,
    fits=_fits,
    measure=lambda inputs, labels, grid, refuse: {"clues": rules.clue_counts(inputs)},
    details=_details,
    look=_look,
    has_symbols=True,
    changes=_changes,
    augmenter=_augmenter,
    served=_served,
    check=check_sudoku,
    invariant=lambda inputs, grid: rules.invariant(inputs, grid[0]),
    rule_scores=rules.score,
)
