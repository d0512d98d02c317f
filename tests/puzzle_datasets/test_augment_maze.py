"""Symmetries of a square on mazes: they undo, and no path changes its length."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.common.dihedral import NUM_DIHEDRAL, transform_grid
from puzzle_datasets.kinds.maze import rules as maze
from puzzle_datasets.kinds.maze.augment import Augmentation, augment, undo

ALL = Augmentation(dihedral=torch.arange(NUM_DIHEDRAL))


@st.composite
def mazes(draw: st.DrawFn) -> torch.Tensor:
    """Return a maze [L] of any square size in which S and G are somewhere."""
    side = draw(st.integers(2, 7))
    places = st.lists(st.sampled_from([maze.WALL, maze.OPEN]), min_size=side**2, max_size=side**2)
    cells = np.array(draw(places), np.uint8)
    start, goal = draw(st.permutations(range(side**2)))[:2]
    cells[start], cells[goal] = maze.START, maze.GOAL
    return torch.from_numpy(cells)


@given(mazes())
def test_mazes_turn_as_grids_do(cells: torch.Tensor) -> None:
    side = round(len(cells) ** 0.5)
    turned = augment(cells.repeat(NUM_DIHEDRAL, 1), ALL)
    for dihedral, tokens in enumerate(turned.view(-1, side, side).numpy()):
        assert np.array_equal(tokens, transform_grid(cells.view(side, side).numpy(), dihedral))


@given(mazes())
def test_undo_is_the_inverse(cells: torch.Tensor) -> None:
    copies = cells.repeat(NUM_DIHEDRAL, 1)
    assert torch.equal(undo(augment(copies, ALL), ALL), copies)
    assert torch.equal(augment(undo(copies, ALL), ALL), copies)


@given(mazes())
def test_paths_keep_their_length_and_number(cells: torch.Tensor) -> None:
    shape = (round(len(cells) ** 0.5),) * 2
    turned = augment(cells.repeat(NUM_DIHEDRAL, 1), ALL).numpy()
    assert len(set(maze.shortest_lengths(turned, shape).tolist())) == 1
    assert len(set(maze.count_shortest(turned, shape).tolist())) == 1


@given(mazes())
def test_a_turned_solution_solves_the_turned_maze(cells: torch.Tensor) -> None:
    shape = (round(len(cells) ** 0.5),) * 2
    solved = torch.from_numpy(maze.solve(cells[None].numpy(), shape))
    inputs, labels = (
        augment(c.repeat(NUM_DIHEDRAL, 1), ALL).numpy() for c in (cells[None], solved)
    )
    valid, shortest = maze.path_scores(inputs, labels, shape)
    has_path = maze.shortest_lengths(cells[None].numpy(), shape)[0] > 0
    assert valid.tolist() == shortest.tolist() == [has_path] * NUM_DIHEDRAL
