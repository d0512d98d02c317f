"""Search Sudoku grids for solutions, and take clues away while there is but one.

These functions keep to what numba compiles as well, and draw nothing: they make the same puzzles
compiled and not. The fields of a search's `State` are arrays when it is compiled and lists, which
are then faster, when not. The cells that a branch fills are the last ones in the order of filling,
so blanking these undoes it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.int64]
"""Digits as bits: digit d is bit d - 1, and 0 is a blank."""

FIRST: Any = np.int64(1)
"""Stop at the first solution; a plain 1 would have numba compile the whole search once more."""


class State(NamedTuple):
    """A grid amid a search.

    `row`, `column` and `box` are the numbers of each cell's houses [L]; `used` the digits in each
    house [3·side]: rows, then columns, then boxes; `digits` what is in each cell [L], and `clues`
    the puzzle's. `order` has all cells [L], the filled ones first, in the order of filling;
    `guesses` is the order in which each cell tries digits, counted from 0 [L, side]. `once` and
    `twice` are scratch: the digits that have a place in each house, and those that have several
    [3·side].
    """

    row: list[int]
    column: list[int]
    box: list[int]
    used: list[int]
    digits: list[int]
    order: list[int]
    guesses: list[list[int]]
    clues: list[int]
    once: list[int]
    twice: list[int]


def candidates(state: State, cell: int) -> int:
    """Return the digits that no house of a cell has yet, as bits."""
    used = state.used
    full = (1 << len(used) // 3) - 1
    return full & ~(used[state.row[cell]] | used[state.column[cell]] | used[state.box[cell]])


def fill(state: State, filled: int, at: int, bit: int) -> int:
    """Put a digit into the cell at a place of the order; return the new number of filled cells."""
    order, used = state.order, state.used
    cell = order[at]
    order[at], order[filled] = order[filled], cell
    state.digits[cell] = bit
    used[state.row[cell]] |= bit
    used[state.column[cell]] |= bit
    used[state.box[cell]] |= bit
    return filled + 1


def undo(state: State, filled: int) -> None:
    """Blank all cells but the first `filled` of the order."""
    used = state.used
    for at in range(filled, len(state.order)):
        cell = state.order[at]
        bit = state.digits[cell]
        if bit == 0:
            break
        state.digits[cell] = 0
        used[state.row[cell]] ^= bit
        used[state.column[cell]] ^= bit
        used[state.box[cell]] ^= bit


def load(state: State) -> int:
    """Fill in the clues and no more; return their number, -1 if two contradict each other."""
    undo(state, 0)
    filled = 0
    for at in range(len(state.order)):
        cell = state.order[at]
        bit = state.clues[cell]
        if bit != 0:
            if candidates(state, cell) & bit == 0:
                return -1
            filled = fill(state, filled, at, bit)
    return filled


def fill_naked(state: State, filled: int) -> int:
    """Fill cells with one candidate; return the number filled, -1 if a cell has none."""
    for at in range(filled, len(state.order)):
        bits = candidates(state, state.order[at])
        if bits == 0:
            return -1
        if bits & (bits - 1) == 0:
            filled = fill(state, filled, at, bits)
    return filled


def fill_hidden(state: State, filled: int) -> int:
    """Fill cells that are a digit's only place in a house; -1 if a digit has no place."""
    order, once, twice = state.order, state.once, state.twice
    full = (1 << len(once) // 3) - 1
    for house in range(len(once)):
        once[house] = twice[house] = 0
    for at in range(filled, len(order)):
        cell = order[at]
        bits = candidates(state, cell)
        for house in (state.row[cell], state.column[cell], state.box[cell]):
            twice[house] |= once[house] & bits
            once[house] |= bits
    for house in range(len(once)):
        if once[house] | state.used[house] != full:
            return -1
        once[house] &= ~twice[house]
    for at in range(filled, len(order)):
        cell = order[at]
        only = once[state.row[cell]] | once[state.column[cell]] | once[state.box[cell]]
        if only != 0:
            # Cells filled a moment ago may have taken the digit.
            only &= candidates(state, cell)
            if only != 0:
                filled = fill(state, filled, at, only & -only)
    return filled


def propagate(state: State, filled: int) -> int:
    """Fill all that naked and hidden singles give; return the number filled, -1 if none can be."""
    before = -1
    while before < filled < len(state.order):
        before = filled
        filled = fill_naked(state, filled)
        if filled == before:
            filled = fill_hidden(state, filled)
    return filled


def tightest(state: State, filled: int) -> int:
    """Return the place in the order of a blank cell with the fewest candidates."""
    best, fewest = filled, len(state.used)
    for at in range(filled, len(state.order)):
        bits, size = candidates(state, state.order[at]), 0
        while bits != 0:
            bits &= bits - 1
            size += 1
        if size < fewest:
            best, fewest = at, size
        if fewest == 2:
            break
    return best


def search(state: State, begun: int, most: int) -> int:
    """Return how many solutions a grid with `begun` filled cells has, up to `most`.

    When there are `most` the last one stays in the grid, otherwise the grid is as it was.
    """
    order = state.order
    filled = propagate(state, begun)
    found = 1 if filled == len(order) else 0
    if found == most:
        return found
    if 0 <= filled < len(order):
        at = tightest(state, filled)
        cell = order[at]
        order[at], order[filled] = order[filled], cell
        bits = candidates(state, cell)
        for rank in range(len(state.used) // 3):
            bit = bits & (1 << state.guesses[cell][rank])
            if bit != 0:
                found += search(state, fill(state, filled, filled, bit), most - found)
                if found == most:
                    return found
                undo(state, filled)
    undo(state, begun)
    return found


def is_needed(state: State, cell: int) -> bool:
    """Return True if clues with one solution have more of them without the clue of a cell."""
    bit = state.clues[cell]
    state.clues[cell] = 0
    filled = load(state)
    state.clues[cell] = bit
    at = filled
    while state.order[at] != cell:
        at += 1
    others = candidates(state, cell) & ~bit
    while others != 0:
        guess = others & -others
        if search(state, fill(state, filled, at, guess), FIRST) == 1:
            return True
        undo(state, filled)
        at = filled
        others ^= guess
    return False


def strip(state: State, removal: Sequence[int], clues: int) -> None:
    """Take clues away, in an order of all cells, while one solution is left; keep `clues`."""
    left = len(removal)
    for rank in range(len(removal)):
        cell = removal[rank]
        if left > clues and not is_needed(state, cell):
            state.clues[cell] = 0
            left -= 1


def search_all(state: State, puzzles: Bits, most: int, solutions: Bits, counts: Ints) -> None:
    """Count solutions of puzzles [n, L] up to `most`; where there are, store the last one."""
    for index in range(len(puzzles)):
        for cell in range(len(state.clues)):
            state.clues[cell] = puzzles[index, cell]
        filled = load(state)
        if filled >= 0:
            counts[index] = search(state, filled, most)
        if counts[index] == most:
            for cell in range(len(state.clues)):
                solutions[index, cell] = state.digits[cell]


def generate_all(
    state: State,
    filling: Ints,
    guesses: Ints,
    removal: Ints,
    clues: int,
    puzzles: Bits,
    solutions: Bits,
) -> None:
    """Make puzzles [n, L] and their solutions, each from its own random permutations.

    `filling` [n, L] and `removal` [n, L] order the cells for filling the grid and for taking
    clues away, `guesses` [n, L, side] the digits, counted from 0, that each cell tries.
    """
    for index in range(len(puzzles)):
        undo(state, 0)
        for cell in range(len(state.clues)):
            state.order[cell] = filling[index, cell]
            state.clues[cell] = 0
            for rank in range(len(state.used) // 3):
                state.guesses[cell][rank] = guesses[index, cell, rank]
        search(state, load(state), FIRST)
        for cell in range(len(state.clues)):
            state.clues[cell] = solutions[index, cell] = state.digits[cell]
        strip(state, removal[index], clues)
        for cell in range(len(state.clues)):
            puzzles[index, cell] = state.clues[cell]
