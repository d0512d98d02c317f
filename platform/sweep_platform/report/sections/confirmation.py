"""The section on what the search picked, measured again with fresh seeds."""

from collections.abc import Iterator

from sweep_platform.common.text import knobs
from sweep_platform.report import tables, wording
from sweep_platform.report.analysis.effects import confirmed
from sweep_platform.report.analysis.evidence import Confirmed
from sweep_platform.report.analysis.intervals import confirmed_accuracy, measured_accuracy
from sweep_platform.report.blocks import Block, Heading, Paragraph
from sweep_platform.store.summary import SweepSummary


def confirmation_section(sweep: SweepSummary) -> Iterator[Block]:
    """What the search picked, measured again with fresh seeds."""
    if not (found := confirmed(sweep)):
        return
    columns: tuple[tables.Column[Confirmed], ...] = (
        tables.number("Trial", lambda one: one.trial.number),
        tables.Column("Knobs", lambda one: knobs(one.trial.knobs), words=True),
        tables.difference(
            "In the search", lambda one: measured_accuracy(sweep, one.trial), wording.estimate
        ),
        tables.difference("Confirmed", confirmed_accuracy, wording.estimate),
        tables.number("Seeds", lambda one: one.accuracy.seeds),
        tables.number("Puzzles", lambda one: one.puzzles),
    )
    yield Heading("Confirmation")
    yield tables.table("confirmation", columns, found)
    yield Paragraph(
        "Picking the best of several flatters it. So these were trained again, with seeds that "
        "the search never saw; where puzzles were kept back, on those. Brackets hold 95 % "
        "intervals: over seeds and tasks where there are three seeds or more, else Wilson's."
    )
