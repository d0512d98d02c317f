"""Mazes: is a prediction the stored path, and if not, is it another path that is as good?

A maze can have many shortest paths and the label holds only one of them, so that exact matches
measure the label's choice as well. The HRM paper calls a prediction correct that is valid and
shortest (section 3.1).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from puzzle_datasets.common.tokens import to_bytes
from puzzle_datasets.kinds.maze.rules import path_scores


@dataclass(frozen=True, kw_only=True)
class MazeScores:
    """What became of each of n mazes, bool [n] each.

    Attributes:
        exact: every cell is the label's.
        valid: nothing differs from the maze but open cells that are marked, and these connect
            start and goal.
        shortest: the marks are valid, and are one of the shortest paths and nothing more.
    """

    exact: npt.NDArray[np.bool_]
    valid: npt.NDArray[np.bool_]
    shortest: npt.NDArray[np.bool_]

    def metrics(self) -> dict[str, float]:
        """Return the shares of mazes."""
        return {
            "exact_accuracy": float(self.exact.mean()),
            "valid_paths": float(self.valid.mean()),
            "shortest_paths": float(self.shortest.mean()),
        }


def score_mazes(
    inputs: Tensor, labels: Tensor, predictions: Tensor, grid: tuple[int, int]
) -> MazeScores:
    """Score predicted paths.

    Args:
        inputs: tokens [n, L] of the mazes, as ``labels`` with a path.
        labels: tokens [n, L].
        predictions: tokens [n, L], on any device.
        grid: rows and columns of a maze.
    """
    paths = to_bytes(predictions)
    valid, shortest = path_scores(to_bytes(inputs), paths, grid)
    return MazeScores(exact=(paths == to_bytes(labels)).all(1), valid=valid, shortest=shortest)
