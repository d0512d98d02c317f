"""The rules of mazes: tokens, shortest paths, and right labels and predictions.

A maze is a grid of walls and open cells with one start S and one goal G; a step goes to one of
four neighbours. Its label has the open cells of a shortest path turned to `o`: l - 1 of them for a
path of l steps. Functions take many mazes of one shape at a time, as tokens [n, L] of any integer
type with L = rows * columns.
"""

import hashlib
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.dihedral import NUM_DIHEDRAL, SWAPS_AXES, transform_grid
from puzzle_datasets.storage.rows import first_fault
from puzzle_datasets.storage.schema import Hashes, Integers, Mask

PAD, WALL, OPEN, START, GOAL, PATH = range(6)
VOCAB_SIZE = 6
CHARACTERS = "# SGo"
"""Tokens 1 to 5 as text."""
MEANINGS = ("padding", "wall", "open", "start", "goal", "path")
LEGEND = {str(token): meaning for token, meaning in enumerate(MEANINGS)}

Shape = tuple[int, int]
"""Rows and columns."""
Cells = npt.NDArray[np.integer[Any]]

_UNSEEN, _CLOSED = -1, -2
_FAULTS = (
    "its maze holds tokens other than wall, open cell, S and G",
    "its maze does not have exactly one S and one G",
    "its label differs from the maze elsewhere than in open cells turned to 'o'",
    "the cells 'o' of its label do not connect S with G",
    "the cells 'o' of its label are not one shortest path",
)


def distances(inputs: Cells, shape: Shape, origin: int) -> npt.NDArray[np.int32]:
    """Return the steps int32 [n, L] from the cell of token `origin`; -1 where no way leads."""
    return _spread(inputs > WALL, inputs == origin, shape)[0]


def shortest_lengths(inputs: Cells, shape: Shape) -> npt.NDArray[np.int32]:
    """Return the steps int32 [n] of the shortest path from S to G; -1 where there is none.

    >>> shortest_lengths(np.array([[START, OPEN, GOAL], [START, WALL, GOAL]]), (1, 3))
    array([ 2, -1], dtype=int32)
    """
    return _at_goal(inputs, distances(inputs, shape, START))


def count_shortest(inputs: Cells, shape: Shape) -> npt.NDArray[np.float64]:
    """Return how many shortest paths float64 [n] lead from S to G; beyond 2**53 it is rounded."""
    ways = _spread(inputs > WALL, inputs == START, shape)[1]
    return np.asarray(np.where(inputs == GOAL, ways, 0).sum(1))


def solve(inputs: npt.NDArray[np.uint8], shape: Shape) -> npt.NDArray[np.uint8]:
    """Return the label uint8 [n, L]: of all shortest paths the first; the maze if there is none.

    From S on, it takes at each cell the first of up, left, right and down on a shortest path.
    """
    return _walked(inputs, distances(inputs, shape, GOAL), shape)


def straight_walks(inputs: npt.NDArray[np.uint8], shape: Shape) -> npt.NDArray[np.uint8]:
    """Return mazes uint8 [n, L] with steps from S that each lead nearer to G as if without walls.

    Where walls bar all such steps, the walk ends.
    """
    cells = np.arange(inputs.shape[1])
    row, column = divmod(cells, shape[1])
    goal_row, goal_column = divmod((inputs == GOAL).argmax(1)[:, None], shape[1])
    to_goal = abs(row - goal_row) + abs(column - goal_column)
    return _walked(inputs, np.where(inputs > WALL, to_goal, -1), shape)


def _walked(
    inputs: npt.NDArray[np.uint8], to_goal: npt.NDArray[Any], shape: Shape
) -> npt.NDArray[np.uint8]:
    """Return mazes with the way from S by cells of ever smaller `to_goal` [n, L], -1 in walls."""
    to_goal, labels = _bordered(to_goal, shape, -1), _bordered(inputs, shape)
    mazes = np.arange(len(inputs))
    cell = (labels == START).argmax(1)
    for left in range(int(to_goal[mazes, cell].max(initial=0)) - 1, 0, -1):
        around = cell[:, None] + moves(shape[1] + 2)
        onward = to_goal[mazes[:, None], around] == left
        walks = (to_goal[mazes, cell] == left + 1) & onward.any(1)
        cell = np.where(walks, around[mazes, onward.argmax(1)], cell)
        labels[mazes[walks], cell[walks]] = PATH
    return _inner(labels, shape)


def path_scores(inputs: Cells, predictions: Cells, shape: Shape) -> tuple[Mask, Mask]:
    """Return which predictions [n, L] are valid paths from S to G, and which shortest ones."""
    on_path = predictions == PATH
    kept = _changes_open_cells_only(inputs, predictions)
    walkable = (on_path | (inputs == START) | (inputs == GOAL)) & kept[:, None]
    valid = _at_goal(inputs, _spread(walkable, inputs == START, shape)[0]) > 0
    return valid, valid & (on_path.sum(1) + 1 == shortest_lengths(inputs, shape))


