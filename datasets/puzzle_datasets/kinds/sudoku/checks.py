"""Sudoku: every pair is a puzzle with its solution, the only one."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from puzzle_datasets.checks.stored_set import Fault, Piece, StoredSet, first_fault
from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.kinds.sudoku import rules as sudoku
from puzzle_datasets.kinds.sudoku.kernel import MOST_SOLVED_ANEW, count_solutions
from puzzle_datasets.storage.schema import SPLITS, Split


def check_sudoku(stored: StoredSet) -> Iterator[str]:
    """Check solutions and clues of all rows, and that solutions are the only ones of a sample.

    Raises:
        DatasetError: a row breaks a rule.
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
    miscounted = sudoku.clue_counts(inputs) != clues
    broken = sudoku.find_fault(inputs, piece.columns["labels"], side)
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
    """Return which of ``count`` rows are in the sample, [count]."""
    chosen = np.zeros(count, np.bool_)
    order = keyed_generator("verify", split).permutation(count)
    chosen[order[:MOST_SOLVED_ANEW]] = True
    return chosen
