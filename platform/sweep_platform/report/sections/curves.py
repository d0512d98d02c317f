"""The sections on what more segments and more training buy: one line per trial."""

from collections.abc import Iterator

from sweep_platform.report.charts.lines import segments_chart, training_chart
from sweep_platform.report.pages.blocks import Block, Figure, Heading, Paragraph
from sweep_platform.store.summary import SweepSummary


def segments_section(sweep: SweepSummary) -> Iterator[Block]:
    """Accuracy after each number of segments, where a trial was evaluated."""
    if sweep.evaluated:
        yield Heading("What another segment buys")
        yield Paragraph(
            "One line per trial: its accuracy after 1, 2, … M_max segments. Where a line is "
            "flat, further segments cost FLOPs and solve nothing more."
        )
        yield Figure(
            "curves",
            "Accuracy after 1 to M_max segments, for every trial.",
            segments_chart(sweep),
        )


def training_section(sweep: SweepSummary) -> Iterator[Block]:
    """Accuracy in the course of training, where a trial was evaluated."""
    if sweep.evaluated:
        yield Heading("What training buys")
        yield Paragraph(
            "Every evaluation of every trial, after all its segments, against the training FLOPs "
            "spent by then. A line that still climbs at its end asks for a larger budget."
        )
        yield Figure(
            "training",
            "Accuracy against training FLOPs, for every trial.",
            training_chart(sweep),
        )
