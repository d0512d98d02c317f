"""The section on what each knob buys, beyond what chance would give."""

from collections.abc import Iterator

from puzzle_datasets.common.text import counted
from sweep_platform.report import blocks, wording
from sweep_platform.report.analysis.effects import Effect, Extremes, effects, extremes
from sweep_platform.report.analysis.paired import FEWEST, corrected
from sweep_platform.report.blocks import Block, Heading, Paragraph
from sweep_platform.store.summary import SweepSummary


def effects_section(sweep: SweepSummary) -> Iterator[Block]:
    """What each knob buys, and the best trial against the worst, each paired by seed and task."""
    found, ends = effects(sweep), extremes(sweep)
    if ends is None and not found:
        return
    yield Heading("Differences beyond chance")
    if ends is not None:
        yield Paragraph(_best_against_worst(ends))
    if not found:
        return
    known = [one for one in found if one.difference.p is not None]
    p_values = corrected([one.difference.p or 0.0 for one in known])
    holm = dict(zip(map(id, known), p_values, strict=True))
    columns = (
        blocks.Column[Effect]("Knob", lambda one: one.knob),
        blocks.Column[Effect]("From", lambda one: wording.knob_value(one.other)),
        blocks.Column[Effect]("To", lambda one: wording.knob_value(one.one)),
        blocks.Column[Effect]("Points gained", lambda one: wording.points(one.difference)),
        blocks.Column[Effect]("p (Holm)", lambda one: wording.p_value(holm.get(id(one)))),
        blocks.Column[Effect]("Pairs of trials", lambda one: str(one.pairs)),
    )
    yield blocks.table(columns, found)
    yield Paragraph(
        "Each row is the mean over pairs of complete trials that differ in this knob alone, "
        "paired by seed and task; brackets hold 95 % intervals over both. Holm's correction is "
        "for all rows together. A row without an interval has too few seeds or tasks "
        f"(at least {FEWEST} of each) to tell it from chance."
    )


def _best_against_worst(ends: Extremes) -> str:
    found = ends.difference
    over = f"{counted(found.seeds, 'seed')} and {counted(found.tasks, 'task')}"
    told = f"{over} are too few to tell that from chance"
    if found.p is not None:
        told = f"p = {wording.p_value(found.p)} over {over}, not corrected for picking the two"
    return (
        f"Trial {ends.best}, the most accurate, differs from trial {ends.worst}, the least "
        f"accurate, by {wording.points(found)} points: {told}."
    )
