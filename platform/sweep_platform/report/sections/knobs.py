"""The section on the values of each knob."""

from collections.abc import Iterator

from sweep_platform.report.analysis import wording
from sweep_platform.report.analysis.knobs import KnobValue, knob_values
from sweep_platform.report.charts.knobs import knobs_chart
from sweep_platform.report.pages.blocks import Block, Figure, Heading, Paragraph
from sweep_platform.report.sections.tables import Column, metric, table
from sweep_platform.store.summary import SweepSummary

_COLUMNS: tuple[Column[KnobValue], ...] = (
    Column("Knob", lambda row: row.knob, words=True),
    Column("Value", lambda row: wording.knob_value(row.value)),
    Column("Trials", lambda row: str(row.trials)),
    metric("exact_accuracy", lambda row: row.median_accuracy, "Median {}"),
    metric("exact_accuracy", lambda row: row.best_accuracy, "Best"),
    metric("inference_flops", lambda row: row.median_inference_flops, "Median {}"),
)


def knobs_section(sweep: SweepSummary) -> Iterator[Block]:
    """The complete trials by the value of each knob, where there are any."""
    rows = knob_values(sweep.complete)
    if not rows:
        return
    yield Heading("Knobs")
    yield Paragraph(
        f"Complete trials by the value of each knob ({len(sweep.complete)} in all), after all "
        "their segments; a trial whose model has no use for a knob is left out of it. This is "
        "association, not effect: the knobs varied together, the "
        "search may have tried promising values more often, several knobs change the compute as "
        "well, and few trials share a value. To claim an effect, vary one knob at equal FLOPs "
        "over several seeds."
    )
    yield Figure(
        "knobs", "Accuracy by the value of each knob; the bar is the median.", knobs_chart(sweep)
    )
    yield table(_COLUMNS, rows)
