"""Draw grids of either family of mazes until enough different ones have a path of some length."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.maze import rules as maze
from puzzle_datasets.storage.schema import Mask, Tokens

Family = Literal["perfect", "random-walls"]
Words = npt.NDArray[np.unsignedinteger[Any]]
Places = npt.NDArray[np.int64]
DrawGrids = Callable[[np.random.Generator, int, int], tuple[Mask, Places]]
"""Open cells [n, side * side] and starts [n], from a generator, the number n and the side."""

LEAST_WALLS, MOST_WALLS = 77, 128
"""Walls of a random maze in 256 cells: 30 to 50 %."""

WIDEST = 64
"""The most columns that a word holds."""

PATIENCE = 200_000
"""Grids to draw without a new maze before giving up; the field's random walls need some 2,500."""

# To pick the mazes that still walk costs about as much as a step of those that do not.
_WORTH_PICKING = 0.8
# Grids of random walls that reach far are rare; this many are finished together, for speed.
_AT_ONCE = 64
_FRAME = 2
# Of k free directions the number r names the (r mod k)-th: fair, as 12 is a multiple of 1 to 4.
_TURNS = 12
_DIRECTIONS = 4
_BITS = 1 << np.arange(_DIRECTIONS)
_CHOSEN = np.zeros((1 << _DIRECTIONS, _TURNS), np.uint8)
for _free in range(1, len(_CHOSEN)):
    _CHOSEN[_free] = np.resize(np.flatnonzero(_free & _BITS), _TURNS)


def draw_random_walls(
    generator: np.random.Generator, count: int, side: int
) -> tuple[Mask, Places]:
    """Draw mazes whose cells are walls independently of each other.

    A maze's share of walls is drawn first, uniform from 30 to 50 %; the start is uniform among
    all cells and opened. Other open cells may be cut off.
    """
    share = generator.integers(LEAST_WALLS, MOST_WALLS + 1, size=(count, 1), dtype=np.uint8)
    cells = np.frombuffer(generator.bytes(count * side**2), np.uint8).reshape(count, -1)
    starts = generator.integers(side**2, size=count)
    open_cells = cells >= share
    open_cells[np.arange(count), starts] = True
    return open_cells, starts


def draw_perfect(generator: np.random.Generator, count: int, side: int) -> tuple[Mask, Places]:
    """Draw mazes in which one path leads from any open cell to any other, by backtracking.

    Rooms are the cells at every second row and column. From the newest room that has unvisited
    neighbours a way is dug to one of them, until all are visited; as each room but the first is
    entered and left once, all mazes take the same number of steps. A grid of even side has a row
    and a column without rooms, which stay walls: by fair draws the first or the last ones. The
    start is uniform among the open cells.
    """
    width = side + 2 * _FRAME
    rooms, moves = (side + 1) // 2, maze.moves(width)
    unvisited, cell = _rooms(generator, count, side)
    dug = np.zeros_like(unvisited)
    trail = np.zeros((rooms**2, count), np.int64)
    depth = np.zeros(count, np.int64)
    steps = 2 * (rooms**2 - 1)
    turns = generator.integers(_TURNS, size=(steps, count), dtype=np.uint8)
    mazes = np.arange(count)
    trail[0] = cell
    unvisited[cell], dug[cell] = False, True
    for turn in turns:
        free = unvisited[cell + 2 * moves[:, None]]
        digs = free.any(0)
        move = moves[_CHOSEN[_BITS @ free, turn]]
        depth += np.where(digs, 1, -1)
        dug[(cell + move)[digs]] = True
        cell = np.where(digs, cell + 2 * move, trail[depth, mazes])
        trail[depth, mazes] = cell
        unvisited[cell], dug[cell] = False, True
    inner = slice(_FRAME, -_FRAME)
    open_cells = dug.reshape(count, width, width)[:, inner, inner].reshape(count, -1)
    return open_cells, any_of(generator, open_cells)


def any_of(generator: np.random.Generator, mask: Mask) -> Places:
    """Return the position [n] of one of the true cells of each row of a mask [n, L]."""
    rank = (generator.random(len(mask)) * mask.sum(1)).astype(np.int64)
    return np.asarray((mask.cumsum(1, dtype=np.int32) > rank[:, None]).argmax(1))


def _rooms(generator: np.random.Generator, count: int, side: int) -> tuple[Mask, Places]:
    """Return where the rooms are on flattened, framed grids, and a first room [n] in each."""
    width = side + 2 * _FRAME
    spare = 1 - side % 2
    row, column = (generator.integers(spare + 1, size=(2, count)) + _FRAME)[:, :, None]
    lines = np.arange(0, side - spare, 2)
    grids = np.zeros((count, width, width), np.bool_)
    mazes = np.arange(count)[:, None, None]
    grids[mazes, (row + lines)[:, :, None], (column + lines)[:, None, :]] = True
    first = any_of(generator, grids.reshape(count, -1))
    return grids.ravel(), first + np.arange(count) * width**2


