"""A grid of test-time compute as a Markdown table and as a chart of accuracy against FLOPs."""

from collections.abc import Iterator, Sequence
from typing import Any

from hrm.charts import (
    PALETTE,
    Chart,
    accuracy_axis,
    altair,
    chart_of,
    compute_axis,
    heading,
    styled,
    tooltip,
)
from hrm.commands.trained_model import weights_in_words
from hrm.evaluation.result import share
from hrm.grid.cells import Cell, Grid
from puzzle_datasets.common.page import markdown_text
from puzzle_datasets.common.text import flops, percent

TOOLTIP = {"N": "N", "T": "T", "M": "Segments M", "solved": "Solved", "cost": "Compute"}


def markdown(grid: Grid, columns: Sequence[int]) -> str:
    """One row for each (N, T), one column for each number of segments; the trained point bold."""
    head = ["N", "T", "FLOPs of a segment", *(f"M = {M}" for M in columns)]
    head += [f"when each halts (at most {_most(grid)})", "segments then"]
    rows = [head, ["---:"] * len(head), *(_row(grid, cell, columns) for cell in grid.cells)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"# Accuracy by test-time compute\n\n{_legend(grid)}\n\n{table}\n"


def _legend(grid: Grid) -> str:
    N, T, M = grid.trained
    name = markdown_text(grid.subject["name"])
    return (
        f"Test puzzles of {name} solved exactly after M segments of "
        f"N cycles of T steps, in percent of {_puzzles(grid):,}. The model was trained with "
        f"N {N}, T {T}, M_max {M}, in bold where it is in the table; these are the "
        f"{weights_in_words(grid.checkpoint)}. {_precision(grid)}"
    )


def _most(grid: Grid) -> int:
    """Segments that a puzzle gets if it never halts."""
    most: int = grid.subject["segments"]
    return most


def _puzzles(grid: Grid) -> int:
    return grid.cells[0].curve.puzzles


def _precision(grid: Grid) -> str:
    """Return a sentence on the interval of the best point, which knows nothing of the choice."""
    points = [accuracy for cell in grid.cells for accuracy in cell.curve.exact_accuracy]
    best = share(max(points), _puzzles(grid))
    return (
        f"Best of {len(points):,} points, chosen on these puzzles and so rather too good: {best}, "
        "with the 95 % interval of a point that was not chosen."
    )


def _row(grid: Grid, cell: Cell, columns: Sequence[int]) -> list[str]:
    def accuracy(M: int) -> str:
        value = f"{100 * cell.curve.exact_accuracy[M - 1]:.1f}"
        return f"**{value}**" if grid.trained == (cell.N, cell.T, M) else value

    return [
        str(cell.N),
        str(cell.T),
        flops(cell.curve.inference_flops[0]),
        *(accuracy(M) for M in columns),
        percent(cell.halting.exact_accuracy),
        f"{cell.halting.mean_segments:.2f}",
    ]


def chart(grid: Grid, columns: Sequence[int]) -> Chart:
    """Accuracy against FLOPs, one line for each (N, T); colours tell T, shapes N.

    N cycles a segment for M segments are much like M for N, so that lines of one T lie close.

    Raises `ConfigError` where Altair is not installed.
    """
    alt = altair()
    points = list(_points(grid, columns))
    colour = alt.Color("T:O", title="T, steps of a cycle", scale=alt.Scale(range=[*PALETTE]))
    base = chart_of(points).encode(x=compute_axis(), y=accuracy_axis(), color=colour)
    lines = base.mark_line(strokeWidth=1.5, opacity=0.6).encode(detail="N:O")
    marks = base.mark_point(filled=True, size=55, opacity=0.9).encode(
        shape=alt.Shape("N:O", title="N, cycles of a segment"), tooltip=tooltip(TOOLTIP)
    )
    N, T, M = grid.trained
    note = (
        f"Points: after 1, 2, … segments, {_puzzles(grid):,} test puzzles of "
        f"{grid.subject['name']}. Ring: as trained, N {N}, T {T}, M_max {M}."
    )
    trained = [point for point in points if (point["N"], point["T"], point["M"]) == grid.trained]
    ring = chart_of(trained).mark_point(size=260, color="black", strokeWidth=2, filled=False)
    layers = (
        [lines, marks, ring.encode(x="flops:Q", y="accuracy:Q")] if trained else [lines, marks]
    )
    title = heading("Accuracy by test-time compute", note)
    return styled(alt.layer(*layers).properties(width=620, height=380, title=title))


def _points(grid: Grid, columns: Sequence[int]) -> Iterator[dict[str, Any]]:
    for cell in grid.cells:
        for M in columns:
            accuracy, cost = cell.curve.exact_accuracy[M - 1], cell.curve.inference_flops[M - 1]
            yield {
                "N": cell.N,
                "T": cell.T,
                "M": M,
                "flops": cost,
                "accuracy": accuracy,
                "solved": f"{share(accuracy, cell.curve.puzzles)} of {cell.curve.puzzles:,}",
                "cost": flops(cost),
            }
