"""The rules of mazes against a plain search of one maze at a time."""

from collections import deque
from functools import cache
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.common.dihedral import NUM_DIHEDRAL, transform_grid
from puzzle_datasets.kinds.maze import rules as maze

Tokens = npt.NDArray[np.uint8]
Cell = tuple[int, int]


def read(*lines: str) -> Tokens:
    """Return one maze [1, L] drawn in text."""
    tokens = [maze.CHARACTERS.index(character) + 1 for line in lines for character in line]
    return np.array([tokens], np.uint8)


@st.composite
def batches(draw: st.DrawFn, square: bool = False) -> tuple[Tokens, maze.Shape]:
    """Some mazes [n, L] of one shape, with S and G anywhere and perhaps no path."""
    rows = draw(st.integers(2, 6))
    columns = rows if square else draw(st.integers(2, 6))
    count = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    share = draw(st.floats(0, 0.6))
    cells = np.where(rng.random((count, rows * columns)) < share, maze.WALL, maze.OPEN)
    for row in cells:
        row[rng.choice(rows * columns, 2, replace=False)] = maze.START, maze.GOAL
    return cells.astype(np.uint8), (rows, columns)


def neighbours(grid: Tokens, cell: Cell) -> list[Cell]:
    around = [(cell[0] + down, cell[1] + right) for down, right in MOVES]
    return [c for c in around if all(0 <= x < n for x, n in zip(c, grid.shape, strict=True))]


MOVES = ((-1, 0), (0, -1), (0, 1), (1, 0))


def plain_steps(grid: Tokens, origin: int) -> dict[Cell, int]:
    (start,) = map(tuple, np.argwhere(grid == origin).tolist())
    steps = {start: 0}
    queue = deque([start])
    while queue:
        cell = queue.popleft()
        for neighbour in neighbours(grid, cell):
            if grid[neighbour] != maze.WALL and neighbour not in steps:
                steps[neighbour] = steps[cell] + 1
                queue.append(neighbour)
    return steps


def plain_paths(grid: Tokens) -> list[tuple[Cell, ...]]:
    """All shortest paths from S to G, in the order of up, left, right and down."""
    to_goal = plain_steps(grid, maze.GOAL)

    @cache
    def onward(cell: Cell) -> list[tuple[Cell, ...]]:
        if to_goal[cell] == 0:
            return [(cell,)]
        nearer = [c for c in neighbours(grid, cell) if to_goal.get(c) == to_goal[cell] - 1]
        return [(cell, *path) for neighbour in nearer for path in onward(neighbour)]

    (start,) = map(tuple, np.argwhere(grid == maze.START).tolist())
    return onward(start) if start in to_goal else []


@given(batches())
def test_steps_and_counts_are_those_of_a_plain_search(batch: tuple[Tokens, maze.Shape]) -> None:
    inputs, shape = batch
    distances = maze.distances(inputs, shape, maze.START)
    lengths = maze.shortest_lengths(inputs, shape)
    counts = maze.count_shortest(inputs, shape)
    for row, grid in enumerate(inputs.reshape(-1, *shape)):
        steps = plain_steps(grid, maze.START)
        assert distances[row].tolist() == [steps.get(cell, -1) for cell in np.ndindex(shape)]
        paths = plain_paths(grid)
        assert counts[row] == len(paths)
        assert lengths[row] == (len(paths[0]) - 1 if paths else -1)


@given(batches())
def test_the_label_is_the_first_shortest_path(batch: tuple[Tokens, maze.Shape]) -> None:
    inputs, shape = batch
    labels = maze.solve(inputs, shape)
    assert ((labels == inputs) | (inputs == maze.OPEN)).all()
    for grid, label in zip(inputs.reshape(-1, *shape), labels.reshape(-1, *shape), strict=True):
        paths = plain_paths(grid)
        marked = {tuple(cell) for cell in np.argwhere(label == maze.PATH).tolist()}
        assert marked == (set(paths[0][1:-1]) if paths else set())


@given(batches())
def test_labels_are_valid_and_shortest(batch: tuple[Tokens, maze.Shape]) -> None:
    inputs, shape = batch
    solvable = maze.shortest_lengths(inputs, shape) > 0
    valid, shortest = maze.path_scores(inputs, maze.solve(inputs, shape), shape)
    # Where S and G are neighbours the maze is its own label.
    assert (valid == solvable).all()
    assert (shortest == solvable).all()


def test_every_prediction_of_a_small_maze_is_scored_right() -> None:
    """All fillings of six open cells, against the definition read cell by cell."""
    inputs = read("S  ", " # ", "  G")
    open_cells = np.flatnonzero(inputs[0] == maze.OPEN)
    fillings = np.array(list(product((maze.OPEN, maze.PATH), repeat=len(open_cells))), np.uint8)
    predictions = np.repeat(inputs, len(fillings), axis=0)
    predictions[:, open_cells] = fillings
    valid, shortest = maze.path_scores(
        np.repeat(inputs, len(fillings), axis=0), predictions, (3, 3)
    )
    sides = ({1, 2, 5}, {3, 6, 7})
    for row, prediction in enumerate(predictions):
        marked = set(np.flatnonzero(prediction == maze.PATH).tolist())
        assert valid[row] == any(side <= marked for side in sides)
        assert shortest[row] == (marked in sides)


