"""ARC grids on their canvases, as tokens, and the check of stored ones."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from puzzle_datasets.checks import Piece, StoredSet
from puzzle_datasets.storage.rows import Fault, Masks, first_fault
from puzzle_datasets.storage.schema import (
    ARC_COLOURS,
    COLOUR_OFFSET,
    EOS,
    PAD,
    SPLITS,
    Integers,
    Manifest,
    Mask,
)
from puzzle_datasets.storage.shards import Columns

Grid = npt.NDArray[np.uint8]
"""Colours [h, w]."""
Pair = tuple[Grid, Grid]

_SIZES = {"inputs": ("h_in", "w_in"), "labels": ("h_out", "w_out")}


def canvas_tokens(grid: Grid, side: int) -> npt.NDArray[np.uint8]:
    """Return tokens [side·side] of a grid in the canvas's corner, and its border if it fits.

    >>> canvas_tokens(np.array([[7]], np.uint8), 2).tolist()
    [9, 1, 1, 0]
    """
    height, width = grid.shape
    canvas = np.full((side + 1, side + 1), PAD, np.uint8)
    canvas[:height, :width] = grid + COLOUR_OFFSET
    canvas[height, :width] = EOS
    canvas[:height, width] = EOS
    return canvas[:side, :side].ravel()


def grid_sizes(
    tokens: npt.NDArray[np.uint8],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return heights and widths uint8 [n] of grids on canvases [n, L]; 0 where they are broken."""
    side = math.isqrt(tokens.shape[1])
    is_colour = tokens >= COLOUR_OFFSET
    first = is_colour.argmax(axis=1)
    last = tokens.shape[1] - 1 - is_colour[:, ::-1].argmax(axis=1)
    height, width = last // side - first // side + 1, last % side - first % side + 1
    whole = height * width == np.count_nonzero(is_colour, axis=1)
    return (height * whole).astype(np.uint8), (width * whole).astype(np.uint8)


def token_legend() -> dict[str, str]:
    """Return the meaning of each token."""
    colours = {str(COLOUR_OFFSET + colour): f"colour {colour}" for colour in range(ARC_COLOURS)}
    return {str(PAD): "padding", str(EOS): "end of sequence", **colours}


def check_grids(stored: StoredSet) -> Iterator[str]:
    """Check the grids of all rows, which in sets built here lie in the corner, bordered."""
    for split in SPLITS:
        rows = 0
        for piece in stored.pieces(split):
            stored.require_none(piece, broken(stored.manifest, piece.columns))
            rows += piece.rows
        yield f"{split} grids: {2 * rows:,} full rectangles of the sizes that are stored"


def broken(manifest: Manifest, columns: Columns) -> Fault | None:
    """Return the first row whose grids do not lie on their canvases as they should."""
    inputs, labels = (_faults(columns, name, not manifest.is_import) for name in _SIZES)
    return first_fault(inputs | labels)


def crop_pair(piece: Piece, row: int) -> Pair:
    """Return the grids of colours of a row, input and label."""
    return _crop(piece, row, "inputs"), _crop(piece, row, "labels")


def _crop(piece: Piece, row: int, column: str) -> Grid:
    tokens = piece.columns[column][row]
    height, width = (int(piece.columns[size][row]) for size in _SIZES[column])
    side = math.isqrt(len(tokens))
    top, left = divmod(int((tokens >= COLOUR_OFFSET).argmax()), side)
    canvas = tokens.reshape(side, side) - COLOUR_OFFSET
    grid: Grid = canvas[top : top + height, left : left + width]
    return grid


def _faults(columns: Columns, column: str, in_corner: bool) -> Masks:
    tokens = columns[column]
    height, width = (columns[size].astype(np.int64) for size in _SIZES[column])
    side = math.isqrt(tokens.shape[1])
    is_colour = tokens >= COLOUR_OFFSET
    first = is_colour.argmax(1)
    inside, border = _frame(side, first, height, width)
    name = column.removesuffix("s")
    faults = {
        f"its {name} is no full rectangle of the size that is stored": (is_colour != inside).any(1)
    }
    if in_corner:
        faults[f"its {name} does not lie in the corner of the canvas"] = first != 0
        misplaced = ((tokens == EOS) != border).any(1)
        faults[f"its {name} has a wrong end-of-sequence border"] = misplaced
    return faults


def _frame(side: int, first: Integers, height: Integers, width: Integers) -> tuple[Mask, Mask]:
    """Return where grids and their borders are, [n, side · side] each, from their first cells."""
    rows = np.arange(side) - (first // side)[:, None]
    columns = np.arange(side) - (first % side)[:, None]
    in_rows = (rows >= 0) & (rows < height[:, None])
    in_columns = (columns >= 0) & (columns < width[:, None])
    below, right = rows == height[:, None], columns == width[:, None]
    inside = in_rows[:, :, None] & in_columns[:, None]
    border = below[:, :, None] & in_columns[:, None] | in_rows[:, :, None] & right[:, None]
    return inside.reshape(len(first), -1), border.reshape(len(first), -1)
