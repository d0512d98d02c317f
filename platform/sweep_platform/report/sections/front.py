"""The section on the accuracy-compute front."""

from collections.abc import Iterator

from sweep_platform.common.text import knobs
from sweep_platform.report.analysis.front import Point, trials_front
from sweep_platform.report.charts.front import front_chart
from sweep_platform.report.pages.blocks import Block, Figure, Heading, Paragraph, Table
from sweep_platform.report.sections.tables import Column, interval, metric, solved, table
from sweep_platform.store.summary import SweepSummary


def front_section(sweep: SweepSummary) -> Iterator[Block]:
    """Every trial's accuracy after each number of segments, and the points of the front."""
    yield Heading("Accuracy against compute")
    if not sweep.evaluated:
        yield Paragraph("No trial has been evaluated yet.")
        return
    yield Paragraph(
        "Each point is a trial read after M segments, from 1 to its M_max, at its last "
        "evaluation. The front holds the points of complete trials for which no other solves "
        "as many puzzles for fewer FLOPs or more for as many. Points that solve nothing are "
        "left out of it."
    )
    yield Figure(
        "front",
        "Share of test puzzles solved against inference FLOPs per puzzle.",
        front_chart(sweep),
    )
    if best := trials_front(sweep.complete):
        yield _table(sweep, best)
    else:
        yield Paragraph("The front is empty: no complete trial has solved a puzzle.")


def _table(sweep: SweepSummary, best: list[Point]) -> Table:
    named = {trial.number: knobs(trial.knobs) for trial in sweep.trials}
    columns: tuple[Column[Point], ...] = (
        Column("Trial", lambda point: str(point.trial)),
        Column("Segments M", lambda point: str(point.segments)),
        Column("Knobs", lambda point: named[point.trial], words=True),
        solved(lambda point: point),
        interval(lambda point: point),
        metric("inference_flops", lambda point: point.inference_flops),
    )
    return table(columns, best)
