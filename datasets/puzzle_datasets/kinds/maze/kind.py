"""Mazes as a kind of puzzle: the record, the check of stored paths, and mazes from above."""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from puzzle_datasets.checks import StoredSet
from puzzle_datasets.common.text import counted
from puzzle_datasets.drawing import svg
from puzzle_datasets.drawing.picture import Legend
from puzzle_datasets.drawing.svg import Grid
from puzzle_datasets.kinds.floors import Floor
from puzzle_datasets.kinds.kind import Figures, Kind, Refuse, Shape, later
from puzzle_datasets.kinds.maze import rules
from puzzle_datasets.kinds.maze.rules import GOAL, OPEN, PATH, START, WALL
from puzzle_datasets.storage.rows import Fault, first_fault
from puzzle_datasets.storage.schema import MANIFEST_FILE, SPLITS, Manifest, Mask, Tokens
from puzzle_datasets.storage.shards import Columns

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
            *_ends(drawn, cell),
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


def _ends(grid: Grid, cell: float) -> Iterator[str]:
    """Yield discs a little larger than their cells, so that they are found in a large maze."""
    radius = min(0.75 * cell, 0.3 * cell + 2)
    style = {"stroke": FLOOR, "stroke_width": svg.short(radius / 4)}
    for token, colour in ENDS.items():
        for row, column in np.argwhere(grid == token).tolist():
            x, y = (column + 0.5) * cell, (row + 0.5) * cell
            yield svg.disc(x, y, radius, fill=colour, **style)


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


_ROUNDING = 1e-9
"""Of numbers of shortest paths, which are rounded beyond 2**53."""


def check_maze(stored: StoredSet) -> Iterator[str]:
    """Check paths and columns of all rows, and the count of labels that are not shortest."""
    shape = stored.manifest.grid
    for split in SPLITS:
        rows = longer = 0
        for piece in stored.pieces(split):
            stored.require_none(piece, _broken(stored.manifest, piece.columns))
            steps = (piece.columns["labels"] == PATH).sum(1) + 1
            least = rules.shortest_lengths(piece.columns["inputs"], shape)
            longer += int(np.count_nonzero(steps > least))
            rows += piece.rows
        stated = stored.manifest.statistics.get(f"{split}_labels_not_shortest", 0)
        if longer != stated and not stored.manifest.is_import:
            fault = f"counts {stated} {split} labels that are not shortest, not {longer}"
            raise stored.refusal(MANIFEST_FILE, fault)
        shortest = rows - longer
        yield f"{split} rules: {rows:,} labels hold a path from S to G, {shortest:,} shortest ones"


def _broken(manifest: Manifest, columns: Columns) -> Fault | None:
    """Return the first row with a fault; an import's length is that of the label's own path."""
    shape, inputs, labels = manifest.grid, columns["inputs"], columns["labels"]
    broken = rules.find_fault(inputs, labels, shape, must_be_shortest=False)
    if broken is not None:
        return broken
    own = (labels == PATH).sum(1) + 1
    length = own if manifest.is_import else rules.shortest_lengths(inputs, shape)
    ways = rules.count_shortest(inputs, shape)
    miscounted = ~np.isclose(ways, columns["n_shortest"], rtol=_ROUNDING)
    return first_fault(
        {
            "its length is not what its column says": length != columns["length"],
            "its shortest paths are not as many as its column says": miscounted,
        }
    )


def _measure(inputs: Tokens, labels: Tokens, grid: Shape, refuse: Refuse) -> Figures:
    """Return the steps of the labels' own paths, and the number of shortest paths."""
    steps = (labels == PATH).sum(axis=1) + 1
    return {"length": steps.astype(np.int16), "n_shortest": rules.count_shortest(inputs, grid)}


def _details(columns: Mapping[str, float]) -> list[str]:
    length, rating = columns["length"], columns.get("rating")
    details = [counted(int(length), "step"), _ways(columns["n_shortest"])]
    return details if rating in (None, length) else [*details, f"rating {rating:.4g}"]


def _ways(count: float) -> str:
    if count == 1:
        return "one shortest path"
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if count >= size:
            return f"{count / size:,.1f} {word} shortest paths"
    return f"{count:,.0f} shortest paths"


KIND = Kind(
    name="maze",
    title="Maze",
    puzzles="mazes",
    columns={"length": pa.int16(), "n_shortest": pa.float64()},
    legend=lambda side: rules.LEGEND,
    fits=lambda vocab_size, side, identifiers: (vocab_size, identifiers) == (rules.VOCAB_SIZE, 1),
    recognises=lambda label: bool(np.count_nonzero(label == START) == 1),
    measure=_measure,
    from_text=later("maze.text", "from_text"),
    to_text=later("maze.text", "to_text"),
    details=_details,
    look=lambda manifest: MazeLook(),
    changes=lambda manifest: "rotated or reflected",
    augmenter=later("maze.augment", "MazePairs"),
    served=later("maze.augment", "served"),
    broken=_broken,
    check=check_maze,
    invariant=rules.canonical_hash,
    rule_scores=rules.score,
    floors=(
        Floor(
            name="straight to the goal",
            words="steps that lead nearer to the goal, until a wall bars them",
            predict=lambda dataset, rows: rules.straight_walks(
                dataset.test.inputs.numpy()[rows], dataset.manifest.grid
            ),
        ),
    ),
)
