"""Solve Sudoku puzzles, and make random ones with a single solution.

With numba installed this is 60 to 130 times faster, after some seconds of compilation.
"""

from functools import cache
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from puzzle_datasets.kinds.sudoku import solver as sudoku_search
from puzzle_datasets.kinds.sudoku.rules import BLANK, DIGIT_OFFSET, cell_houses
from puzzle_datasets.kinds.sudoku.solver import Bits, Ints, State
from puzzle_datasets.storage.schema import Tokens

MOST_SOLVED_ANEW = 1_000
"""Puzzles of a split whose solution is shown to be the only one; of a larger split, a sample.

They take about a minute without numba, and a fault in 1 % of a split shows.
"""


@cache
def compiled() -> Any:
    """Return the functions of `sudoku_search`, compiled where numba is installed."""
    try:
        import numba
    except ImportError:
        return sudoku_search
    namespace = dict(vars(sudoku_search))
    for name, function in vars(sudoku_search).items():
        if isinstance(function, FunctionType):
            # Functions find each other in their globals: those of these hold the compiled ones.
            namespace[name] = numba.njit(FunctionType(function.__code__, namespace, name))
    return SimpleNamespace(**namespace)


def count_solutions(puzzles: Tokens, side: int, most: int = 2) -> Ints:
    """Return how many solutions puzzles uint8 [n, L] of tokens have, int64 [n], up to `most`."""
    return _search_all(puzzles, side, most)[1]


def solve(puzzles: Tokens, side: int) -> Tokens:
    """Return a solution of each puzzle uint8 [n, L] of tokens; the puzzle where there is none."""
    return _search_all(puzzles, side, 1)[0]


def generate(
    side: int, clues: int, count: int, generator: np.random.Generator
) -> tuple[Tokens, Tokens]:
    """Return `count` random puzzles and their only solutions, tokens uint8 [count, L].

    Clues are taken away in random order while the solution stays the only one, down to `clues`; a
    puzzle left with more is minimal. Solutions equal up to symmetry are equally likely, and so are
    puzzles; others need not be.
    """
    cells = side * side
    filling, removal = (_permutations(generator, (count, cells)) for _ in range(2))
    guesses = _permutations(generator, (count, cells, side))
    puzzles, solutions = (np.zeros((count, cells), np.int64) for _ in range(2))
    kernels = compiled()
    kernels.generate_all(
        _new_state(side, kernels), filling, guesses, removal, clues, puzzles, solutions
    )
    return _to_tokens(puzzles, side), _to_tokens(solutions, side)


def _search_all(puzzles: Tokens, side: int, most: int) -> tuple[Tokens, Ints]:
    bit = np.zeros(256, np.int64)
    bit[1 + DIGIT_OFFSET : 1 + DIGIT_OFFSET + side] = 1 << np.arange(side)
    clues = bit[puzzles]
    solutions, counts = clues.copy(), np.zeros(len(puzzles), np.int64)
    kernels = compiled()
    kernels.search_all(_new_state(side, kernels), clues, most, solutions, counts)
    return _to_tokens(solutions, side), counts


def _new_state(side: int, kernels: Any) -> State:
    """Return an empty grid, in arrays for compiled kernels and in lists for plain ones."""
    cells = side * side
    row, column, box = cell_houses(side).T.copy()
    used, once, twice = np.zeros((3, 3 * side), np.int64)
    digits, clues = np.zeros((2, cells), np.int64)
    guesses = np.tile(np.arange(side), (cells, 1))
    order = np.arange(cells)
    arrays = (row, column, box, used, digits, order, guesses, clues, once, twice)
    fields: Any = arrays
    if kernels is sudoku_search:
        fields = [array.tolist() for array in arrays]
    return State(*fields)


def _permutations(generator: np.random.Generator, shape: tuple[int, ...]) -> Ints:
    ordered = np.tile(np.arange(shape[-1]), (*shape[:-1], 1))
    return generator.permuted(ordered, axis=-1)


def _to_tokens(bits: Bits, side: int) -> Tokens:
    token = np.full(1 << side, BLANK, np.uint8)
    token[1 << np.arange(side)] = np.arange(1, side + 1) + DIGIT_OFFSET
    return token[bits]
