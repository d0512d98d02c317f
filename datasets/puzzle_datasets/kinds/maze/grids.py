"""The two families of mazes: grids of walls and open cells with a start, many at a time.

Walls are nothing but cells: no grid has a wall around it, a step may just not leave it.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]
DrawGrids = Callable[[np.random.Generator, int, int], tuple[Mask, Places]]
"""Open cells [n, side * side] and starts [n], from a generator, the number n and the side."""

LEAST_WALLS, MOST_WALLS = 77, 128
"""Walls of a random maze in 256 cells: 30 to 50 %."""

_FRAME = 2
# Of k free directions the number r names the (r mod k)-th: fair, as 12 is a multiple of 1 to 4.
_TURNS = 12
_DIRECTIONS = 4


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
    rooms = (side + 1) // 2
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
        free = unvisited[cell + 2 * _moves(width)[:, None]]
        digs = free.any(0)
        move = _moves(width)[_CHOSEN[_BITS @ free, turn]]
        depth += np.where(digs, 1, -1)
        dug[(cell + move)[digs]] = True
        cell = np.where(digs, cell + 2 * move, trail[depth, mazes])
        trail[depth, mazes] = cell
        unvisited[cell], dug[cell] = False, True
    inner = slice(_FRAME, -_FRAME)
    open_cells = dug.reshape(count, width, width)[:, inner, inner].reshape(count, -1)
    return open_cells, any_of(generator, open_cells)


def any_of(generator: np.random.Generator, mask: Mask) -> Places:
    """Return the place [n] of one of the true cells of each row of a mask [n, L]."""
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


def _moves(width: int) -> npt.NDArray[np.int64]:
    return np.array((-width, -1, 1, width))


def _chosen() -> npt.NDArray[np.uint8]:
    """Return the direction uint8 [16, 12] that a draw names, for each set of free ones as bits."""
    table = np.zeros((1 << _DIRECTIONS, _TURNS), np.uint8)
    for free_bits in range(1, 1 << _DIRECTIONS):
        free = [d for d in range(_DIRECTIONS) if free_bits >> d & 1]
        table[free_bits] = np.resize(free, _TURNS)
    return table


_BITS = 1 << np.arange(_DIRECTIONS)
_CHOSEN = _chosen()
