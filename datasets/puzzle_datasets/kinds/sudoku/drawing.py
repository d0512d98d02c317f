"""Sudoku as in print: thick lines around boxes, clues black, what was to be found blue."""

from dataclasses import dataclass

import numpy as np

from puzzle_datasets.drawing import svg
from puzzle_datasets.drawing.picture import Legend
from puzzle_datasets.drawing.svg import Grid, Mask
from puzzle_datasets.kinds.sudoku.rules import BLANK, DIGIT_OFFSET

PAPER, FOUND = "#ffffff", "#1f6fd6"

# Of the height of a cell: digits are 0.72 as high as their font, and stand centred.
_FONT, _BASELINE = 0.66, 0.735


@dataclass(frozen=True)
class SudokuLook:
    """Digits in a grid whose boxes have these rows and columns."""

    box: tuple[int, int]

    def panel(self, puzzle: Grid, drawn: Grid, cell: float) -> str:
        """Return the grid of `drawn`, the clues of `puzzle` in black."""
        clues = puzzle > BLANK
        found = (drawn > BLANK) & ~clues
        side = len(drawn) * cell
        thin = [i * cell for i in range(1, len(drawn))]
        return "".join(
            [
                svg.rectangle(side, side, fill=PAPER),
                svg.lines(thin, thin, side, side, stroke="#b6bbc4", stroke_width=0.7),
                self._box_lines(len(drawn), cell),
                _digits(drawn, clues, cell, svg.INK, bold=True),
                _digits(drawn, found, cell, FOUND, bold=False),
            ]
        )

    def legend(self, side: float) -> Legend:
        """Return a clue, a digit that was found, and an empty cell."""
        digit, blank = (np.array([[token]], np.uint8) for token in (5 + DIGIT_OFFSET, BLANK))
        pairs = {
            "clue": (digit, digit),
            "digit of the solution": (blank, digit),
            "blank": (blank, blank),
        }
        cell = SudokuLook((1, 1))
        return [(cell.panel(*pair, side), name) for name, pair in pairs.items()]

    def _box_lines(self, side: int, cell: float) -> str:
        rows, columns = self.box
        ys, xs = ([i * cell for i in range(0, side + 1, step)] for step in (rows, columns))
        style = {"stroke": svg.INK, "stroke_width": 1.6, "stroke_linecap": "square"}
        return svg.lines(xs, ys, side * cell, side * cell, **style)


def _digits(grid: Grid, mask: Mask, cell: float, colour: str, *, bold: bool) -> str:
    """Return the digits of the marked cells as one text, each placed on its own."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return ""
    return svg.placed_letters(
        "".join(str(token - DIGIT_OFFSET) for token in grid[mask].tolist()),
        xs=(columns + 0.5) * cell,
        ys=(rows + _BASELINE) * cell,
        size=_FONT * cell,
        colour=colour,
        bold=bold,
    )
