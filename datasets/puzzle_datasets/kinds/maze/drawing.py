"""Mazes from above: dark walls, light floor, the way from start to goal as a line."""

from collections.abc import Iterator

import numpy as np

from puzzle_datasets.drawing import svg
from puzzle_datasets.drawing.picture import Legend
from puzzle_datasets.drawing.svg import Grid, Mask
from puzzle_datasets.kinds.maze.rules import GOAL, OPEN, PATH, START, WALL

WALLS, FLOOR, WAY = "#343a46", "#fbfaf6", "#f28c28"
ENDS = {START: "#1a9e4b", GOAL: "#d92d20"}


class MazeLook:
    """Walls, floor, start and goal, and the path where it is shown."""

    def panel(self, puzzle: Grid, drawn: Grid, cell: float) -> str:
        """Return the maze `drawn`, with the path that it holds."""
        height, width = (lines * cell for lines in drawn.shape)
        shapes = [
            svg.rectangle(width, height, fill=FLOOR),
            svg.cells(drawn == WALL, cell, WALLS),
            _way(drawn, cell),
            *(_end(row, column, cell, ENDS[token]) for token, row, column in _ends(drawn)),
            svg.frame(width, height),
        ]
        return "".join(shapes)

    def legend(self, side: float) -> Legend:
        """Return the kinds of cells."""
        names = {START: "start", GOAL: "goal", WALL: "wall", OPEN: "open"}
        cells = {name: np.array([[token]], np.uint8) for token, name in names.items()}
        swatches = [(self.panel(grid, grid, side), name) for name, grid in cells.items()]
        stroke = svg.path(f"M0 {svg.short(side / 2)}h{svg.short(side)}", **_stroke(side / 2))
        return [*swatches, (stroke, "shortest path")]


def _ends(grid: Grid) -> Iterator[tuple[int, int, int]]:
    for token in ENDS:
        for row, column in np.argwhere(grid == token).tolist():
            yield token, row, column


def _end(row: int, column: int, cell: float, colour: str) -> str:
    """Return a disc a little larger than its cell, so that it is found in a large maze."""
    radius = min(0.75 * cell, 0.3 * cell + 2)
    x, y = ((place + 0.5) * cell for place in (column, row))
    return svg.disc(x, y, radius, fill=colour, stroke=FLOOR, stroke_width=svg.short(radius / 4))


def _way(grid: Grid, cell: float) -> str:
    """Return lines between neighbouring cells of the path; none where only its ends are."""
    on_path = (grid == PATH) | (grid == START) | (grid == GOAL)
    if not (grid == PATH).any():
        return ""
    steps = [*_steps(on_path, cell, "h"), *_steps(on_path.T, cell, "v")]
    return svg.path("".join(steps), fill="none", **_stroke(cell))


def _steps(on_path: Mask, cell: float, direction: str) -> Iterator[str]:
    """Yield a stroke for each two marked neighbours along the second axis."""
    for line, begin in np.argwhere(on_path[:, :-1] & on_path[:, 1:]).tolist():
        x, y = (begin, line) if direction == "h" else (line, begin)
        corner = f"M{svg.short((x + 0.5) * cell)} {svg.short((y + 0.5) * cell)}"
        yield f"{corner}{direction}{svg.short(cell)}"


def _stroke(cell: float) -> dict[str, str]:
    width = svg.short(cell * 0.45)
    return {"stroke": WAY, "stroke_width": width, "stroke_linecap": "round"}
