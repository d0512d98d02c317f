"""Recipes against augmented tasks that are written out and compared."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzle_datasets.common.dihedral import NUM_DIHEDRAL, transform_grid
from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.kinds.arc.recipes import Grid, Pair, Recipes, draw_recipes


def written_out(pairs: Sequence[Pair], dihedral: int, colours: Grid) -> tuple[object, ...]:
    def grid_bytes(grid: Grid) -> tuple[tuple[int, ...], bytes]:
        new = colours[transform_grid(grid, dihedral)]
        return new.shape, new.tobytes()

    return tuple(sorted((grid_bytes(left), grid_bytes(right)) for left, right in pairs))


def distinct(pairs: Sequence[Pair], recipes: Recipes) -> int:
    both = zip(recipes.dihedral.tolist(), recipes.colours, strict=True)
    return len({written_out(pairs, dihedral, colours) for dihedral, colours in both})


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    height, width = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    cells = draw(st.lists(st.integers(0, 9), min_size=height * width, max_size=height * width))
    return np.array(cells, np.uint8).reshape(height, width)


TASKS = st.lists(st.tuples(grids(), grids()), min_size=1, max_size=3)


@given(TASKS, st.integers(0, 60))
def test_recipes_are_valid_and_distinct(pairs: list[Pair], count: int) -> None:
    recipes = draw_recipes(pairs, count, keyed_generator("test"))
    assert 1 <= len(recipes) <= count + 1
    assert recipes.dihedral[0] == 0
    assert recipes.colours[0].tolist() == list(range(10))
    assert (recipes.dihedral < NUM_DIHEDRAL).all()
    assert (recipes.colours[:, 0] == 0).all()
    assert (np.sort(recipes.colours, axis=1) == np.arange(10)).all()
    assert distinct(pairs, recipes) == len(recipes)


@settings(max_examples=30)
@given(st.lists(st.tuples(grids(), grids()), min_size=1, max_size=3))
def test_two_colours_are_exhausted(pairs: list[Pair]) -> None:
    """Of colours 0 and 1 a task has at most 72 variants, and 5000 tries find all of them."""
    reduced = [(left % 2, right % 2) for left, right in pairs]
    swaps = np.tile(np.arange(10, dtype=np.uint8), (9, 1))
    for other in range(1, 10):
        swaps[other - 1, [1, other]] = other, 1
    every = Recipes(
        dihedral=np.repeat(np.arange(8, dtype=np.uint8), 9), colours=np.tile(swaps, (8, 1))
    )
    recipes = draw_recipes(reduced, 1000, keyed_generator("test"))
    assert len(recipes) == distinct(reduced, every)


def test_a_task_stays_short_after_five_tries_for_each_recipe() -> None:
    """Of this task's 72 variants the sixth round of tries would find the one that is missing."""
    grid = np.array([[0, 1, 1], [0, 0, 1], [1, 0, 0]], np.uint8)
    assert len(draw_recipes([(grid, grid[:1])], 71, keyed_generator("test", 0))) == 71


def test_pairs_in_another_order_are_the_same_task() -> None:
    left, right = np.array([[1, 2]], np.uint8), np.array([[2, 1]], np.uint8)
    mirrored = draw_recipes([(left, left), (right, right)], 1000, keyed_generator("test"))
    # 9·8 ordered choices of two colours; mirror images only swap the pairs, as colours do too.
    assert len(mirrored) == 2 * 36


def test_the_draw_depends_on_the_key_alone() -> None:
    pairs = [(np.array([[1, 2], [0, 3]], np.uint8), np.array([[3]], np.uint8))]
    one, same = (draw_recipes(pairs, 50, keyed_generator("test", 1)) for _ in range(2))
    other = draw_recipes(pairs, 50, keyed_generator("test", 2))
    assert np.array_equal(one.colours, same.colours)
    assert not np.array_equal(one.colours, other.colours)
