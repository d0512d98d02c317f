"""The section that a hurried reader reads: the best trial, and how far to trust it."""

from collections.abc import Iterator

from sweep_platform.common.text import knobs
from sweep_platform.report.analysis import wording
from sweep_platform.report.analysis.caveats import caveats
from sweep_platform.report.analysis.front import best_trial, final_point
from sweep_platform.report.pages.blocks import Block, Bullets, Heading, Headline, Paragraph
from sweep_platform.store.summary import SweepSummary, TrialSummary


def result_section(sweep: SweepSummary) -> Iterator[Block]:
    """The best of the complete trials, or of those there are, and the limits that apply."""
    yield Heading("Result")
    best = best_trial(sweep.complete)
    if best is None:
        yield _provisional(sweep)
    else:
        yield _headline(best, "The best of the complete trials")
    if sentences := caveats(sweep):
        yield Bullets(sentences)


def _provisional(sweep: SweepSummary) -> Block:
    if not sweep.trials:
        return Paragraph("No trial has started yet, so there is nothing to report.")
    if best := best_trial(sweep.trials):
        return _headline(best, "No trial is complete. The best so far, after less training")
    return Paragraph("No trial has been evaluated yet, so there is no accuracy to report.")


def _headline(trial: TrialSummary, which: str) -> Headline:
    point = final_point(trial)
    assert point is not None, f"trial {trial.number} was chosen without an evaluation"
    cost = wording.metric("inference_flops", point.inference_flops)
    return Headline(
        number=wording.metric("exact_accuracy", point.exact_accuracy),
        sentence=(
            f"{which}, trial {trial.number}, solves {point.solved} of "
            f"{wording.count(point.puzzles, 'test puzzle')} exactly (95 % interval "
            f"{point.interval_words}) at {cost} of inference per puzzle, with "
            f"{knobs(trial.knobs)}."
        ),
    )
