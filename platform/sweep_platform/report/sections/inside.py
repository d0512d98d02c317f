"""The sections on the best models themselves: test-time compute, dynamics, sample puzzles."""

from collections.abc import Iterator, Sequence

import altair as alt

from hrm.charts import PALETTE, chart_of, tooltip
from hrm.evaluation.wilson import wilson
from puzzle_datasets.common.text import flops
from sweep_platform.report import blocks, parts, tables
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.inside.once import inside_of
from sweep_platform.report.inside.record import Cell
from sweep_platform.store.summary import SweepSummary

Blocks = Iterator[blocks.Block | blocks.Missing]


def test_time_section(sweep: SweepSummary) -> Blocks:
    """The front's models under other N, T and M than they were trained with."""
    found = inside_of(sweep)
    if isinstance(found, Unknown):
        yield blocks.Missing(found.reason)
        return
    if not found.cells:
        yield blocks.Missing(
            "No grid over N, T and M: the best models have no cycles, or cost too much to be "
            "evaluated so often on this machine; `python -m hrm.grid` has no such limit."
        )
        return
    yield blocks.Heading("Other N, T and M at test time")
    low, high = wilson(0.5, found.grid_puzzles)
    yield blocks.Paragraph(
        "The most accurate models of the front, one replicate of each, run with cycles, steps and "
        f"segments that they were not trained with, on {found.grid_puzzles} test puzzles. Nothing "
        f"is trained again. A cell is known to about {50 * (high - low):.0f} points, and the best "
        "of many is flattered: it is picked on the puzzles that measure it."
    )
    for number in dict.fromkeys(cell.trial for cell in found.cells):
        own = [cell for cell in found.cells if cell.trial == number]
        words = f"Accuracy of trial {number} under other N, T and M, against inference FLOPs."
        yield blocks.Figure(f"test-time-{number}", words, test_time_chart(own))
    yield tables.table(
        "test-time",
        _COLUMNS,
        found.cells,
        muted=lambda cell: not cell.trained,
        folded="All cells; in grey those that differ from how the model was trained",
    )


def test_time_chart(cells: Sequence[Cell]) -> parts.Spec:
    """Accuracy against FLOPs, a line for each N and T; colours tell T, shapes N."""
    rows = [
        {
            "N": f"N = {cell.N}",
            "T": f"T = {cell.T}",
            "M": cell.M,
            "flops": cell.inference_flops,
            "accuracy": cell.exact_accuracy,
            "cost": f"{flops(cell.inference_flops)} per puzzle",
            "trained": cell.trained,
        }
        for cell in cells
    ]
    base = chart_of(rows).encode(
        x=parts.inference_axis(),
        y=parts.accuracy_axis(cell.exact_accuracy for cell in cells),
        color=alt.Color("T:N", title=None, scale=alt.Scale(range=list(PALETTE))),
    )
    shown = {"N": "N", "T": "T", "M": "Segments M", "cost": "Compute"}
    marks = base.mark_point(filled=True, size=60, opacity=1).encode(
        shape=alt.Shape("N:N", title=None), tooltip=tooltip(shown)
    )
    ring = base.transform_filter(alt.datum.trained).mark_point(size=260, strokeWidth=2)
    lines = base.mark_line(strokeWidth=1.5, opacity=0.6).encode(detail="N:N")
    drawn = alt.layer(lines, marks, ring.encode(color=alt.value("black")))
    title = f"Trial {cells[0].trial} under other N, T and M"
    note = "Points: after 1, 2, … segments. Ring: as it was trained."
    return parts.finished(drawn, title, note, **parts.WIDE)


def dynamics_section(sweep: SweepSummary) -> Blocks:
    """How the states of the best model move, and how many directions they use."""
    found = inside_of(sweep)
    if isinstance(found, Unknown):
        yield blocks.Missing(found.reason)
        return
    yield blocks.Heading("Inside the best model")
    used = "; ".join(
        f"{one.name} {one.directions:.1f} (before training {one.untrained:.1f})"
        for one in found.states
    )
    yield blocks.Paragraph(
        f"Trial {found.trial}, one replicate, on {found.puzzles} test puzzles. A forward residual "
        "is how far an update moves a state, in lengths of that state; the participation ratio is "
        f"how many directions a state uses: {used}. These describe the model and explain nothing "
        "by themselves."
    )
    for one in found.charts:
        yield blocks.Figure(one.name, one.description, one.spec)


def samples_section(sweep: SweepSummary) -> Blocks:
    """A few test puzzles, and the best model's answer after each segment."""
    found = inside_of(sweep)
    if isinstance(found, Unknown):
        yield blocks.Missing(found.reason)
        return
    yield blocks.Heading("Puzzles solved segment by segment")
    words = "Test puzzles, the best model's answer after each segment, and the solution."
    yield blocks.Drawing("segments", words, found.picture)
    yield blocks.Paragraph(
        "The ones that took most segments of those measured, so not typical ones."
    )


_COLUMNS: tuple[tables.Column[Cell], ...] = (
    tables.number("Trial", lambda cell: cell.trial),
    tables.number("N", lambda cell: cell.N),
    tables.number("T", lambda cell: cell.T),
    tables.number("M", lambda cell: cell.M),
    tables.metric("exact_accuracy", lambda cell: cell.exact_accuracy),
    tables.metric("inference_flops", lambda cell: cell.inference_flops),
)
