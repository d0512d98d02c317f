"""Sudoku puzzles as people write them: a digit for each cell, row by row."""

import numpy as np

from puzzle_datasets.kinds.kind import Shape
from puzzle_datasets.kinds.sudoku.rules import BLANK, DIGIT_OFFSET
from puzzle_datasets.kinds.text import tokens_of
from puzzle_datasets.storage.schema import Tokens


def from_text(text: str, grid: Shape) -> Tokens:
    """Return the tokens [1, L] of a puzzle, spaces and ends of lines left out.

    >>> from_text("1... ..2. .3.. ...4", (4, 4)).tolist()
    [[2, 1, 1, 1, 1, 1, 3, 1, 1, 4, 1, 1, 1, 1, 1, 5]]

    Raises `DatasetError` where it has another size, or other characters than digits, `.` and `0`.
    """
    side = grid[0]
    digits = {str(digit): digit + DIGIT_OFFSET for digit in range(1, side + 1)}
    remedy = f"write {side**2} cells: digits from 1 to {side}, and . or 0 for an empty one"
    known = {".": BLANK, "0": BLANK, **digits}
    return tokens_of("".join(text.split()), known, side**2, remedy)


def to_text(tokens: Tokens, grid: Shape) -> str:
    """Return puzzles or answers [n, L] as digits, a line each, `.` where there is none.

    >>> to_text(np.array([[2, 1, 0, 5]], np.uint8), (2, 2))
    '1..4'
    """
    shown = np.where(tokens > BLANK, tokens + (ord("0") - DIGIT_OFFSET), ord("."))
    return "\n".join(row.astype(np.uint8).tobytes().decode() for row in shown)
