"""ARC as a kind of puzzle: its record, and its grids in ten colours on the model's canvas."""

from itertools import chain

import numpy as np
import pyarrow as pa

from puzzle_datasets.drawing import svg
from puzzle_datasets.drawing.picture import Legend
from puzzle_datasets.drawing.svg import Grid
from puzzle_datasets.kinds.arc.grids import broken, check_grids, grid_sizes, token_legend
from puzzle_datasets.kinds.arc.task_checks import check_identities, check_tasks
from puzzle_datasets.kinds.floors import Floor
from puzzle_datasets.kinds.kind import Figures, Kind, Refuse, Shape, later
from puzzle_datasets.storage.schema import ARC_VOCAB_SIZE, COLOUR_OFFSET, EOS, PAD, Mask, Tokens

COLOURS = (
    "#000000",
    "#0074d9",
    "#ff4136",
    "#2ecc40",
    "#ffdc00",
    "#aaaaaa",
    "#f012be",
    "#ff851b",
    "#7fdbff",
    "#870c25",
)
PADDING, BORDER, STROKE = "#f3f4f6", "#ffffff", "#7c6fb0"

_HATCH = 6
"""Pixels between strokes."""


class ArcLook:
    """Grids in their colours, the end-of-sequence border hatched, padding pale."""

    def panel(self, puzzle: Grid, drawn: Grid, cell: float) -> str:
        """Return the canvas of `drawn`; what the puzzle was does not show in a solution."""
        height, width = (lines * cell for lines in drawn.shape)
        shapes = [svg.rectangle(width, height, fill=PADDING)]
        for token in np.unique(drawn[drawn >= COLOUR_OFFSET]).tolist():
            shapes.append(svg.cells(drawn == token, cell, COLOURS[token - COLOUR_OFFSET]))
        shapes += [_cell_lines(drawn >= COLOUR_OFFSET, cell), _hatched(drawn == EOS, cell)]
        shapes.append(svg.frame(width, height))
        return "".join(shapes)

    def legend(self, side: float) -> Legend:
        """Return padding, the border and the ten colours by their numbers."""
        meanings = {str(colour): colour + COLOUR_OFFSET for colour in range(len(COLOURS))}
        meanings |= {"end of sequence": EOS, "padding": PAD}
        one_cell = {name: np.array([[token]], np.uint8) for name, token in meanings.items()}
        return [(self.panel(grid, grid, side), name) for name, grid in one_cell.items()]


def _cell_lines(is_colour: Mask, cell: float) -> str:
    """Return thin lines between the cells of the grid, which is a rectangle on the canvas."""
    rows, columns = (np.flatnonzero(is_colour.any(axis)) for axis in (1, 0))
    if not len(rows):
        return ""
    height, width = len(rows) * cell, len(columns) * cell
    xs, ys = ([i * cell for i in range(1, len(lines))] for lines in (columns, rows))
    style = {"stroke": "#8b9099", "stroke_width": svg.short(cell * 0.08), "stroke_opacity": 0.7}
    inner = svg.lines(xs, ys, width, height, **style)
    return svg.moved(inner, columns[0] * cell, rows[0] * cell)


def _hatched(mask: Mask, cell: float) -> str:
    """Return cells with diagonal strokes that go on from one cell to the next."""
    count = max(1, round(cell / _HATCH))
    ends = [cell * number / count for number in range(1, 2 * count)]
    strokes = []
    for row, column in (np.argwhere(mask) * cell).tolist():
        for end in ends:
            near, far = max(0, end - cell), min(cell, end)
            start = f"M{svg.short(column + near)} {svg.short(row + far)}"
            strokes.append(f"{start}l{svg.short(far - near)} {svg.short(near - far)}")
    return svg.cells(mask, cell, BORDER) + svg.path(
        "".join(strokes), stroke=STROKE, stroke_width=0.8
    )


def _measure(inputs: Tokens, labels: Tokens, grid: Shape, refuse: Refuse) -> Figures:
    """Return heights and widths of the grids, wherever they lie on their canvases."""
    columns: Figures = {}
    for name, suffix, tokens in (("input", "in", inputs), ("label", "out", labels)):
        heights, widths = grid_sizes(tokens)
        if not heights.all():
            raise refuse(int(heights.argmin()), f"its {name} is no full rectangle of colours")
        columns |= {f"h_{suffix}": heights, f"w_{suffix}": widths}
    return columns


KIND = Kind(
    name="arc",
    title="ARC",
    puzzles="ARC puzzles",
    columns={
        "example": pa.int16(),
        **{name: pa.uint8() for name in ("h_in", "w_in", "h_out", "w_out")},
    },
    legend=lambda side: token_legend(),
    fits=lambda vocab_size, side, identifiers: vocab_size == ARC_VOCAB_SIZE and identifiers > 1,
    measure=_measure,
    from_text=later("arc.asked", "from_text"),
    to_text=later("arc.asked", "to_text"),
    details=lambda columns: ["{h_in} by {w_in} to {h_out} by {w_out}".format(**columns)],
    look=lambda manifest: ArcLook(),
    changes=lambda manifest: "rotated or reflected, recoloured and moved on the canvas",
    augmenter=later("arc.augment_batches", "augmenter"),
    served=later("arc.served", "served_splits"),
    broken=broken,
    check=lambda s: chain(check_grids(s), check_identities(s), check_tasks(s)),
    vote_scores=later("arc.scoring", "score_once"),
    identified=True,
    published_tasks=later("arc.served", "scored_tasks"),
    floors=(
        Floor(
            name="most common output of the task",
            words="the output that the task's training pairs have most often",
            predict=later("arc.floors", "commonest_outputs"),
        ),
    ),
)
