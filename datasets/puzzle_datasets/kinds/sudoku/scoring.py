"""Sudoku: is a prediction the solution, and if not, how far is it from being one?"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from puzzle_datasets.common.tokens import to_bytes
from puzzle_datasets.kinds.sudoku.rules import changed_clues, missing_digits

_CHUNK = 8192  # grids; what the rules need in memory for them stays below 10 MB


@dataclass(frozen=True, kw_only=True)
class SudokuScores:
    """What became of each of n puzzles.

    Attributes:
        exact: bool [n], every cell is the solution's.
        missing_digits: int64 [n], the digits that rows, columns and boxes lack, taken together;
            0 means that no rule is broken.
        changed_clues: int64 [n], clues that the prediction replaced.
    """

    exact: npt.NDArray[np.bool_]
    missing_digits: npt.NDArray[np.int64]
    changed_clues: npt.NDArray[np.int64]

    def metrics(self) -> dict[str, float]:
        """Return the share of exact puzzles, and the means of the faults per puzzle."""
        return {
            "exact_accuracy": float(self.exact.mean()),
            "missing_digits": float(self.missing_digits.mean()),
            "changed_clues": float(self.changed_clues.mean()),
        }


def score_sudokus(inputs: Tensor, labels: Tensor, predictions: Tensor, side: int) -> SudokuScores:
    """Score predicted grids.

    Args:
        inputs: tokens [n, L] of the puzzles, as ``labels`` of their solutions.
        labels: tokens [n, L].
        predictions: tokens [n, L], on any device.
        side: rows of a grid.
    """
    puzzles, solutions, grids = to_bytes(inputs), to_bytes(labels), to_bytes(predictions)
    chunks = [grids[begin : begin + _CHUNK] for begin in range(0, len(grids), _CHUNK)]
    return SudokuScores(
        exact=(grids == solutions).all(1),
        missing_digits=np.concatenate([missing_digits(chunk, side) for chunk in chunks]),
        changed_clues=changed_clues(puzzles, grids),
    )
