"""How many mazes of a family and side there are at most, so that more are refused at once."""

import numpy as np

from puzzle_datasets.kinds.maze.search import Family


def most_mazes(family: Family, side: int) -> float:
    """Return a number that the different mazes of a family and side do not exceed; may be inf.

    >>> most_mazes("perfect", 3), most_mazes("random-walls", 3)
    (168.0, 9216.0)
    """
    with np.errstate(over="ignore"):
        if family == "random-walls":
            cells = side**2
            return float(cells * (cells - 1) * np.exp2(np.float64(cells - 2)))
        rooms, places = (side + 1) // 2, 4 - 3 * (side % 2)
        cells = 2 * rooms**2 - 1
        return float(places * _spanning_trees(rooms) * cells * (cells - 1))


def _spanning_trees(rooms: int) -> np.float64:
    """Spanning trees of a square grid of rooms, by Kirchhoff's theorem.

    They are the product of its Laplacian's eigenvalues but for the 0, over the number of rooms.
    """
    line = 2 - 2 * np.cos(np.pi * np.arange(rooms) / rooms)
    logs = np.log((line[:, None] + line).ravel()[1:])
    return np.float64(np.ceil(np.exp(logs.sum()) / rooms**2 - 1e-6))
