"""The scores of any puzzle set's test split in one call."""

import torch
from torch import Tensor

from puzzle_datasets.kinds.arc.scoring import ArcVotes
from puzzle_datasets.kinds.arc.views import stored_augmentation
from puzzle_datasets.kinds.maze.scoring import score_mazes
from puzzle_datasets.kinds.sudoku.scoring import score_sudokus
from puzzle_datasets.storage.dataset import PuzzleDataset


def score(dataset: PuzzleDataset, predictions: Tensor) -> dict[str, float]:
    """Return the metrics of predictions [n, L], one for each row of the test split, in order.

    ARC's rows are one vote each, whatever the confidence; ``ArcVotes`` takes more.
    """
    test = dataset.test
    assert predictions.shape == test.labels.shape, f"{predictions.shape} are not all test rows"
    if dataset.manifest.kind == "sudoku":
        side = dataset.manifest.grid[0]
        return score_sudokus(test.inputs, test.labels, predictions, side).metrics()
    if dataset.manifest.kind == "maze":
        grid = dataset.manifest.grid
        return score_mazes(test.inputs, test.labels, predictions, grid).metrics()
    votes, rows = ArcVotes(dataset), torch.arange(len(test))
    votes.add(predictions, torch.zeros(len(test)), rows, stored_augmentation(dataset, rows))
    return votes.scores().metrics()
