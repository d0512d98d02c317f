"""The invariant against random symmetries, and against cases counted by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.kinds.sudoku.augment import augment, drawn
from puzzle_datasets.kinds.sudoku.rules import BLANK, BOX_SHAPES, Tokens, invariant, mixed

SIDES = (4, 6, 9)


def random_puzzles(side: int, count: int, seed: int) -> Tokens:
    """Return random digits at random places: the invariant needs no solution."""
    generator = keyed_generator("test", side, seed)
    tokens = generator.integers(2, side + 2, (count, side * side), dtype=np.uint8)
    tokens[generator.random(tokens.shape) > 0.35] = BLANK
    return tokens


def transposed(puzzles: Tokens, side: int) -> Tokens:
    return puzzles.reshape(-1, side, side).swapaxes(1, 2).reshape(-1, side * side)


@given(st.sampled_from(SIDES), st.integers(0, 2**32))
def test_symmetries_keep_it(side: int, seed: int) -> None:
    puzzles = random_puzzles(side, 8, seed)
    words = torch.from_numpy(keyed_generator("words", seed).integers(0, 2**32, (8, side + 3)))
    changed = augment(torch.from_numpy(puzzles), drawn(words, BOX_SHAPES[side]))
    changed_tokens = changed.numpy().astype(np.uint8)
    assert np.array_equal(invariant(puzzles, side), invariant(changed_tokens, side))


@pytest.mark.parametrize("side", SIDES)
def test_transposition_is_a_symmetry_of_square_boxes_only(side: int) -> None:
    puzzles = random_puzzles(side, 50, 0)
    same = invariant(puzzles, side) == invariant(transposed(puzzles, side), side)
    assert same.all() if side != 6 else not same.any()


@pytest.mark.parametrize("side", SIDES)
def test_one_cell_more_or_less_is_another_problem(side: int) -> None:
    puzzles = random_puzzles(side, 200, 1)
    fewer = puzzles.copy()
    fewer[np.arange(200), (puzzles > BLANK).argmax(axis=1)] = BLANK
    assert not (invariant(puzzles, side) == invariant(fewer, side)).any()


def test_random_9x9_puzzles_are_all_told_apart() -> None:
    assert len(np.unique(invariant(random_puzzles(9, 5000, 2), 9))) == 5000


def test_two_clues_on_4x4_differ_by_digit_and_by_the_houses_they_share() -> None:
    """They share box and line, box, line, or no house; whether a band is not told apart."""
    places = [(a, b) for a in range(16) for b in range(a)]
    puzzles = np.full((2, len(places), 16), BLANK, np.uint8)
    for index, (a, b) in enumerate(places):
        puzzles[:, index, a] = 2
        puzzles[:, index, b] = (2, 3)
    numbers, counts = np.unique(invariant(puzzles.reshape(-1, 16), 4), return_counts=True)
    assert len(numbers) == 8
    assert sorted(counts.tolist()) == [8, 8, 16, 16, 32, 32, 64, 64]


def test_neighbours_of_neighbours_tell_problems_apart() -> None:
    """Clues of both have the same neighbours; that these two have 3 and 2 solutions tells them."""
    one = [[1, 1, 1, 1], [1, 5, 3, 1], [3, 2, 1, 1], [5, 1, 1, 1]]
    other = [[1, 1, 1, 1], [1, 1, 1, 3], [1, 3, 1, 2], [2, 4, 1, 1]]
    puzzles = np.array([one, other], np.uint8).reshape(2, 16)
    assert len(np.unique(invariant(puzzles, 4))) == 2


def test_no_clues_and_no_puzzles_are_fine() -> None:
    assert len(invariant(np.zeros((0, 81), np.uint8), 9)) == 0
    empty = np.full((2, 16), BLANK, np.uint8)
    assert len(np.unique(invariant(empty, 4))) == 1


def test_long_sets_are_hashed_as_short_ones() -> None:
    puzzles = random_puzzles(4, 5000, 3)
    tail = invariant(puzzles[4990:], 4)
    assert np.array_equal(invariant(puzzles, 4)[4990:], tail)


def test_mixing_loses_nothing() -> None:
    assert len(np.unique(mixed(np.arange(100_000, dtype=np.uint64)))) == 100_000
