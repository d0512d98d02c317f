"""The section on what each knob buys, beyond what chance would give."""

from collections.abc import Iterator

from puzzle_datasets.common.text import counted
from sweep_platform.report import tables, wording
from sweep_platform.report.analysis.effects import Extremes, Tested, extremes, tested
from sweep_platform.report.analysis.paired import FEWEST
from sweep_platform.report.blocks import Block, Heading, Paragraph
from sweep_platform.store.summary import SweepSummary


def effects_section(sweep: SweepSummary) -> Iterator[Block]:
    """What each knob buys, and the best trial against the worst, each paired by seed and task."""
    found, ends = tested(sweep), extremes(sweep)
    if ends is None and not found:
        return
    yield Heading("Differences beyond chance")
    if ends is not None:
        yield Paragraph(_best_against_worst(ends))
    if not found:
        return
    yield tables.table("effects", _COLUMNS, found)
    yield Paragraph(
        "Each row is the mean over pairs of complete trials that differ in this knob alone, "
        "paired by seed and task; brackets hold 95 % intervals over both. Holm's correction is "
        "for all rows together. Effect size is the mean over seeds in units of their standard "
        "deviation (Cohen's d). Training and inference are the FLOPs that it costs more. A row "
        "without an interval has too few seeds or tasks "
        f"(at least {FEWEST} of each) to tell it from chance."
    )


_COLUMNS: tuple[tables.Column[Tested], ...] = (
    tables.Column("Knob", lambda one: one.effect.knob, words=True),
    tables.knob("From", lambda one: one.effect.other),
    tables.knob("To", lambda one: one.effect.one),
    tables.difference("Points gained", lambda one: one.effect.difference),
    tables.Column(
        "p (Holm)", lambda one: wording.p_value(one.p), data={"p_holm": lambda one: one.p}
    ),
    tables.Column(
        "Effect size",
        lambda one: _size(one.effect.difference.effect_size),
        data={"effect_size": lambda one: one.effect.difference.effect_size},
    ),
    tables.more_flops("Training", lambda one: one.effect.training_flops),
    tables.more_flops("Inference", lambda one: one.effect.inference_flops),
    tables.number("Pairs of trials", lambda one: one.effect.pairs),
)


def _size(value: float | None) -> str:
    return wording.NOTHING if value is None else f"{value:+.1f}"


def _best_against_worst(ends: Extremes) -> str:
    found = ends.difference
    over = f"{counted(found.seeds, 'seed')} and {counted(found.tasks, 'task')}"
    told = f"{over} are too few to tell that from chance"
    if found.p is not None:
        told = f"{wording.with_p(found.p)} over {over}, not corrected for picking the two"
    return (
        f"Trial {ends.best}, the most accurate, differs from trial {ends.worst}, the least "
        f"accurate, by {wording.points(found)} points: {told}."
    )
