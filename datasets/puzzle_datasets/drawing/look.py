"""What a kind of puzzle has to offer to be drawn."""

from typing import Protocol

from puzzle_datasets.drawing.svg import Grid

Legend = list[tuple[str, str]]
"""Swatches, each in a square at the origin, and what they mean."""


class Look(Protocol):
    """How one kind of puzzle looks."""

    def panel(self, puzzle: Grid, shown: Grid, cell: float) -> str:
        """Return one canvas at the origin, its cells ``cell`` pixels wide and high.

        ``shown`` is ``puzzle`` itself or its solution, both tokens [rows, columns].
        """

    def legend(self, side: float) -> Legend:
        """Return the legend, with swatches ``side`` pixels wide and high."""
