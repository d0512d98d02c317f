"""Puzzles solved segment by segment, as one SVG: a row for each puzzle, wrong cells marked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hrm.dynamics.traces import SegmentTrace
from puzzle_datasets.drawing import svg
from puzzle_datasets.drawing.picture import Look
from puzzle_datasets.drawing.svg import Grid, Mask
from puzzle_datasets.kinds.kind import kind_named
from puzzle_datasets.storage.schema import IGNORE_LABEL, PAD, Manifest

WRONG = "#d92d20"
MOST_SEGMENTS = 6
"""More segments than these are not drawn side by side; the first and the doublings are."""

_MARGIN, _GAP, _CAPTION, _HEADING = 26, 20, 40, 92
_PANEL, _LEAST_PANEL, _LARGEST_CELL, _LEAST_WIDTH = 150, 100, 34, 560


@dataclass(frozen=True)
class _Column:
    """One grid of a row, with a line in bold above it, a plain one, and the cells to mark."""

    drawn: Grid
    heading: str
    details: str
    wrong: Mask


Marks = Callable[[Mask, int], str]
"""Returns marks on wrong cells, cells being so many pixels wide."""


def picture(traces: Sequence[SegmentTrace], manifest: Manifest, title: str, note: str) -> str:
    """Draw each puzzle as the model reads it, its answers segment by segment, and the solution."""
    kind = kind_named(manifest.kind)
    look, marks = kind.look(manifest), _boxes if kind.has_symbols else _crosses
    blocks = [_row(_columns(trace, manifest.grid), look, marks) for trace in traces]
    width = max(_LEAST_WIDTH, *(2 * _MARGIN + width for _, width, _ in blocks))
    shapes, y = [_title(title, note, marks)], _HEADING
    for content, _, height in blocks:
        shapes.append(svg.moved(content, _MARGIN, y))
        y += height + _GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" '
        f'width="{width}" height="{y}" font-family="{svg.FONT}">'
        f"{svg.rectangle(width, y, fill='#ffffff')}{''.join(shapes)}</svg>"
    )


def _row(columns: Sequence[_Column], look: Look, marks: Marks) -> tuple[str, int, int]:
    """Return the grids of one puzzle side by side, and their width and height."""
    puzzle = columns[0].drawn
    height, width = puzzle.shape
    cell = min(_LARGEST_CELL, max(1, _PANEL // max(height, width)))
    step = max(width * cell, _LEAST_PANEL) + _GAP
    shapes = []
    for place, column in enumerate(columns):
        grid = look.panel(puzzle, column.drawn, cell) + marks(column.wrong, cell)
        heading = svg.text(column.heading, 0, 10, size=12, bold=True)
        details = svg.text(column.details, 0, 26, size=11.5, colour=svg.FAINT)
        panel = heading + details + svg.moved(grid, 0, _CAPTION - 6)
        shapes.append(svg.moved(panel, place * step, 0))
    return "".join(shapes), len(columns) * step - _GAP, height * cell + _CAPTION


def drawn_segments(segments: int) -> list[int]:
    """Return the segments that are drawn: all where they are few, else 1, 2, 4, … and the last.

    >>> drawn_segments(16)
    [1, 2, 4, 8, 16]
    """
    if segments <= MOST_SEGMENTS:
        return list(range(1, segments + 1))
    doublings = [2**power for power in range(segments.bit_length()) if 2**power <= segments]
    return sorted({*doublings[: MOST_SEGMENTS - 1], segments})


def _title(title: str, note: str, marks: Marks) -> str:
    cell = svg.rectangle(13, 13, fill="#ffffff", stroke=svg.HAIRLINE, stroke_width=0.8)
    swatch = cell + marks(np.ones((1, 1), np.bool_), 13)
    legend = swatch + svg.text("wrong cell", 19, 11, size=12, colour=svg.FAINT)
    shapes = [
        svg.text(title, 0, 14, size=15, bold=True),
        svg.text(note, 0, 34, size=12, colour=svg.FAINT),
        svg.moved(legend, 0, 46),
    ]
    return svg.moved("".join(shapes), _MARGIN, 14)


def _columns(trace: SegmentTrace, shape: tuple[int, int]) -> list[_Column]:
    labels = trace.labels.numpy().reshape(shape)
    puzzle = trace.inputs.numpy().astype(np.uint8).reshape(shape)
    scored = labels != IGNORE_LABEL
    part = _used(scored | (puzzle != PAD))
    columns = [_Column(puzzle[part], "puzzle", "", np.zeros_like(scored[part]))]
    for segment in drawn_segments(len(trace.exact)):
        answer = trace.predictions[segment - 1].numpy().reshape(shape)
        wrong = scored & (answer != labels)
        # An answer outside the scored cells counts for nothing, and would only confuse.
        drawn = np.where(scored, answer, PAD).astype(np.uint8)
        verdict = _verdict(trace, segment, wrong)
        columns.append(_Column(drawn[part], f"segment {segment}", verdict, wrong[part]))
    solution = np.where(scored, labels, PAD).astype(np.uint8)
    return [*columns, _Column(solution[part], "solution", "", np.zeros_like(scored[part]))]


def _used(mask: Mask) -> tuple[slice, slice]:
    """Return the smallest rectangle around the marked cells, for ARC's fill little of a canvas."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _verdict(trace: SegmentTrace, segment: int, wrong: Mask) -> str:
    count = int(wrong.sum())
    verdict = f"{count} wrong" if count else "right"
    return f"{verdict}, would halt" if trace.halts_at == segment else verdict


def _boxes(wrong: Mask, cell: int) -> str:
    """Return a red veil over each marked cell and a line around it; digits stay legible."""
    inset = 1.2
    side = cell - 2 * inset
    box = svg.rectangle(side, side, fill="none", stroke=WRONG, stroke_width=1.4)
    boxes = [
        svg.moved(box, column * cell + inset, row * cell + inset)
        for row, column in np.argwhere(wrong).tolist()
    ]
    veil = f'<g fill-opacity="0.28">{svg.cells(wrong, cell, WRONG)}</g>'
    return veil + "".join(boxes)


def _crosses(wrong: Mask, cell: int) -> str:
    """Return a red cross with a white rim, which leaves a cell its colour and shows on any."""
    low, length = 0.25 * cell, 0.5 * cell
    strokes = "".join(
        f"M{svg.short(column * cell + low)} {svg.short(row * cell + low)}"
        f"l{svg.short(length)} {svg.short(length)}m0 {svg.short(-length)}"
        f"l{svg.short(-length)} {svg.short(length)}"
        for row, column in np.argwhere(wrong).tolist()
    )
    thin = max(1.0, 0.1 * cell)
    rim, core = (
        svg.path(strokes, fill="none", stroke=colour, stroke_width=svg.short(width))
        for colour, width in (("#ffffff", 2.4 * thin), (WRONG, thin))
    )
    return rim + core
