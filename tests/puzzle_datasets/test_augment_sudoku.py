"""Symmetries of Sudoku: they undo, they keep solutions, and they are all of them."""

from math import factorial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from puzzle_datasets.kinds.sudoku.augment import Augmentation, augment, drawn, line_orders, undo
from puzzle_datasets.kinds.sudoku.rules import is_solution
from puzzle_datasets.loading.batch import counter_draws, counter_key

BOXES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}
SIDES = st.sampled_from([*BOXES])


def solution(side: int) -> Tensor:
    """Return one solved grid [L]: each row is the one above it, shifted."""
    height, width = BOXES[side]
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    digits = (row % height * width + row // height + column) % side + 1
    return (digits + 1).flatten().byte()


def changes(side: int, seed: int, count: int) -> Augmentation:
    numbers = torch.arange(count)
    words = counter_draws(counter_key("test", seed), (numbers, numbers), side + 3)
    return drawn(words, BOXES[side])


@given(SIDES, st.integers(0, 2**31), st.data())
def test_undo_is_the_inverse(side: int, seed: int, data: st.DataObject) -> None:
    cells = data.draw(st.binary(min_size=3 * side**2, max_size=3 * side**2))
    tokens = torch.from_numpy(np.frombuffer(cells, np.uint8) % (side + 2)).view(3, -1)
    change = changes(side, seed, 3)
    changed = augment(tokens, change)
    assert torch.equal(undo(changed, change), tokens.int())
    assert torch.equal(augment(undo(tokens, change), change), tokens.int())
    assert torch.equal((changed < 2).sum(1), (tokens < 2).sum(1))


@given(SIDES, st.integers(0, 2**31))
def test_solutions_stay_solutions(side: int, seed: int) -> None:
    grids = augment(solution(side).repeat(20, 1), changes(side, seed, 20))
    assert is_solution(grids.numpy().astype(np.uint8), side).all()
    assert len(grids.unique(dim=0)) > 1


@given(SIDES, st.integers(0, 2**31), st.data())
def test_cells_move_as_the_augmentation_says(side: int, seed: int, data: st.DataObject) -> None:
    cells = data.draw(st.binary(min_size=side**2, max_size=side**2))
    grid = (np.frombuffer(cells, np.uint8) % (side + 2)).reshape(side, side)
    change = changes(side, seed, 1)
    [rows], [columns] = change.rows.tolist(), change.columns.tolist()
    moved = (grid.T if change.transposes.item() else grid)[rows][:, columns]
    new_token = [0, 1, *(change.digits[0] + 2).tolist()]
    expected = [[new_token[token] for token in line] for line in moved]
    assert (
        augment(torch.from_numpy(grid).view(1, -1), change).view(side, side).tolist() == expected
    )


@pytest.mark.parametrize("side", BOXES)
def test_every_symmetry_comes_up(side: int) -> None:
    change = changes(side, 0, 40_000)
    assert change.transposes.unique().tolist() == ([False] if side == 6 else [False, True])
    height, width = BOXES[side]
    for lines, band, bands in ((change.rows, height, width), (change.columns, width, height)):
        orders = line_orders(bands, band)
        assert len(orders) == factorial(bands) * factorial(band) ** bands
        seen = lines.unique(dim=0)
        assert torch.equal(seen, orders.unique(dim=0))
    shown = change.digits.flatten() + side * torch.arange(side).repeat(40_000)
    counts = shown.bincount(minlength=side**2)
    assert (counts - 40_000 / side).abs().max() < 5 * (40_000 / side) ** 0.5


@pytest.mark.parametrize("side", BOXES)
def test_zeros_draw_what_changes_nothing(side: int) -> None:
    nothing = drawn(torch.zeros(1, side + 3, dtype=torch.int64), BOXES[side])
    grid = solution(side)[None]
    assert torch.equal(augment(grid, nothing), grid.int())
