"""The section on the way from a sweep's base to its best configuration, a change at a time."""

from collections.abc import Iterator

from sweep_platform.report import blocks, tables
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.analysis.effects import Effect
from sweep_platform.report.analysis.knobs.path import path
from sweep_platform.store.summary import SweepSummary

_COLUMNS: tuple[tables.Column[Effect], ...] = (
    tables.Column("Change", lambda one: one.knob, words=True),
    tables.knob("From", lambda one: one.other),
    tables.knob("To", lambda one: one.one),
    tables.difference("Points gained", lambda one: one.difference),
    tables.more_flops("Inference", lambda one: one.inference_flops),
)


def path_section(sweep: SweepSummary) -> Iterator[blocks.Block | blocks.Missing]:
    """One row a change, where all configurations between were trained."""
    found = path(sweep)
    if isinstance(found, Unknown):
        yield blocks.Missing(found.reason)
        return
    yield blocks.Heading("From the base to the best")
    yield tables.table("path", _COLUMNS, found.steps)
    yield blocks.Paragraph(
        f"From trial {found.base} to trial {found.best} through configurations that were trained. "
        "Of several next changes the most accurate was taken, on the data that measures, which "
        "flatters the first ones."
    )