def score(
    inputs: Cells, labels: Cells, predictions: Cells, shape: Shape
) -> dict[str, npt.NDArray[Any]]:
    """Return figures bool [n] of predicted paths [n, L], as `path_scores` has them.

    `exact_accuracy`, every cell as in the label, measures its choice among shortest paths as well:
    the HRM paper calls a prediction correct that is valid and shortest (section 3.1).
    """
    valid, shortest = path_scores(inputs, predictions, shape)
    exact = (predictions == labels).all(1)
    return {"exact_accuracy": exact, "valid_paths": valid, "shortest_paths": shortest}


def find_fault(
    inputs: Cells, labels: Cells, shape: Shape, *, must_be_shortest: bool = True
) -> tuple[int, str] | None:
    """Return the first row that is no maze with its solution, and what is wrong; None if all are.

    A label whose path connects S with G but is not shortest passes if `must_be_shortest` is off.
    """
    valid, shortest = path_scores(inputs, labels, shape)
    faults: tuple[Any, ...] = (
        ((inputs < WALL) | (inputs > GOAL)).any(1),
        ((inputs == START).sum(1) != 1) | ((inputs == GOAL).sum(1) != 1),
        ~_changes_open_cells_only(inputs, labels),
        ~valid,
        ~shortest & must_be_shortest,
    )
    return first_fault(dict(zip(_FAULTS, faults, strict=True)))


def canonical_hash(inputs: npt.NDArray[np.uint8], shape: Shape) -> Hashes:
    """Return a hash uint64 [n] that is equal for mazes equal up to rotation and reflection.

    It is that of the smallest of the maze's symmetric copies, of which a grid with unequal sides
    has four, as its copies keep the shape. Unequal mazes share one by accident only (2**-64).
    """
    keeps_shape = [k for k in range(NUM_DIHEDRAL) if shape[0] == shape[1] or not SWAPS_AXES[k]]
    copies = (_symmetric_copy(inputs, shape, k) for k in keeps_shape)
    smallest = reduce(lambda best, copy: np.where(copy < best, copy, best), copies)
    digests = (hashlib.blake2b(maze, digest_size=8).digest() for maze in smallest.tolist())
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def _bordered(cells: npt.NDArray[Any], shape: Shape, border: int = 0) -> npt.NDArray[Any]:
    """Return grids [n, (rows + 2) * (columns + 2)], so that no step leaves its own grid."""
    frame = ((0, 0), (1, 1), (1, 1))
    grids = np.pad(cells.reshape(-1, *shape), frame, constant_values=border)
    return grids.reshape(-1, (shape[0] + 2) * (shape[1] + 2))


def moves(width: int) -> Integers:
    """Return what up, left, right and down add to a cell's number in grids of a width."""
    return np.array((-width, -1, 1, width))


def _spread(
    walkable: Mask, origins: Mask, shape: Shape
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Walk all mazes at once, a step at a time, from their origins [n, L].

    Returns the steps int32 [n, L] to each cell, -1 where none lead, and the number of shortest
    ways float64 [n, L] to it. Costs grow with the cells reached, not with steps times cells.
    """
    steps = np.where(_bordered(walkable, shape), _UNSEEN, _CLOSED).astype(np.int32).ravel()
    ways = np.zeros(steps.size)
    frontier = np.flatnonzero(_bordered(origins & walkable, shape))
    step = 0
    steps[frontier], ways[frontier] = step, 1
    while len(frontier):
        step += 1
        found = []
        for move in moves(shape[1] + 2):
            # No cell comes twice within one direction, so indexed addition counts them all.
            cells = frontier + move
            before = steps[cells]
            new = before == _UNSEEN
            found.append(cells[new])
            steps[found[-1]] = step
            counts = new | (before == step)
            ways[cells[counts]] += ways[frontier[counts]]
        frontier = np.concatenate(found)
    return _inner(np.maximum(steps, -1), shape), _inner(ways, shape)


def _inner(cells: npt.NDArray[Any], shape: Shape) -> npt.NDArray[Any]:
    grids = cells.reshape(-1, shape[0] + 2, shape[1] + 2)[:, 1:-1, 1:-1]
    return grids.reshape(-1, shape[0] * shape[1])


def _at_goal(inputs: Cells, steps: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the steps at the goal int32 [n]; -1 also where there is no goal."""
    return np.asarray(np.where(inputs == GOAL, steps, -1).max(1))


def _changes_open_cells_only(inputs: Cells, labels: Cells) -> Mask:
    return np.asarray(((inputs == labels) | ((inputs == OPEN) & (labels == PATH))).all(1))


def _symmetric_copy(
    inputs: npt.NDArray[np.uint8], shape: Shape, dihedral: int
) -> npt.NDArray[np.bytes_]:
    """Return mazes under one symmetry as byte strings [n], which compare as a whole."""
    oriented = transform_grid(inputs.reshape(-1, *shape), dihedral)
    rows = np.ascontiguousarray(oriented.reshape(inputs.shape))
    return rows.view(f"S{inputs.shape[1]}").reshape(-1)
