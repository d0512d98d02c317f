"""A grid of test-time compute as a Markdown table and as a chart of accuracy against FLOPs."""

from collections.abc import Sequence
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
from puzzle_datasets.common.text import counted, flops, percent

TOOLTIP = {"N": "N", "T": "T", "M": "Segments M", "solved": "Solved", "cost": "Compute"}


def markdown(grid: Grid, columns: Sequence[int]) -> str:
    """One row for each (N, T), one column for each number of segments; the trained point bold."""
    N, T, M_max = grid.trained
    puzzles = grid.cells[0].curve.puzzles
    points = [accuracy for cell in grid.cells for accuracy in cell.curve.exact_accuracy]
    legend = (
        f"Test puzzles of {markdown_text(grid.subject['name'])} solved exactly after M segments "
        f"of N cycles of T steps, in percent of {puzzles:,}. The model was trained with "
        f"N {N}, T {T}, M_max {M_max}, in bold where it is in the table; these are the "
        f"{weights_in_words(grid.checkpoint)}. Best of {counted(len(points), 'point')}, chosen on "
        f"these puzzles and so rather too good: {share(max(points), puzzles)}, with the 95 % "
        "interval of a point that was not chosen."
    )
    head = ["N", "T", "FLOPs of a segment", *(f"M = {M}" for M in columns)]
    head += [f"when each halts (at most {grid.subject['segments']})", "segments then"]
    rows = [head, ["---:"] * len(head), *(_row(grid, cell, columns) for cell in grid.cells)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"# Accuracy by test-time compute\n\n{legend}\n\n{table}\n"


def _row(grid: Grid, cell: Cell, columns: Sequence[int]) -> list[str]:
    accuracy = [f"{100 * cell.curve.exact_accuracy[M - 1]:.1f}" for M in columns]
    return [
        str(cell.N),
        str(cell.T),
        flops(cell.curve.inference_flops[0]),
        *(
            f"**{value}**" if grid.trained == (cell.N, cell.T, M) else value
            for M, value in zip(columns, accuracy, strict=True)
        ),
        percent(cell.halting.exact_accuracy),
        f"{cell.halting.mean_segments:.2f}",
    ]


def chart(grid: Grid, columns: Sequence[int]) -> Chart:
    """Accuracy against FLOPs, one line for each (N, T); colours tell T, shapes N.

    N cycles a segment for M segments are much like M for N, so that lines of one T lie close.

    Raises `ConfigError` where Altair is not installed.
    """
    alt = altair()
    points = [_point(cell, M) for cell in grid.cells for M in columns]
    colour = alt.Color("T:O", title="T, steps of a cycle", scale=alt.Scale(range=[*PALETTE]))
    base = chart_of(points).encode(x=compute_axis(), y=accuracy_axis(), color=colour)
    lines = base.mark_line(strokeWidth=1.5, opacity=0.6).encode(detail="N:O")
    marks = base.mark_point(filled=True, size=55, opacity=0.9).encode(
        shape=alt.Shape("N:O", title="N, cycles of a segment"), tooltip=tooltip(TOOLTIP)
    )
    N, T, M = grid.trained
    note = (
        f"Points: after 1, 2, … segments, {grid.cells[0].curve.puzzles:,} test puzzles of "
        f"{grid.subject['name']}. Ring: as trained, N {N}, T {T}, M_max {M}."
    )
    trained = [point for point in points if (point["N"], point["T"], point["M"]) == grid.trained]
    ring = chart_of(trained).mark_point(size=260, color="black", strokeWidth=2, filled=False)
    layers = [lines, marks]
    layers += [ring.encode(x="flops:Q", y="accuracy:Q")] if trained else []
    title = heading("Accuracy by test-time compute", note)
    return styled(alt.layer(*layers).properties(width=620, height=380, title=title))


def _point(cell: Cell, M: int) -> dict[str, Any]:
    accuracy, cost = cell.curve.exact_accuracy[M - 1], cell.curve.inference_flops[M - 1]
    solved = f"{share(accuracy, cell.curve.puzzles)} of {cell.curve.puzzles:,}"
    point = {"N": cell.N, "T": cell.T, "M": M, "flops": cost, "accuracy": accuracy}
    return {**point, "solved": solved, "cost": flops(cost)}
