"""The floor of Sudoku: digits at random, each allowed by its row, column and box where one is."""

import numpy as np

from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.kinds.sudoku.rules import BLANK, DIGIT_OFFSET, cell_houses
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import Integers, Tokens


def random_fill(dataset: PuzzleDataset, rows: Integers) -> Tokens:
    """Return grids uint8 [n, L] for test rows, the same at each call."""
    return filled(dataset.test.inputs.numpy()[rows], dataset.manifest.grid[0])


def filled(inputs: Tokens, side: int) -> Tokens:
    """Return puzzles uint8 [n, L] with every blank filled, cell by cell in reading order.

    A digit is drawn among those that clues and cells filled before leave; where they leave none,
    among all.
    """
    grids = inputs.copy()
    used = np.zeros((len(inputs), 3 * side, side), np.bool_)
    houses, generator = cell_houses(side), keyed_generator("random fill")
    puzzle, cell = np.nonzero(inputs > BLANK)
    clue = inputs[puzzle, cell] - (DIGIT_OFFSET + 1)
    used[puzzle[:, None], houses[cell], clue[:, None]] = True
    for at, around in enumerate(houses):
        allowed = ~used[:, around].any(1)
        digit = (allowed + generator.random(allowed.shape)).argmax(1)
        blank = np.flatnonzero(inputs[:, at] == BLANK)
        grids[blank, at] = digit[blank] + (DIGIT_OFFSET + 1)
        used[blank[:, None], around, digit[blank, None]] = True
    return grids
