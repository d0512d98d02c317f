"""ARC grids on their canvases, as tokens."""

import math

import numpy as np
import numpy.typing as npt

from puzzle_datasets.storage.schema import ARC_COLOURS, COLOUR_OFFSET, EOS, PAD

Grid = npt.NDArray[np.uint8]
"""Colours [h, w]."""
Pair = tuple[Grid, Grid]


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
    """Return heights and widths uint8 [n] of the grids on canvases [n, L]; 0 where broken.

    A grid is a full rectangle, so its first and last coloured cells are opposite corners. They
    also say where it lies.
    """
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
