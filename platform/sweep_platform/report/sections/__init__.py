"""The report's outline: its sections in their order, before a page is made of them.

A section is a function that reads a sweep's summary and yields blocks, or none where it has
nothing to say. To add one, write it in a file of this folder, with its chart if it has one, and
name it in `SECTIONS`. Importing this package loads Altair.
"""

from collections.abc import Callable, Iterable, Iterator

from sweep_platform.report import wording
from sweep_platform.report.blocks import Block, Bullets, Heading, Missing, Outline
from sweep_platform.report.sections.compute.budgets import budgets_section, targets_section
from sweep_platform.report.sections.compute.curves import segments_section, training_section
from sweep_platform.report.sections.compute.growth import growth_section
from sweep_platform.report.sections.compute.halting import halting_section
from sweep_platform.report.sections.compute.inheritance import inheritance_section
from sweep_platform.report.sections.compute.scaling import scaling_section
from sweep_platform.report.sections.compute.training_front import training_front_section
from sweep_platform.report.sections.confirmation import confirmation_section
from sweep_platform.report.sections.front import front_section
from sweep_platform.report.sections.inside import (
    dynamics_section,
    samples_section,
    test_time_section,
)
from sweep_platform.report.sections.knobs.effects import effects_section
from sweep_platform.report.sections.knobs.importance import importance_section
from sweep_platform.report.sections.knobs.interactions import interactions_section
from sweep_platform.report.sections.knobs.path import path_section
from sweep_platform.report.sections.knobs.values import knobs_section, means_section
from sweep_platform.report.sections.models import models_section
from sweep_platform.report.sections.result import result_section
from sweep_platform.report.sections.searched.plan import plan_section
from sweep_platform.report.sections.settings import repeat_section, settings_section
from sweep_platform.report.sections.trials import by_state, trials_section
from sweep_platform.store.summary import SweepSummary, last_end

SECTIONS: tuple[Callable[[SweepSummary], Iterable[Block | Missing]], ...] = (
    result_section,
    confirmation_section,
    front_section,
    models_section,
    knobs_section,
    means_section,
    interactions_section,
    effects_section,
    path_section,
    budgets_section,
    targets_section,
    segments_section,
    halting_section,
    test_time_section,
    training_section,
    training_front_section,
    scaling_section,
    inheritance_section,
    importance_section,
    dynamics_section,
    samples_section,
    settings_section,
    plan_section,
    growth_section,
    trials_section,
    repeat_section,
)


def outline(sweep: SweepSummary, written: float) -> Outline:
    """The whole report; `written` is the moment of writing in Unix seconds."""
    status = "Not started."
    if sweep.sessions:
        killed = "running, or killed: its last session has no recorded end"
        end = last_end(sweep.sessions) or killed
        status = f"{end[0].upper()}{end[1:]}. {by_state(sweep)}."
    return Outline(
        title=f"Sweep {sweep.record.name}",
        status=f"{status} Written {wording.moment(written)}.",
        blocks=tuple(_together(block for section in SECTIONS for block in section(sweep))),
    )


def _together(blocks: Iterable[Block | Missing]) -> Iterator[Block]:
    """All blocks but those on what is missing, and these at the end, each reason once."""
    reasons: dict[str, None] = {}
    for block in blocks:
        if isinstance(block, Missing):
            reasons[block.reason] = None
        else:
            yield block
    if reasons:
        yield Heading("What is not told, and why")
        yield Bullets(tuple(reasons))