# How many grids to draw at a time: enough that numpy computes more than it dispatches, and few
# enough that they stay in a processor's cache.
FAMILIES: dict[Family, tuple[DrawGrids, int]] = {
    "perfect": (draw_perfect, 1024),
    "random-walls": (draw_random_walls, 4096),
}


def far_reaching(open_cells: Mask, starts: Places, side: int, steps: int) -> tuple[Places, int]:
    """Return the numbers of the mazes with a cell `steps` away from their start, at least 1.

    Also returns the steps to the furthest cell met, counted no further than `steps`. Open cells
    are bool [n, side * side] of side 64 at most, starts positions [n] of open cells.
    """
    start_cells = np.zeros_like(open_cells)
    start_cells[np.arange(len(starts)), starts] = True
    walkable, reached = _words(open_cells, side), _words(start_cells, side)
    mazes = np.arange(len(starts))
    for step in range(1, steps + 1):
        spread = reached | np.left_shift(reached, 1) | np.right_shift(reached, 1)
        spread[1:] |= reached[:-1]
        spread[:-1] |= reached[1:]
        spread &= walkable
        grew = (spread != reached).any(0)
        walking = np.count_nonzero(grew)
        if walking == 0:
            return mazes[:0], step - 1
        if walking < _WORTH_PICKING * len(mazes):
            walkable, spread, mazes = walkable[:, grew], spread[:, grew], mazes[grew]
            grew = grew[grew]
        reached = spread
    return mazes[grew], steps


def _words(cells: Mask, side: int) -> Words:
    """Return rows of cells as words [side, n], column c as bit c."""
    word = np.dtype("<u4" if side <= WIDEST // 2 else "<u8")
    packed = np.packbits(cells.reshape(-1, side, side), axis=2, bitorder="little")
    padded = np.zeros((*packed.shape[:2], word.itemsize), np.uint8)
    padded[:, :, : packed.shape[2]] = packed
    return np.ascontiguousarray(padded.view(word)[:, :, 0].T)


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search for mazes of a family and side whose path has `least` to `most` steps."""

    family: Family
    side: int
    least: int
    most: int

    def distinct(
        self, count: int, generator: np.random.Generator, seen: set[int]
    ) -> Iterator[Tokens]:
        """Yield `count` mazes [n, L] in several runs, some empty, whose hashes are not `seen`.

        `seen` grows by those found. Raises `DatasetError` if `PATIENCE` grids in a row brought no
        new maze.
        """
        found = tries = furthest = 0
        while found < count:
            mazes, drawn, reached = self._draw(generator)
            hashes = maze.canonical_hash(mazes, (self.side, self.side)).tolist()
            new = mazes[_unseen(hashes, count - found, seen)]
            found += len(new)
            furthest = max(furthest, reached)
            tries = 0 if len(new) else tries + drawn
            if tries >= PATIENCE:
                raise self._refusal(found, count, furthest)
            yield new

    def _draw(self, generator: np.random.Generator) -> tuple[Tokens, int, int]:
        """Return mazes [n, L], how many grids were drawn for them, and the furthest cell met."""
        draw_grids, batch = FAMILIES[self.family]
        kept: list[Tokens] = []
        drawn = furthest = 0
        while sum(len(inputs) for inputs in kept) < _AT_ONCE and drawn < PATIENCE:
            open_cells, starts = draw_grids(generator, batch, self.side)
            far, reached = far_reaching(open_cells, starts, self.side, self.least)
            inputs = np.where(open_cells[far], maze.OPEN, maze.WALL).astype(np.uint8)
            inputs[np.arange(len(far)), starts[far]] = maze.START
            kept.append(inputs)
            drawn += batch
            furthest = max(furthest, reached)
        inputs = np.concatenate(kept)
        steps = maze.distances(inputs, (self.side, self.side), maze.START)
        goals = any_of(generator, (steps >= self.least) & (steps <= self.most))
        inputs[np.arange(len(inputs)), goals] = maze.GOAL
        return inputs, drawn, furthest

    def _refusal(self, found: int, count: int, furthest: int) -> DatasetError:
        what = f"{self.family} mazes of side {self.side}"
        problem, remedy = f"the longest path in {PATIENCE} {what} has {furthest}", ""
        if furthest >= self.least:
            problem = (
                f"only {found} different {what} with a path of {self.least} to {self.most} steps "
                f"were found where {count} are asked for, none in the last {PATIENCE} grids"
            )
            remedy = "ask for fewer, "
        problem, remedy = f"is {self.least}, but {problem}", f"{remedy}lower it or raise side"
        return DatasetError.of("min_length", problem, remedy, self.least, also=("side",))


def _unseen(hashes: list[int], most: int, seen: set[int]) -> list[int]:
    """Return the positions of the first hashes not seen before, which these are from now on."""
    positions: list[int] = []
    for position, known in enumerate(hashes):
        if len(positions) < most and known not in seen:
            seen.add(known)
            positions.append(position)
    return positions
