"""The section on what the search picked, measured again with fresh seeds."""

from collections.abc import Iterator

from sweep_platform.common.text import knobs
from sweep_platform.report import blocks, wording
from sweep_platform.report.analysis.effects import confirmed, measured
from sweep_platform.report.analysis.evidence import Confirmed
from sweep_platform.report.blocks import Block, Heading, Paragraph
from sweep_platform.store.summary import SweepSummary


def confirmation_section(sweep: SweepSummary) -> Iterator[Block]:
    """What the search picked, measured again with fresh seeds."""
    if not (found := confirmed(sweep)):
        return
    columns = (
        blocks.Column[Confirmed]("Trial", lambda one: str(one.trial.number)),
        blocks.Column[Confirmed]("Knobs", lambda one: knobs(one.trial.knobs), words=True),
        blocks.Column[Confirmed](
            "In the search", lambda one: wording.estimate(measured(sweep, one.trial))
        ),
        blocks.Column[Confirmed]("Confirmed", lambda one: wording.estimate(one.accuracy)),
        blocks.Column[Confirmed]("Seeds", lambda one: str(one.accuracy.seeds)),
        blocks.Column[Confirmed]("Puzzles", lambda one: f"{one.puzzles:,}"),
    )
    yield Heading("Confirmation")
    yield blocks.table(columns, found)
    yield Paragraph(
        "Picking the best of several flatters it. So these were trained again, with seeds that "
        "the search never saw; where puzzles were kept back, on those. Brackets hold 95 % "
        "intervals over seeds and tasks."
    )
