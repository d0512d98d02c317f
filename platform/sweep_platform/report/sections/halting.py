"""The section on halting: the best trials if each puzzle stops by itself, and if none does."""

from collections.abc import Iterator

from hrm.progress import Halting
from sweep_platform.common.text import knobs
from sweep_platform.report.analysis import wording
from sweep_platform.report.analysis.front import (
    best_trial,
    compared_models,
    final_point,
    trials_front,
)
from sweep_platform.report.pages.blocks import Block, Heading, Paragraph
from sweep_platform.report.sections.tables import Column, metric, solved, table
from sweep_platform.spec.metrics import METRIC
from sweep_platform.store.summary import SweepSummary, TrialSummary


def halting_section(sweep: SweepSummary) -> Iterator[Block]:
    """The section, where a trial of the front had a choice of segments."""
    trials = [trial for trial in _best(sweep) if trial.halting and _segments(trial) > 1]
    if not trials:
        return
    yield Heading("If each puzzle stops on its own")
    yield Paragraph(
        "The same evaluation of the best complete trials, with each puzzle stopped as soon as its "
        "Q-values say so, after M_max segments at the latest. Where as many are solved in fewer "
        "segments, halting saves their FLOPs."
    )
    yield table(_COLUMNS, trials)


def _best(sweep: SweepSummary) -> list[TrialSummary]:
    """The trials of the front and the best of all, or of each model where models are compared."""
    groups = [sweep.complete, *compared_models(sweep).values()]
    named = [best for trials in groups if (best := best_trial(trials))]
    chosen = {point.trial for point in trials_front(sweep.complete)}
    return [trial for trial in sweep.complete if trial.number in chosen or trial in named]


def _segments(trial: TrialSummary) -> int:
    point = final_point(trial)
    return point.segments if point else 0


def _halting(trial: TrialSummary) -> Halting:
    assert trial.halting, f"trial {trial.number} was chosen without a measurement of halting"
    return trial.halting


def _solved(trial: TrialSummary) -> str:
    """The accuracy when halting with its count, of the puzzles of the evaluation."""
    puzzles = trial.final.puzzles if trial.final else 0
    return wording.accuracy(_halting(trial).exact_accuracy, puzzles)


def _mean_segments(trial: TrialSummary) -> str:
    mean = wording.metric("halting_mean_segments", _halting(trial).mean_segments)
    return f"{mean} of {_segments(trial)}"


_COLUMNS: tuple[Column[TrialSummary], ...] = (
    Column("Trial", lambda trial: str(trial.number)),
    Column("Knobs", lambda trial: knobs(trial.knobs), words=True),
    solved(final_point, "{} at M_max"),
    metric(
        "inference_flops",
        lambda trial: point.inference_flops if (point := final_point(trial)) else None,
        "{} at M_max",
    ),
    Column(METRIC["halting_exact_accuracy"].column, _solved),
    Column(METRIC["halting_mean_segments"].column, _mean_segments),
    metric("halting_inference_flops", lambda trial: _halting(trial).inference_flops),
)
