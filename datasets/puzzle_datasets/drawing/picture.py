"""A picture of puzzles: a heading, a legend, and sections of pairs in three columns, as SVG."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.options import check, option
from puzzle_datasets.drawing import svg
from puzzle_datasets.drawing.svg import Grid

WIDTH = 1100
COLUMNS = 3

_MARGIN, _GAP, _ARROW = 30, 28, 24
_PAIR = (WIDTH - 2 * _MARGIN - (COLUMNS - 1) * _GAP) / COLUMNS
_PANEL = (_PAIR - _ARROW) / 2
_LARGEST_CELL = 38
_LINE, _SWATCH = 18, 14
_ARROW_SHAPE = svg.path(
    "M-6 0h12M2.5 -3.5l3.5 3.5l-3.5 3.5", fill="none", stroke=svg.FAINT, stroke_width=1.2
)
_CHARACTERS = 175
"""Letters of the running text that fit in a line."""

Legend = list[tuple[str, str]]
"""Swatches, each in a square at the origin, and what they mean."""

Block = tuple[str, float]
"""Shapes below the origin, and how high they are."""


class Look(Protocol):
    """The look of one kind of puzzle."""

    def panel(self, puzzle: Grid, drawn: Grid, cell: float) -> str:
        """Return one canvas at the origin, its cells `cell` pixels wide and high.

        `drawn` is `puzzle` itself or its solution, both tokens [rows, columns].
        """

    def legend(self, side: float) -> Legend:
        """Return the legend, with swatches `side` pixels wide and high."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A puzzle and its solution, tokens [rows, columns], with a heading and a line below it."""

    puzzle: Grid
    solution: Grid
    heading: str
    details: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """Pairs under a heading and an explanation, `COLUMNS` in a row."""

    heading: str
    explanation: str
    pairs: Sequence[Pair]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """All that is drawn."""

    title: str
    subtitle: str
    look: Look
    sections: Sequence[Section]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The sample of puzzles that is drawn."""

    puzzles: int = option(3, "puzzles of each split", least=1, most=1000)
    seed: int = option(0, "decides which puzzles", least=0, most=10**18)

    def __post_init__(self) -> None:
        check(self, DatasetError)


def render(picture: Picture) -> str:
    """Return the picture as one SVG."""
    blocks = [_heading(picture), *(_section(one, picture.look) for one in picture.sections)]
    height: float = _MARGIN
    placed = []
    for content, block_height in blocks:
        placed.append(svg.moved(content, _MARGIN, height))
        height += block_height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {svg.short(height)}" '
        f'width="{WIDTH}" height="{svg.short(height)}" font-family="{svg.FONT}">'
        f"{svg.rectangle(WIDTH, height, fill='#ffffff')}{''.join(placed)}</svg>"
    )


def _heading(picture: Picture) -> Block:
    title = svg.text(picture.title, 0, 16, size=21, bold=True)
    subtitle = svg.text(picture.subtitle, 0, 38, size=12.5, colour=svg.FAINT)
    legend, x = "", 0.0
    for swatch, meaning in picture.look.legend(_SWATCH):
        label = svg.text(meaning, _SWATCH + 5, _SWATCH - 3, size=12)
        legend += svg.moved(swatch + label, x, 0)
        x += _SWATCH + 5 + 5.7 * len(meaning) + 16
    return f"{title}{subtitle}{svg.moved(legend, 0, 54)}", 54 + _SWATCH + 30


def _section(section: Section, look: Look) -> Block:
    explanation = textwrap.wrap(section.explanation, _CHARACTERS)
    lines = [svg.text(section.heading, 0, 14, size=15, bold=True)]
    lines += [
        svg.text(line, 0, 14 + _LINE * number, size=12.5, colour=svg.FAINT)
        for number, line in enumerate(explanation, 1)
    ]
    top = 14 + _LINE * len(explanation) + 20
    # Whole pixels, so that equal cells look equal.
    cell = min(_LARGEST_CELL, max(1, int(_PANEL) // max(section.pairs[0].puzzle.shape)))
    row_height = 2 * _LINE + len(section.pairs[0].puzzle) * cell + 22
    pairs = [
        svg.moved(
            _pair(pair, look, cell),
            number % COLUMNS * (_PAIR + _GAP),
            top + number // COLUMNS * row_height,
        )
        for number, pair in enumerate(section.pairs)
    ]
    rows = -(-len(pairs) // COLUMNS)
    return "".join(lines + pairs), top + rows * row_height + 6


def _pair(pair: Pair, look: Look, cell: float) -> str:
    height, width = (lines * cell for lines in pair.puzzle.shape)
    panels = [
        svg.moved(look.panel(pair.puzzle, drawn, cell), x, 2 * _LINE - 4)
        for x, drawn in ((0, pair.puzzle), (width + _ARROW, pair.solution))
    ]
    arrow = svg.moved(_ARROW_SHAPE, width + _ARROW / 2, 2 * _LINE - 4 + height / 2)
    heading = svg.text(pair.heading, 0, 8, size=12, bold=True)
    details = svg.text(pair.details, 0, 8 + _LINE - 2, size=11.5, colour=svg.FAINT)
    return "".join([heading, details, *panels, arrow])
