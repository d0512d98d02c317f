"""The eight symmetries of a square, numbered as the published ARC builder numbers them.

0 identity, 1 to 3 rotations by 90, 180 and 270 degrees counter-clockwise, 4 left-right flip,
5 up-down flip, 6 transpose, 7 anti-transpose. Each one reverses rows, columns or both and then
may swap the two axes; the tables say which.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

_Cell = TypeVar("_Cell", bound=np.generic)

DIHEDRAL_NAMES = (
    "upright",
    "turned left",
    "upside down",
    "turned right",
    "mirrored left-right",
    "mirrored up-down",
    "transposed",
    "anti-transposed",
)
NUM_DIHEDRAL = len(DIHEDRAL_NAMES)
REVERSES_ROWS = (False, False, True, True, False, True, False, True)
REVERSES_COLUMNS = (False, True, True, False, True, False, False, True)
SWAPS_AXES = (False, True, False, True, False, False, True, True)
INVERSE = (0, 3, 2, 1, 4, 5, 6, 7)


def transform_grid(grid: npt.NDArray[_Cell], dihedral: int) -> npt.NDArray[_Cell]:
    """Return a view of the grid [h, w], or of grids [..., h, w], under one symmetry.

    >>> transform_grid(np.array([[1, 2]], np.uint8), 1).tolist()
    [[2], [1]]
    """
    row_step = -1 if REVERSES_ROWS[dihedral] else 1
    column_step = -1 if REVERSES_COLUMNS[dihedral] else 1
    reversed_grid = grid[..., ::row_step, ::column_step]
    return reversed_grid.swapaxes(-1, -2) if SWAPS_AXES[dihedral] else reversed_grid
