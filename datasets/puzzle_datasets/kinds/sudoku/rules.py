"""The rules of Sudoku on grids of 4×4, 6×6 and 9×9, and its symmetries, for many grids at once.

A grid is a row of L = side² tokens: `PAD` 0 (never in a puzzle), `BLANK` 1, digit d at d + 1. A
house is a row, a column or a box. Two puzzles are the same problem when one becomes the other by
exchanging digits, bands, stacks, rows of a band, columns of a stack and, where boxes are square,
rows with columns. Clues and the houses and digits they lie in form a graph, whose colour
refinement (of Weisfeiler and Leman: a clue's new colour is a hash of its own and of those of its
neighbours) gives the same colours for the same problem.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from puzzle_datasets.storage.schema import PAD, Hashes, Integers, Mask, Tokens

BLANK = 1
DIGIT_OFFSET = 1
"""Digit d is token d + 1."""

BOX_SHAPES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}
FEWEST_CLUES = {4: 4, 6: 8, 9: 17}
"""No puzzle with fewer clues has a unique solution."""

SOLUTIONS = {4: 288, 6: 28_200_960, 9: 6_670_903_752_021_072_936_960}
"""Full grids that keep every rule."""

_SCORED_AT_ONCE = 8192  # grids; what the rules need in memory for them stays below 10 MB

_ROUNDS = 3
_CHUNK = 2048  # puzzles; their clues then fit into a processor's cache
_ROW, _COLUMN, _BOX, _DIGIT = (np.uint64(tag) for tag in (0x9E37, 0x79B9, 0x7F4A, 0x7C15))
_HALF, _LOW_HALF = np.uint64(32), np.uint64(0xFFFFFFFF)


def vocab_size(side: int) -> int:
    """Return the number of tokens: padding, blank and the digits."""
    return side + DIGIT_OFFSET + 1


def legend(side: int) -> dict[str, str]:
    """Return what each token means."""
    digits = {str(digit + DIGIT_OFFSET): f"digit {digit}" for digit in range(1, side + 1)}
    return {str(PAD): "padding", str(BLANK): "blank", **digits}


def clue_counts(inputs: Tokens) -> Tokens:
    """Return how many clues puzzles uint8 [n, L] have, uint8 [n]."""
    return np.asarray((inputs > BLANK).sum(axis=1, dtype=np.uint8))


def house_cells(side: int) -> Integers:
    """Return the cells int64 [3·side, side] of the rows, then the columns, then the boxes."""
    height, width = BOX_SHAPES[side]
    rows = np.arange(side * side).reshape(side, side)
    boxes = rows.reshape(side // height, height, side // width, width).swapaxes(1, 2)
    return np.concatenate([rows, rows.T, boxes.reshape(side, side)])


def cell_houses(side: int) -> Integers:
    """Return the row, the column and the box int64 [L, 3] of every cell, as house numbers."""
    return np.argsort(house_cells(side).ravel(), kind="stable").reshape(-1, 3) // side


def missing_digits(grids: Tokens, side: int) -> Integers:
    """Return how many digits all houses lack, int64 [n]; grids uint8 [n, L] hold any tokens."""
    return np.asarray(np.bitwise_count(_lacking(grids, side)).sum(1, np.int64))


def is_solution(grids: Tokens, side: int) -> Mask:
    """Return which of the grids uint8 [n, L] have every digit in every house, bool [n].

    >>> digits = "1234341221434321"
    >>> is_solution(np.array([[int(digit) + DIGIT_OFFSET for digit in digits]], np.uint8), 4)
    array([ True])
    """
    return np.asarray(missing_digits(grids, side) == 0)


def changed_clues(inputs: Tokens, grids: Tokens) -> Integers:
    """Return how many clues of each puzzle differ in the grid given for it, int64 [n]."""
    return np.asarray(((inputs > BLANK) & (inputs != grids)).sum(1, np.int64))


def score(
    inputs: Tokens, labels: Tokens, predictions: Tokens, grid: tuple[int, int]
) -> dict[str, npt.NDArray[Any]]:
    """Return figures [n] of predicted grids [n, L].

    `exact_accuracy`: every cell is the solution's; `missing_digits`: the digits that rows, columns
    and boxes lack, taken together, 0 if no rule is broken; `changed_clues`: replaced clues.
    """
    starts = range(0, len(predictions), _SCORED_AT_ONCE)
    chunks = [predictions[begin : begin + _SCORED_AT_ONCE] for begin in starts]
    return {
        "exact_accuracy": (predictions == labels).all(1),
        "missing_digits": np.concatenate([missing_digits(chunk, grid[0]) for chunk in chunks]),
        "changed_clues": changed_clues(inputs, predictions),
    }


def find_fault(inputs: Tokens, labels: Tokens, side: int) -> tuple[int, str] | None:
    """Return the first row that is no puzzle with its solution, from 0, and what is wrong."""
    faulty = (
        (_is_alien(inputs, BLANK, side) | _is_alien(labels, BLANK + 1, side)).any(axis=1)
        | ~is_solution(labels, side)
        | (changed_clues(inputs, labels) > 0)
    )
    if not faulty.any():
        return None
    row = int(faulty.argmax())
    return row, _describe(inputs[row], labels[row], side)


def _describe(puzzle: Tokens, solution: Tokens, side: int) -> str:
    for name, grid, lowest in (("puzzle", puzzle, BLANK), ("solution", solution, BLANK + 1)):
        alien = _is_alien(grid, lowest, side)
        if alien.any():
            cell = int(alien.argmax())
            return f"the {name} has token {grid[cell]} at {_place(cell, side)}"
    lacking = _lacking(solution[None], side)[0]
    if lacking.any():
        house = int((lacking > 0).argmax())
        kind = ("row", "column", "box")[house // side]
        digit = int(lacking[house]).bit_length()
        return f"{kind} {house % side + 1} of the solution lacks digit {digit}"
    cell = int(((puzzle > BLANK) & (puzzle != solution)).argmax())
    clue, digit = puzzle[cell] - DIGIT_OFFSET, solution[cell] - DIGIT_OFFSET
    return f"the clue {clue} at {_place(cell, side)} is {digit} in the solution"


def _place(cell: int, side: int) -> str:
    return f"row {cell // side + 1}, column {cell % side + 1}"


def _is_alien(grids: Tokens, lowest: int, side: int) -> Mask:
    return (grids < lowest) | (grids > side + DIGIT_OFFSET)


def _lacking(grids: Tokens, side: int) -> npt.NDArray[np.uint16]:
    """Return the digits that each house lacks, uint16 [n, 3·side] with bit d - 1 for digit d."""
    bit = np.zeros(256, np.uint16)
    bit[BLANK + 1 : side + BLANK + 1] = 1 << np.arange(side)
    cells = bit[grids][:, house_cells(side)]
    present: npt.NDArray[np.uint16] = np.bitwise_or.reduce(cells, axis=2)
    return present ^ np.uint16((1 << side) - 1)


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
    height, width = BOX_SHAPES[side]
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


def _sums(colours: Hashes, groups: Integers, least: int = 0) -> Hashes:
    """Return sums of the lower halves of colours [k] by group: below 2⁵³, floats are exact."""
    lower = (colours & _LOW_HALF).astype(np.float64)
    return np.bincount(groups, lower, least).astype(np.uint64)
