"""A number that tells Sudoku puzzles apart up to the puzzle's symmetries.

Two puzzles are the same problem when one becomes the other by exchanging digits, bands, stacks,
rows of a band, columns of a stack and, where boxes are square, rows with columns. The clues of a
puzzle and the rows, columns, boxes and digits they lie in form a graph. Colour refinement of it
(of Weisfeiler and Leman: a clue's new colour is a hash of its own and of those of its neighbours)
gives the same colours for the same problem.
"""

import numpy as np
import numpy.typing as npt

from puzzle_datasets.kinds.sudoku.rules import BLANK, DIGIT_OFFSET, Tokens, box_shape, cell_houses

Hashes = npt.NDArray[np.uint64]

_ROUNDS = 3
_CHUNK = 2048  # puzzles; their clues then fit into a processor's cache
_ROW, _COLUMN, _BOX, _DIGIT = (np.uint64(tag) for tag in (0x9E37, 0x79B9, 0x7F4A, 0x7C15))
_HALF, _LOW_HALF = np.uint64(32), np.uint64(0xFFFFFFFF)


def invariant(inputs: Tokens, side: int) -> Hashes:
    """Return uint64 [n] for puzzles uint8 [n, L]: equal for puzzles that are the same problem.

    Unequal numbers prove that puzzles are different problems. Different problems with equal
    numbers are rare, except among 4×4 puzzles.
    """
    numbers = np.zeros(len(inputs), np.uint64)
    for begin in range(0, len(inputs), _CHUNK):
        numbers[begin : begin + _CHUNK] = _refined(inputs[begin : begin + _CHUNK], side)
    return numbers


def mixed(values: Hashes) -> Hashes:
    """Return numbers [n] shuffled by a bijection of uint64; near numbers become far ones."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _refined(inputs: Tokens, side: int) -> Hashes:
    """Return the sum of the final colours of each puzzle's clues, uint64 [n]."""
    puzzle, cell = np.nonzero(inputs > BLANK)
    row, column, box = puzzle * 3 * side + cell_houses(side)[cell].T
    digit = puzzle * side + inputs[puzzle, cell] - (DIGIT_OFFSET + 1)
    height, width = box_shape(side)
    tagged = (
        (row, _ROW),
        # Under transposition a column is to be taken for a row.
        (column, _ROW if height == width else _COLUMN),
        (box, _BOX),
        (digit, _DIGIT),
    )
    colour = np.ones(len(puzzle), np.uint64)
    for _ in range(_ROUNDS):
        neighbours = [mixed(_sums(colour, group)[group] + tag) for group, tag in tagged]
        colour = mixed(np.sum([colour, *neighbours], axis=0))
    high, low = (_sums(half, puzzle, len(inputs)) for half in (colour >> _HALF, colour))
    return (high << _HALF) + low


def _sums(colours: Hashes, groups: npt.NDArray[np.int64], least: int = 0) -> Hashes:
    """Return the sum of the lower halves of colours [k] in each of at least so many groups.

    The sums stay below 2⁵³, so that floating point holds them exactly.
    """
    lower = (colours & _LOW_HALF).astype(np.float64)
    return np.bincount(groups, lower, least).astype(np.uint64)
