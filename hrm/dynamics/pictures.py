"""Puzzles solved segment by segment, as one SVG: a row for each puzzle, wrong cells marked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from hrm.dynamics.stories import Story
from puzzle_datasets.drawing import svg
from puzzle_datasets.drawing.arc import ArcLook
from puzzle_datasets.drawing.look import Look
from puzzle_datasets.drawing.maze import MazeLook
from puzzle_datasets.drawing.png import packed
from puzzle_datasets.drawing.sudoku import SudokuLook
from puzzle_datasets.drawing.svg import Grid, Mask
from puzzle_datasets.schema import IGNORE_LABEL, PAD, Manifest

WRONG = "#d92d20"
MOST_SEGMENTS = 6
"""More segments than these are not shown side by side; the first and the doublings are."""

PIXELS_PER_POINT = 2

_MARGIN, _GAP, _CAPTION, _HEADING = 26, 20, 40, 92
_PANEL, _LARGEST_CELL = 150, 34


@dataclass(frozen=True)
class _Column:
    """One grid of a row, with a line in bold above it, a plain one, and the cells to mark."""

    shown: Grid
    heading: str
    details: str
    wrong: Mask


def picture(stories: Sequence[Story], manifest: Manifest, title: str, note: str) -> str:
    """Draw each puzzle as the model reads it, what it answers in between, and the solution."""
    look = _look(manifest)
    rows, columns = manifest.grid
    cell = min(_LARGEST_CELL, max(1, _PANEL // max(rows, columns)))
    step, row_height = columns * cell + _GAP, rows * cell + _CAPTION + _GAP
    table = [_columns(story, (rows, columns)) for story in stories]
    width = max(760.0, 2 * _MARGIN + len(table[0]) * step - _GAP)
    height = _HEADING + len(table) * row_height + _MARGIN
    shapes = [_title(title, note)]
    shapes += [
        svg.moved(_panel(column, row[0].shown, look, cell), _MARGIN + j * step, y)
        for y, row in ((_HEADING + i * row_height, row) for i, row in enumerate(table))
        for j, column in enumerate(row)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {svg.short(width)} {height}" '
        f'width="{svg.short(width)}" height="{height}" font-family="{svg.FONT}">'
        f"{svg.rectangle(width, height, fill='#ffffff')}{''.join(shapes)}</svg>"
    )


def png(image: str) -> bytes:
    """The picture as a PNG; needs vl-convert."""
    import vl_convert

    return packed(vl_convert.svg_to_png(image, scale=PIXELS_PER_POINT))


def shown_segments(segments: int) -> list[int]:
    """Which segments are drawn: all where they are few, else 1, 2, 4, … and the last."""
    if segments <= MOST_SEGMENTS:
        return list(range(1, segments + 1))
    doublings = [2**power for power in range(segments.bit_length()) if 2**power <= segments]
    return sorted({*doublings[: MOST_SEGMENTS - 1], segments})


def _look(manifest: Manifest) -> Look:
    if manifest.kind == "arc":
        return ArcLook()
    if manifest.kind == "maze":
        return MazeLook()
    assert manifest.box is not None, manifest.kind
    return SudokuLook(manifest.box)


def _title(title: str, note: str) -> str:
    swatch = _marks(np.ones((1, 1), np.bool_), 13)
    legend = swatch + svg.text("wrong cell", 19, 11, size=12, colour=svg.FAINT)
    shapes = [
        svg.text(title, 0, 14, size=15, bold=True),
        svg.text(note, 0, 34, size=12, colour=svg.FAINT),
        svg.moved(legend, 0, 46),
    ]
    return svg.moved("".join(shapes), _MARGIN, 14)


def _columns(story: Story, shape: tuple[int, int]) -> list[_Column]:
    labels = story.labels.numpy().reshape(shape)
    scored = labels != IGNORE_LABEL
    none = np.zeros(shape, np.bool_)
    columns = [_Column(_grid(story.inputs, shape), "puzzle", "", none)]
    for segment in shown_segments(len(story.exact)):
        answer = story.predictions[segment - 1].numpy().reshape(shape)
        wrong = scored & (answer != labels)
        # What is said outside the scored cells counts for nothing, and would only confuse.
        shown = np.where(scored, answer, PAD).astype(np.uint8)
        columns.append(_Column(shown, f"segment {segment}", _said(story, segment, wrong), wrong))
    solution = np.where(scored, labels, PAD).astype(np.uint8)
    return [*columns, _Column(solution, "solution", "", none)]


def _said(story: Story, segment: int, wrong: Mask) -> str:
    count = int(wrong.sum())
    said = f"{count} wrong" if count else "right"
    return f"{said}, would halt" if story.halts_at == segment else said


def _grid(tokens: Tensor, shape: tuple[int, int]) -> Grid:
    return tokens.numpy().astype(np.uint8).reshape(shape)


def _panel(column: _Column, puzzle: Grid, look: Look, cell: int) -> str:
    heading = svg.text(column.heading, 0, 10, size=12, bold=True)
    details = svg.text(column.details, 0, 26, size=11.5, colour=svg.FAINT)
    grid = look.panel(puzzle, column.shown, cell) + _marks(column.wrong, cell)
    return heading + details + svg.moved(grid, 0, _CAPTION - 6)


def _marks(wrong: Mask, cell: int) -> str:
    """A red veil over the marked cells, and a line around each that is large enough for one."""
    veil = f'<g fill-opacity="0.28">{svg.cells(wrong, cell, WRONG)}</g>'
    if cell < 8:
        return veil
    inset = 1.2
    boxes = "".join(
        svg.moved(
            svg.rectangle(
                cell - 2 * inset, cell - 2 * inset, fill="none", stroke=WRONG, stroke_width=1.4
            ),
            column * cell + inset,
            row * cell + inset,
        )
        for row, column in np.argwhere(wrong).tolist()
    )
    return veil + boxes
