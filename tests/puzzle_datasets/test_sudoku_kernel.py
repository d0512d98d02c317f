"""The solver and the generator, plain and compiled."""

import itertools
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.kinds.sudoku import kernel as sudoku_kernel
from puzzle_datasets.kinds.sudoku import solver as sudoku_search
from puzzle_datasets.kinds.sudoku.kernel import count_solutions, generate, solve
from puzzle_datasets.kinds.sudoku.rules import (
    BLANK,
    Tokens,
    changed_clues,
    find_fault,
    is_solution,
)

SIDES = (4, 6, 9)


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "numba", None)
    sudoku_kernel.compiled.cache_clear()
    assert sudoku_kernel.compiled() is sudoku_search
    yield
    sudoku_kernel.compiled.cache_clear()


def made(side: int, clues: int, count: int, seed: int = 0) -> tuple[Tokens, Tokens]:
    return generate(side, clues, count, keyed_generator("test", seed))


def all_solutions() -> Tokens:
    """Return the 288 solutions of side 4, found by trying every digit in every cell."""
    grids = np.zeros((1, 0), np.uint8)
    for cell in range(16):
        row, column = divmod(cell, 4)
        peers = [
            p
            for p in range(cell)
            if p // 4 == row or p % 4 == column or (p // 8, p % 4 // 2) == (row // 2, column // 2)
        ]
        grown = [
            np.append(grid, token).astype(np.uint8)
            for grid, token in itertools.product(grids, range(2, 6))
            if token not in grid[peers]
        ]
        grids = np.stack(grown)
    return grids


@pytest.mark.usefixtures("without_numba")
@pytest.mark.parametrize("side", SIDES)
def test_puzzles_have_one_solution_and_need_each_clue(side: int) -> None:
    inputs, labels = made(side, 0, 2)
    assert find_fault(inputs, labels, side) is None
    assert (count_solutions(inputs, side) == 1).all()
    for cell in np.flatnonzero(inputs[0] > BLANK):
        fewer = inputs[:1].copy()
        fewer[0, cell] = BLANK
        assert count_solutions(fewer, side) == 2


@pytest.mark.usefixtures("without_numba")
@pytest.mark.parametrize(("side", "clues"), [(4, 9), (6, 20), (9, 40)])
def test_clues_are_taken_away_down_to_the_number_asked_for(side: int, clues: int) -> None:
    inputs, labels = made(side, clues, 3)
    assert ((inputs > BLANK).sum(axis=1) == clues).all()
    assert np.array_equal(solve(inputs, side), labels)


@pytest.mark.usefixtures("without_numba")
def test_solutions_are_counted_as_by_trying_all() -> None:
    solutions = all_solutions()
    assert len(solutions) == 288
    assert is_solution(solutions, 4).all()
    generator = keyed_generator("test clues")
    puzzles = solutions[generator.integers(0, 288, 60)]
    puzzles[generator.random(puzzles.shape) > 0.4] = BLANK
    puzzles[:20, 0] = 2  # some of these contradict other clues or have no solution
    counts = [
        (changed_clues(puzzle[None].repeat(288, axis=0), solutions) == 0).sum()
        for puzzle in puzzles
    ]
    assert 0 in counts
    assert 1 in counts
    assert count_solutions(puzzles, 4, most=1000).tolist() == counts
    assert count_solutions(puzzles, 4).tolist() == np.minimum(counts, 2).tolist()


@pytest.mark.usefixtures("without_numba")
def test_what_has_no_solution_stays_as_it_is() -> None:
    puzzle = np.full((1, 81), BLANK, np.uint8)
    puzzle[0, :2] = 5
    assert count_solutions(puzzle, 9) == 0
    assert np.array_equal(solve(puzzle, 9), puzzle)


@pytest.mark.usefixtures("without_numba")
def test_solutions_equal_up_to_symmetry_come_up_alike() -> None:
    """Side 4 has two classes of them, told apart by how many rectangles hold two digits only."""
    solutions, counts = np.unique(made(4, 16, 4000)[1], axis=0, return_counts=True)
    assert len(solutions) == 288
    grids = solutions.reshape(-1, 4, 4)
    pairs = list(itertools.combinations(range(4), 2))
    rectangles = np.zeros(288, np.int64)
    for (top, bottom), (left, right) in itertools.product(pairs, pairs):
        crosses = grids[:, top, left] == grids[:, bottom, right]
        rectangles += crosses & (grids[:, top, right] == grids[:, bottom, left])
    classes, sizes = np.unique(rectangles, return_counts=True)
    assert sorted(sizes.tolist()) == [96, 192]
    for number, size in zip(classes, sizes, strict=True):
        observed = counts[rectangles == number]
        chi_square = ((observed - observed.mean()) ** 2).sum() / observed.mean()
        # Five standard deviations above what equal chances give.
        assert chi_square < size + 5 * (2 * size) ** 0.5


def test_the_order_of_guesses_decides_the_solution() -> None:
    generator = keyed_generator("test guesses")
    in_order = np.tile(np.arange(16), (50, 1))
    guesses = generator.permuted(np.tile(np.arange(4), (50, 16, 1)), axis=-1)
    puzzles, solutions = np.zeros((2, 50, 16), np.int64)
    state = sudoku_kernel._new_state(4, sudoku_search)
    sudoku_search.generate_all(state, in_order, guesses, in_order, 16, puzzles, solutions)
    assert len(np.unique(solutions, axis=0)) > 30


def test_compiled_and_plain_kernels_make_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    sudoku_kernel.compiled.cache_clear()
    compiled = [made(side, clues, 3) for side, clues in ((4, 6), (6, 0), (9, 0), (9, 30))]
    empty = np.full((1, 81), BLANK, np.uint8)
    solved = solve(empty, 9)
    assert sudoku_kernel.compiled() is not sudoku_search
    monkeypatch.setattr(sudoku_kernel, "compiled", lambda: sudoku_search)
    plain = [made(side, clues, 3) for side, clues in ((4, 6), (6, 0), (9, 0), (9, 30))]
    assert all(map(np.array_equal, itertools.chain(*compiled), itertools.chain(*plain)))
    assert np.array_equal(solve(empty, 9), solved)
