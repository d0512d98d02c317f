"""Mazes as people write them: a line for each row, of `#`, space, `S` and `G`."""

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.kind import Shape
from puzzle_datasets.kinds.maze.rules import CHARACTERS, GOAL, PAD, PATH, START, WALL
from puzzle_datasets.kinds.text import FIELD, tokens_of
from puzzle_datasets.storage.schema import Tokens

_NOTHING = "?"
"""Stands for padding, which a model may answer."""


def from_text(text: str, grid: Shape) -> Tokens:
    """Return the tokens [1, L] of a maze, its rows on lines or all on one.

    >>> from_text("#S\\n#G", (2, 2)).tolist()
    [[1, 3, 1, 4]]

    Raises `DatasetError` where it has another size or other characters, or not one S and one G.
    """
    rows, columns = grid
    remedy = f"write {rows} rows of {columns} cells: # wall, space open, one S and one G"
    lines = text.strip("\r\n").splitlines()
    if len(lines) > 1:
        if len(lines) != rows:
            raise DatasetError.of(FIELD, f"has {len(lines):,} rows, not {rows}", remedy)
        for number, line in enumerate(lines, start=1):
            if len(line) != columns:
                problem = f"has {len(line):,} cells in row {number}, not {columns}"
                raise DatasetError.of(FIELD, problem, remedy)
    known = {CHARACTERS[token - WALL]: token for token in range(WALL, PATH)}
    tokens = tokens_of("".join(lines), known, rows * columns, remedy)
    for token in (START, GOAL):
        if (count := int((tokens == token).sum())) != 1:
            problem = f"has {count} cells {CHARACTERS[token - WALL]}, not one"
            raise DatasetError.of(FIELD, problem, remedy)
    return tokens


def to_text(tokens: Tokens, grid: Shape) -> str:
    """Return mazes or answers [n, L] as rows on lines, an empty line between two mazes."""
    characters = {PAD: _NOTHING, **dict(enumerate(CHARACTERS, start=WALL))}
    mazes = tokens.reshape(-1, *grid).tolist()
    written = (["".join(characters[token] for token in row) for row in maze] for maze in mazes)
    return "\n\n".join("\n".join(rows) for rows in written)
