"""Find the few mazes with long ways among many: a walk in all of them at once, a row a word."""

from typing import Any

import numpy as np
import numpy.typing as npt

from puzzle_datasets.kinds.maze.grids import Mask, Places

WIDEST = 64
"""The most columns that a word holds."""

Words = npt.NDArray[np.unsignedinteger[Any]]

# To pick the mazes that still walk costs about as much as a step of those that do not.
_WORTH_PICKING = 0.8


def far_reaching(open_cells: Mask, starts: Places, side: int, steps: int) -> tuple[Places, int]:
    """Return the mazes that have a cell ``steps`` away from their start, by their numbers.

    Also returns the steps to the furthest cell met, counted no further than ``steps``.

    Args:
        open_cells: bool [n, side * side]; the side is 64 at most.
        starts: the place of the start [n], an open cell.
        steps: 1 or more.
    """
    start_cells = np.zeros_like(open_cells)
    start_cells[np.arange(len(starts)), starts] = True
    walkable, reached = _words(open_cells, side), _words(start_cells, side)
    mazes = np.arange(len(starts))
    for step in range(1, steps + 1):
        spread = _with_neighbours(reached) & walkable
        grew = (spread != reached).any(0)
        walking = np.count_nonzero(grew)
        if walking == 0:
            return mazes[:0], step - 1
        if walking < _WORTH_PICKING * len(mazes):
            walkable, spread, mazes = walkable[:, grew], spread[:, grew], mazes[grew]
            grew = grew[grew]
        reached = spread
    return mazes[grew], steps


def _words(cells: Mask, side: int) -> Words:
    """Return rows of cells as words [side, n], column c as bit c."""
    word = np.dtype("<u4" if side <= WIDEST // 2 else "<u8")
    packed = np.packbits(cells.reshape(-1, side, side), axis=2, bitorder="little")
    padded = np.zeros((*packed.shape[:2], word.itemsize), np.uint8)
    padded[:, :, : packed.shape[2]] = packed
    return np.ascontiguousarray(padded.view(word)[:, :, 0].T)


def _with_neighbours(reached: Words) -> Words:
    """Return the cells reached and those beside, above and below them."""
    spread: Words = np.left_shift(reached, 1)
    spread |= np.right_shift(reached, 1)
    spread |= reached
    spread[1:] |= reached[:-1]
    spread[:-1] |= reached[1:]
    return spread