@pytest.mark.parametrize(
    ("prediction", "valid", "shortest"),
    [
        (("Sooo", "###o", "   G"), True, True),
        (("Sooo", "###o", "  oG"), True, False),
        (("Soo ", "###o", "   G"), False, False),
        (("Sooo", "##oo", "   G"), False, False),
        (("Sooo", "### ", "   G"), False, False),
        (("oooo", "###o", "   G"), False, False),
        (("Sooo", "###o", "   o"), False, False),
        (("Sooo", "###o", "#  G"), False, False),
        (("Sooo", "###o", "S  G"), False, False),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_path_scores(
    prediction: tuple[str, ...], valid: bool, shortest: bool, dtype: type[np.integer]
) -> None:
    inputs = read("S   ", "### ", "   G")
    scores = maze.path_scores(inputs, read(*prediction).astype(dtype), (3, 4))
    assert [score.tolist() for score in scores] == [[valid], [shortest]]


def test_a_path_does_not_run_around_the_edge() -> None:
    """The end of a row and the beginning of the next, or the last row and the first, are apart."""
    inputs = np.concatenate([read("  S", "###", "G  "), read("S  ", "###", "G  ")])
    assert maze.shortest_lengths(inputs, (3, 3)).tolist() == [-1, -1]
    assert maze.shortest_lengths(read(" S", "G "), (2, 2)).tolist() == [2]


@pytest.mark.parametrize(
    ("inputs", "label", "sentence"),
    [
        (("S  ", "#oG"), ("So ", "#oG"), "holds tokens other than"),
        (("S  ", "#  "), ("Soo", "# o"), "exactly one S and one G"),
        (("S S", "# G"), ("SoS", "#oG"), "exactly one S and one G"),
        (("S  ", "##G"), ("Soo", "#oG"), "elsewhere than in open cells"),
        (("S  ", "# G"), ("S  ", "#oG"), "do not connect S with G"),
        (("S  ", "###"), ("Soo", "###"), "exactly one S and one G"),
        (("S  ", "# G"), ("Soo", "#oG"), "not one shortest path"),
    ],
)
def test_faults_are_found(inputs: tuple[str, ...], label: tuple[str, ...], sentence: str) -> None:
    good, solved = read("S  ", "# G"), read("So ", "#oG")
    mazes = np.concatenate([good, read(*inputs), read(*inputs)])
    labels = np.concatenate([solved, read(*label), read(*label)])
    assert maze.find_fault(good, solved, (2, 3)) is None
    found = maze.find_fault(mazes, labels, (2, 3))
    assert found is not None
    assert found[0] == 1
    assert sentence in found[1]


def test_longer_labels_can_be_let_pass() -> None:
    inputs, label = read("S  ", "# G"), read("Soo", "#oG")
    assert maze.find_fault(inputs, label, (2, 3), must_be_shortest=False) is None
    broken = read("S o", "#oG")
    assert maze.find_fault(inputs, broken, (2, 3), must_be_shortest=False) is not None


@given(batches(square=True), st.integers(0, NUM_DIHEDRAL - 1))
def test_the_hash_knows_mazes_in_all_orientations(
    batch: tuple[Tokens, maze.Shape], dihedral: int
) -> None:
    inputs, shape = batch
    turned = [transform_grid(grid, dihedral).ravel() for grid in inputs.reshape(-1, *shape)]
    hashes = maze.canonical_hash(inputs, shape)
    assert (maze.canonical_hash(np.stack(turned), shape) == hashes).all()
    copies = [
        {transform_grid(grid, k).tobytes() for k in range(NUM_DIHEDRAL)}
        for grid in inputs.reshape(-1, *shape)
    ]
    for first, second in product(range(len(inputs)), repeat=2):
        assert (hashes[first] == hashes[second]) == (copies[first] == copies[second])


def test_the_hash_tells_start_from_goal_and_keeps_the_shape() -> None:
    first = maze.canonical_hash(read("S  ", "# G"), (2, 3))
    assert first != maze.canonical_hash(read("G  ", "# S"), (2, 3))
    assert first == maze.canonical_hash(read("  S", "G #"), (2, 3))
    assert first == maze.canonical_hash(read("# G", "S  "), (2, 3))


def test_no_mazes_are_no_trouble() -> None:
    nothing = np.empty((0, 12), np.uint8)
    assert maze.solve(nothing, (3, 4)).shape == (0, 12)
    assert maze.count_shortest(nothing, (3, 4)).shape == (0,)
    assert maze.find_fault(nothing, nothing, (3, 4)) is None
    assert maze.canonical_hash(nothing, (3, 4)).shape == (0,)
