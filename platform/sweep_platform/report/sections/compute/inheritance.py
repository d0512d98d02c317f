"""The section on what beginning with another trial's weights changes."""

from collections.abc import Iterator

from puzzle_datasets.common.text import counted
from sweep_platform.common.text import knobs
from sweep_platform.report import tables, wording
from sweep_platform.report.analysis.compute.inheritance import (
    ControlledHeir,
    Inheriting,
    begun_from_scratch,
    inheriting,
)
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.analysis.paired import FEWEST
from sweep_platform.report.blocks import Block, Heading, Missing, Paragraph
from sweep_platform.store.summary import SweepSummary


def inheritance_section(sweep: SweepSummary) -> Iterator[Block | Missing]:
    """Which trials inherited, and what that changes; nothing where none was to."""
    if not sweep.record.spec.get("inherit"):
        return
    found = inheriting(sweep)
    yield Heading("Weights handed on")
    yield Paragraph(_who_inherited(sweep))
    if isinstance(found, Unknown):
        yield Paragraph(found.reason)
        return
    yield tables.table("inheritance", _COLUMNS, found.heirs)
    yield Paragraph(_gained(found))


_COLUMNS: tuple[tables.Column[ControlledHeir], ...] = (
    tables.number("Trial", lambda one: one.trial.number),
    tables.Column("Knobs", lambda one: knobs(one.trial.knobs), words=True),
    tables.number("Ancestor", lambda one: _ancestor(one)),
    tables.difference("As heir", lambda one: one.heir, wording.estimate),
    tables.difference("From scratch", lambda one: one.control, wording.estimate),
    tables.difference("Points gained", lambda one: one.gain),
    tables.Column(
        "p (Holm)", lambda one: wording.p_value(one.p), data={"p_holm": lambda one: one.p}
    ),
    tables.metric("token_accuracy", lambda one: one.heir_tokens, "As heir {}"),
    tables.metric("token_accuracy", lambda one: one.control_tokens, "From scratch {}"),
    tables.metric("training_flops", lambda one: one.trial.record.training_flops, "Of this {}"),
    tables.metric(
        "training_flops", lambda one: one.trial.record.lineage_flops, "With ancestors {}"
    ),
)


def _ancestor(one: ControlledHeir) -> int:
    assert one.trial.record.ancestor is not None
    return one.trial.record.ancestor.trial


def _who_inherited(sweep: SweepSummary) -> str:
    heirs = [trial for trial in sweep.trials if trial.record.ancestor]
    told = (
        f"{len(heirs)} of {counted(len(sweep.trials), 'trial')} began with the weights of the "
        "nearest complete trial whose weights have the same shapes, replicate by replicate. "
        "Where accuracy is shown against training compute, that of all ancestors counts as well; "
        "budgets count what was newly spent. Trials that inherited differ in more than their "
        "knobs when they are compared; confirmation is always trained from scratch."
    )
    lost = {t.number: len(found) for t in heirs if (found := begun_from_scratch(t))}
    if lost:
        each = ", ".join(f"trial {number} ({count})" for number, count in lost.items())
        told += f" Replicates whose ancestor's checkpoint was gone began from scratch: {each}."
    return told


def _gained(found: Inheriting) -> str:
    gain = found.gain
    if isinstance(gain, Unknown):
        return gain.reason
    over = f"{counted(gain.seeds, 'seed')} and {counted(gain.tasks, 'task')}"
    if gain.p is not None:
        told = f"{wording.with_p(gain.p)} over {over}"
    elif min(gain.seeds, gain.tasks) < FEWEST:
        told = f"{over} are too few to tell that from chance (at least {FEWEST} of each)"
    else:
        told = f"all of {over} are alike, which tells nothing of others"
    return (
        f"On average over {counted(len(found.heirs), 'heir')} inheriting changes accuracy by "
        f"{wording.points(gain)} points: {told}. Each was trained once more from scratch, with "
        "the same settings, seeds and newly spent compute, and is paired with that by seed and "
        "task. Which heirs were is fixed by their order, not by what they solve; only those that "
        "were trained to the end have a control."
    )
