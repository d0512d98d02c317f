"""The sections on the best models themselves: test-time compute, dynamics, sample puzzles."""

from collections.abc import Iterator, Sequence

import altair as alt

from hrm.charts import PALETTE, chart_of, tooltip
from hrm.evaluation.wilson import wilson
from puzzle_datasets.common.text import counted, flops
from sweep_platform.report import blocks, parts, tables
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.inside.cached import inside_of
from sweep_platform.report.inside.record import Cell, Inside
from sweep_platform.store.summary import SweepSummary

Blocks = Iterator[blocks.Block | blocks.Missing]


def test_time_section(sweep: SweepSummary) -> Blocks:
    """The front's models under other N, T and M than they were trained with."""
    drawn = inside_of(sweep)
    if isinstance(drawn, Unknown):
        yield blocks.Missing(drawn.reason)
        return
    found = drawn.numbers
    for number in found.left_out:
        yield blocks.Missing(
            f"What goes on inside trial {number} is not all told: its checkpoint can't be used "
            "here; `python -m hrm.dynamics` says why."
        )
    if not found.cells:
        yield blocks.Missing(
            "No grid over N, T and M: the best models have no cycles, or cost too much to be "
            "evaluated so often on this machine; `python -m hrm.grid` has no such limit."
        )
        return
    yield blocks.Heading("Other N, T and M at test time")
    yield blocks.Paragraph(_precision(found))
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


def _precision(found: Inside) -> str:
    """On what the grid was measured; puzzles of one task are no independent ones."""
    low, high = wilson(0.5, found.grid_tasks)
    of_tasks = f" of {counted(found.grid_tasks, 'task')}"
    return (
        "The most accurate models of the front, one replicate of each, run with cycles, steps and "
        "segments that they were not trained with, on "
        f"{counted(found.grid_puzzles, 'test puzzle')}"
        f"{of_tasks if found.grid_tasks < found.grid_puzzles else ''}. Nothing is trained again. "
        f"A cell is known to about {50 * (high - low):.0f} points, and the best of many is "
        "flattered: it is picked on the puzzles that measure it."
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
    number, puzzles = found.numbers.trial, found.numbers.curve.puzzles
    yield blocks.Heading(f"Inside trial {number}")
    now, before = found.dynamics.trajectories, found.dynamics.untrained
    used = "; ".join(
        f"{state} {now.dimension(state):.1f} (before training {before.dimension(state):.1f})"
        for state in now.states
    )
    yield blocks.Paragraph(
        f"One replicate of trial {number}, on {counted(puzzles, 'test puzzle')}. A forward "
        "residual is how far an update moves a state, in lengths of that state; the participation "
        f"ratio is how many directions a state uses: {used}. These describe the model and explain "
        "nothing by themselves."
    )
    words = f"How far each update moves each state of trial {number}."
    yield blocks.Figure("residuals", words, found.residuals)
    words = f"Directions that each state of trial {number} uses, by the number of puzzles."
    yield blocks.Figure("participation", words, found.participation)


def samples_section(sweep: SweepSummary) -> Blocks:
    """A few test puzzles, and the best model's answer after each segment."""
    found = inside_of(sweep)
    if isinstance(found, Unknown):
        yield blocks.Missing(found.reason)
        return
    numbers = found.numbers
    yield blocks.Heading("Puzzles solved segment by segment")
    words = f"Test puzzles, the answer of trial {numbers.trial} after each segment, the solution."
    yield blocks.Drawing("segments", words, found.picture)
    first = "that took most segments to solve" if found.dynamics.segments > 1 else "it solves"
    yield blocks.Paragraph(
        f"Of {counted(numbers.curve.puzzles, 'test puzzle')} those {first} come first, unsolved "
        f"ones where these run out: trial {numbers.trial} solves {found.solved} of the "
        f"{len(numbers.traces)} drawn. They are no typical ones."
    )


_COLUMNS: tuple[tables.Column[Cell], ...] = (
    tables.number("Trial", lambda cell: cell.trial),
    tables.number("N", lambda cell: cell.N),
    tables.number("T", lambda cell: cell.T),
    tables.number("M", lambda cell: cell.M),
    tables.metric("exact_accuracy", lambda cell: cell.exact_accuracy),
    tables.metric("inference_flops", lambda cell: cell.inference_flops),
)
