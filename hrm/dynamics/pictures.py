"""Puzzles solved segment by segment, as one SVG: a row for each puzzle, wrong cells marked.

Shapes: B rows, L tokens, M segments.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hrm.model.act import wants_to_halt
from hrm.model.losses import score_rows
from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.drawing import svg
from puzzle_datasets.drawing.picture import Look
from puzzle_datasets.drawing.svg import Grid, Mask
from puzzle_datasets.kinds.kind import kind_named
from puzzle_datasets.loading.batch import Batch
from puzzle_datasets.storage.schema import IGNORE_LABEL, PAD, Manifest

WRONG = "#d92d20"
MOST_SEGMENTS = 6
"""More segments than these are not drawn side by side; the first and the doublings are."""

_MARGIN, _GAP, _CAPTION, _HEADING = 26, 20, 40, 92
_PANEL, _LEAST_PANEL, _LARGEST_CELL, _LEAST_WIDTH = 150, 100, 34, 560


class SegmentTrace(NamedTuple):
    """One puzzle: tokens and labels `[L]`, predictions `[M, L]`, all int32; the rest `[M]` bool.

    `exact` says after which segments every scored token is right, `halts` after which the Q-values
    ask for an end.
    """

    inputs: Tensor
    labels: Tensor
    predictions: Tensor
    exact: Tensor
    halts: Tensor

    @property
    def solved_at(self) -> int:
        """The segment from which on the answer is right; 0 if the last answer is wrong."""
        wrong = (~self.exact).nonzero().flatten()
        if not len(wrong):
            return 1
        last = int(wrong[-1]) + 1
        return 0 if last == len(self.exact) else last + 1

    @property
    def halts_at(self) -> int:
        """The first segment after which the model would stop; 0 if it never would."""
        asks = self.halts.nonzero().flatten()
        return int(asks[0]) + 1 if len(asks) else 0


@torch.inference_mode()
def traces(model: ReasoningModel, batch: Batch, segments: int) -> list[SegmentTrace]:
    """Run a batch for `segments` segments and keep the answers after each."""
    batch = batch.to(model.device)
    x = model.embed(batch.inputs, model.puzzle_emb(batch.puzzle_identifiers))
    carry = model.initial_carry(len(batch.inputs))
    predictions, exact, halts = [], [], []
    for _ in range(segments):
        carry, output = model(carry, x)
        predictions.append(output.logits.argmax(-1).int())
        exact.append(score_rows(output.logits, batch.labels).exact)
        halts.append(wants_to_halt(model, output))
    columns = (torch.stack(column, 1).cpu() for column in (predictions, exact, halts))
    rows = zip(batch.inputs.cpu(), batch.labels.cpu(), *columns, strict=True)
    return [SegmentTrace(*row) for row in rows]


def hardest(
    model: ReasoningModel, batches: Iterable[Batch], segments: int, count: int
) -> list[SegmentTrace]:
    """The `count` puzzles that were solved in most segments; unsolved ones only if these run out.

    Among equals the earlier puzzle is taken. No more than `count` and a batch are kept at a time.
    """
    kept: list[SegmentTrace] = []
    for batch in batches:
        candidates = kept + traces(model, batch, segments)
        kept = sorted(candidates, key=lambda trace: -trace.solved_at)[:count]
    return kept


class _Column(NamedTuple):
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
    cell += marks(np.ones((1, 1), np.bool_), 13)
    legend = cell + svg.text("wrong cell", 19, 11, size=12, colour=svg.FAINT)
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
    # The smallest rectangle around all that is used, for ARC's fill little of a canvas.
    used = scored | (puzzle != PAD)
    rows, cells = (np.flatnonzero(used.any(axis)) for axis in (1, 0))
    part = slice(rows[0], rows[-1] + 1), slice(cells[0], cells[-1] + 1)
    columns = [_Column(puzzle[part], "puzzle", "", np.zeros_like(scored[part]))]
    for segment in drawn_segments(len(trace.exact)):
        answer = trace.predictions[segment - 1].numpy().reshape(shape)
        wrong = scored & (answer != labels)
        # An answer outside the scored cells counts for nothing, and would only confuse.
        drawn = np.where(scored, answer, PAD).astype(np.uint8)
        count = int(wrong.sum())
        verdict = f"{count} wrong" if count else "right"
        verdict += ", would halt" * (trace.halts_at == segment)
        columns.append(_Column(drawn[part], f"segment {segment}", verdict, wrong[part]))
    solution = np.where(scored, labels, PAD).astype(np.uint8)
    return [*columns, _Column(solution[part], "solution", "", np.zeros_like(scored[part]))]


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
