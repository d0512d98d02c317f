"""What becomes of the best trials if each puzzle stops on its own, beside all M_max segments."""

from collections.abc import Iterator

from hrm.progress import Halting
from puzzle_datasets.common.text import flops, percent
from sweep_platform.common.text import knobs
from sweep_platform.report import wording
from sweep_platform.report.analysis.front import Point, best_trial, final_point, trials_front
from sweep_platform.report.pages.blocks import Block, Heading, Paragraph, Row, Table
from sweep_platform.report.sections.models import compared
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
    yield _table(trials)


def _best(sweep: SweepSummary) -> list[TrialSummary]:
    """The trials of the front and the best of all, or of each model where models are compared."""
    groups = [sweep.complete, *compared(sweep).values()]
    named = [best for trials in groups if (best := best_trial(trials))]
    chosen = {point.trial for point in trials_front(sweep.complete)}
    return [trial for trial in sweep.complete if trial.number in chosen or trial in named]


def _segments(trial: TrialSummary) -> int:
    return len(trial.final.exact_accuracy) if trial.final else 0


def _table(trials: list[TrialSummary]) -> Table:
    return Table(
        columns=(
            "Trial",
            "Knobs",
            "Solved at M_max",
            "Inference at M_max",
            "Solved when halting",
            "Mean segments",
            "Inference when halting",
        ),
        rows=tuple(Row(_cells(trial)) for trial in trials),
        words=frozenset({"Knobs"}),
    )


def _cells(trial: TrialSummary) -> tuple[str, ...]:
    point, halting = final_point(trial), trial.halting
    assert point and halting, f"trial {trial.number} was chosen without an evaluation"
    return (
        str(trial.number),
        knobs(trial.knobs),
        wording.accuracy(point),
        flops(point.inference_flops),
        _solved(halting, point),
        f"{halting.mean_segments:.2f} of {point.segments}",
        flops(halting.inference_flops),
    )


def _solved(halting: Halting, point: Point) -> str:
    """The accuracy with its count, of the puzzles of the point."""
    solved = round(halting.exact_accuracy * point.puzzles)
    return f"{percent(halting.exact_accuracy)} ({solved} of {point.puzzles})"
