"""The two families of grids, and the search for those with long ways."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.kinds.maze import rules as maze
from puzzle_datasets.kinds.maze.search import (
    DrawGrids,
    Mask,
    any_of,
    draw_perfect,
    draw_random_walls,
    far_reaching,
)

SEEDS = st.integers(0, 2**16)


def distances(open_cells: Mask, starts: np.ndarray, side: int) -> np.ndarray:
    inputs = np.where(open_cells, maze.OPEN, maze.WALL)
    inputs[np.arange(len(starts)), starts] = maze.START
    return maze.distances(inputs, (side, side), maze.START)


@given(st.integers(3, 18), SEEDS)
def test_perfect_mazes_are_trees_of_all_rooms(side: int, seed: int) -> None:
    open_cells, starts = draw_perfect(keyed_generator("test", seed), 5, side)
    rooms = ((side + 1) // 2) ** 2
    assert (open_cells.sum(1) == 2 * rooms - 1).all()
    assert open_cells[np.arange(5), starts].all()
    # Connected and of one edge less than cells: any two cells are joined by a single path.
    assert ((distances(open_cells, starts, side) >= 0) == open_cells).all()
    grids = open_cells.reshape(-1, side, side)
    edges = (grids[:, 1:] & grids[:, :-1]).sum((1, 2))
    edges += (grids[:, :, 1:] & grids[:, :, :-1]).sum((1, 2))
    assert (edges == open_cells.sum(1) - 1).all()


def test_the_spare_lines_of_an_even_side_are_walls_at_either_end() -> None:
    open_cells, _ = draw_perfect(keyed_generator("test"), 400, 6)
    grids = open_cells.reshape(-1, 6, 6)
    rows, columns = grids.any(2), grids.any(1)
    for lines in (rows, columns):
        assert (lines.sum(1) == 5).all()
        assert (lines[:, 0] ^ lines[:, -1]).all()
    shares = [rows[:, 0].mean(), columns[:, 0].mean(), (rows[:, 0] == columns[:, 0]).mean()]
    # Four standard deviations of 400 fair draws.
    assert np.abs(np.array(shares) - 0.5).max() < 0.1


def test_the_digger_has_no_favourite_direction() -> None:
    """Four rooms have four trees, each lacking one of the four edges."""
    open_cells, _ = draw_perfect(keyed_generator("test"), 4000, 3)
    doors = open_cells[:, 1::2]
    assert (doors.sum(1) == 3).all()
    assert np.abs(doors.mean(0) - 0.75).max() < 0.03


def test_three_free_directions_are_dug_alike() -> None:
    """Ways between the outer ones of nine rooms mirror each other, and so do the inner ones."""
    open_cells, _ = draw_perfect(keyed_generator("test"), 4000, 5)
    shares = open_cells.reshape(-1, 5, 5).mean(0)
    outer = [*shares[[0, 4], 1::2].flat, *shares[1::2, [0, 4]].flat]
    inner = [*shares[2, 1::2], *shares[1::2, 2]]
    assert np.ptp(outer) < 0.035
    assert np.ptp(inner) < 0.035


@given(st.integers(3, 40), SEEDS)
def test_random_walls_keep_to_their_share(side: int, seed: int) -> None:
    open_cells, starts = draw_random_walls(keyed_generator("test", seed), 50, side)
    assert open_cells.shape == (50, side**2)
    assert open_cells[np.arange(50), starts].all()


def test_shares_of_random_walls_are_uniform() -> None:
    open_cells, starts = draw_random_walls(keyed_generator("test"), 2000, 30)
    shares = 1 - open_cells.mean(1)
    quantiles = np.quantile(shares, (0.1, 0.25, 0.5, 0.75, 0.9))
    assert np.abs(quantiles - (0.32, 0.35, 0.4, 0.45, 0.48)).max() < 0.01
    assert np.abs(np.bincount(starts // 100, minlength=9) / 2000 - 1 / 9).max() < 0.03


@given(st.sampled_from((3, 7, 8, 9, 31, 32, 33, 63, 64)), st.integers(1, 60), SEEDS)
def test_far_reaching_mazes_are_those_of_the_distances(side: int, steps: int, seed: int) -> None:
    open_cells, starts = draw_random_walls(keyed_generator("test", seed), 20, side)
    furthest = distances(open_cells, starts, side).max(1)
    mazes, reached = far_reaching(open_cells, starts, side, steps)
    assert mazes.tolist() == np.flatnonzero(furthest >= steps).tolist()
    assert reached == min(furthest.max(), steps)


def test_ways_along_all_edges_are_counted() -> None:
    """A snake through every second row, down at either end of it."""
    for side in (31, 32, 64):
        grid = np.zeros((1, side, side), np.bool_)
        grid[0, ::2] = True
        grid[0, 1::4, -1] = grid[0, 3::4, 0] = True
        open_cells, starts = grid.reshape(1, -1), np.zeros(1, np.int64)
        longest = int(distances(open_cells, starts, side).max())
        assert longest > side**2 // 2
        assert far_reaching(open_cells, starts, side, longest)[0].tolist() == [0]
        assert far_reaching(open_cells, starts, side, longest + 1)[1] == longest


def test_any_of_picks_true_cells_alike() -> None:
    mask = np.zeros((6000, 7), np.bool_)
    mask[:, [1, 4, 6]] = True
    places = any_of(keyed_generator("test"), mask)
    assert mask[np.arange(6000), places].all()
    assert np.abs(np.bincount(places)[[1, 4, 6]] / 6000 - 1 / 3).max() < 0.03


@pytest.mark.parametrize("draw", [draw_perfect, draw_random_walls])
def test_equal_generators_give_equal_grids(draw: DrawGrids) -> None:
    first, second, other = (draw(keyed_generator("test", k), 10, 9) for k in (1, 1, 2))
    assert (first[0] == second[0]).all()
    assert (first[1] == second[1]).all()
    assert (first[0] != other[0]).any()
