"""The section that a hurried reader reads: the best trial, and how far to trust it."""

from collections import Counter
from collections.abc import Iterator

from puzzle_datasets.common.text import counted, flops
from sweep_platform.common.text import knobs
from sweep_platform.report import wording
from sweep_platform.report.analysis import Point, best, final_points, ordered, trials_front
from sweep_platform.report.blocks import Block, Bullets, Heading, Headline, Paragraph
from sweep_platform.store.folder import SessionEnd
from sweep_platform.store.summary import SweepSummary, TrialSummary, last_end
from sweep_platform.store.trial import TrialState

_EQUAL_BUDGETS = 1.05
"""Training budgets within this factor count as equal: they are rounded to whole steps."""


def result_section(sweep: SweepSummary) -> Iterator[Block]:
    """The best of the complete trials, or of those there are, and the limits that apply."""
    yield Heading("Result")
    if found := best(sweep.complete):
        yield _headline(*found, "The best of the complete trials")
    elif found := best(sweep.trials):
        yield _headline(*found, "The best so far, before any trial is complete")
    elif sweep.trials:
        yield Paragraph("No trial has been evaluated yet, so there is no accuracy to report.")
    else:
        yield Paragraph("No trial has started yet, so there is nothing to report.")
    if sentences := caveats(sweep):
        yield Bullets(sentences)


def _headline(trial: TrialSummary, point: Point, which: str) -> Headline:
    cost = wording.metric("inference_flops", point.inference_flops)
    return Headline(
        number=wording.metric("exact_accuracy", point.exact_accuracy),
        sentence=(
            f"{which}, trial {trial.number}, solves {point.solved} of "
            f"{counted(point.puzzles, 'test puzzle')} exactly (95 % interval "
            f"{point.interval_words}) at {cost} of inference per puzzle, with "
            f"{knobs(trial.knobs)}."
        ),
    )


def caveats(sweep: SweepSummary) -> tuple[str, ...]:
    """One sentence or two for each limit of the evidence that applies to this sweep."""
    return (
        *_cut_short(sweep),
        *_few_puzzles(sweep),
        *_luck(sweep),
        *_picked(sweep),
        *_read_earlier(sweep),
        *_unequal(sweep),
        *_not_complete(sweep),
        *_edges(sweep),
    )


def _cut_short(sweep: SweepSummary) -> Iterator[str]:
    planned, minutes = (sweep.record.spec["budget"].get(key) for key in ("trials", "minutes"))
    done = last_end(sweep.sessions) in (SessionEnd.DONE, SessionEnd.INCOMPLETE)
    if done and minutes and planned and len(sweep.trials) < planned:
        yield (
            f"{counted(len(sweep.trials), 'trial')} of the {planned} asked for began before "
            f"the sweep's {minutes:g} minutes left no time for another, or the space had no more: "
            "raise budget.minutes and resume to run the rest."
        )


def _few_puzzles(sweep: SweepSummary) -> Iterator[str]:
    sizes = sorted({trial.final.puzzles for trial in sweep.trials if trial.final})
    if len(sizes) > 1:
        yield (
            f"Trials were evaluated on different numbers of puzzles ({wording.setting(sizes)}), "
            "so their accuracies differ in precision."
        )
    _, point = best(sweep.complete) or (None, None)
    if point and point.puzzles:
        yield (
            f"Accuracy was measured on {counted(point.puzzles, 'puzzle')}: one puzzle is "
            f"{100 / point.puzzles:.2g} points, and the best accuracy is only known to lie "
            f"within {point.interval_words} (95 % interval)."
        )


def _luck(sweep: SweepSummary) -> Iterator[str]:
    configurations = Counter(knobs(trial.knobs) for trial in sweep.complete)
    if len(configurations) > 1 and max(configurations.values()) == 1:
        yield (
            "Every configuration was trained once, with one seed. A repetition with another seed "
            "moves the accuracy of such models by several points, so small differences between "
            "trials are no evidence."
        )


def _picked(sweep: SweepSummary) -> Iterator[str]:
    solved = [point.solved for _, point in final_points(sweep.complete)]
    if (ties := solved.count(max(solved, default=0))) > 1:
        yield f"{ties} complete trials solve as many; the one named is the cheapest to run."
    if len(solved) > 1 and max(solved) > 0:
        yield (
            f"The best of {len(sweep.complete)} complete trials was picked on the puzzles that "
            "measure it, which flatters it, as it does the front. Confirm a choice with new "
            "seeds or other puzzles."
        )


def _read_earlier(sweep: SweepSummary) -> Iterator[str]:
    found, front = best(sweep.complete), trials_front(sweep.complete)
    if found and front and (top := front[-1]) != found[1]:
        yield (
            f"Accuracy here is after all segments, as trials were searched for it. Trial "
            f"{top.trial} solves {top.solved} of {top.puzzles} already after "
            f"{counted(top.segments, 'segment')}, at {flops(top.inference_flops)}."
        )


def _unequal(sweep: SweepSummary) -> Iterator[str]:
    budgets = [trial.record.training_flops for trial in sweep.complete]
    if budgets and max(budgets) > _EQUAL_BUDGETS * min(budgets):
        yield (
            "Complete trials had unequal training budgets, from "
            f"{flops(min(budgets))} to {flops(max(budgets))}: a difference in accuracy may be "
            "one of budget."
        )


def _not_complete(sweep: SweepSummary) -> Iterator[str]:
    states = sweep.states
    if stopped := states[TrialState.STOPPED]:
        yield (
            f"{counted(stopped, 'trial')} ended early, after less training: shown in grey "
            "or dashed, and left out of the front and of the knobs."
        )
    if failed := states[TrialState.FAILED]:
        yield f"{counted(failed, 'trial')} failed; the table of trials gives the reasons."
    if going_on := sum(count for state, count in states.items() if not state.is_final):
        yield f"This report is not final: {counted(going_on, 'trial')} without an outcome."


def _edges(sweep: SweepSummary) -> Iterator[str]:
    """Knobs whose best value is the least or greatest of at least three numbers tried."""
    found = best(sweep.complete)
    if found is None or found[1].solved == 0:
        return
    edges = []
    for knob, value in found[0].knobs.items():
        tried = ordered({trial.knobs[knob] for trial in sweep.complete if knob in trial.knobs})
        numbers = all(isinstance(other, int | float) for other in tried)
        if numbers and len(tried) > 2 and value in (tried[0], tried[-1]):
            side = "smallest" if value == tried[0] else "largest"
            edges.append(f"{knob} ({wording.setting(value)}, the {side})")
    if edges:
        yield (
            f"The best trial lies at the edge of what completed in {', '.join(edges)}: a better "
            "one may lie beyond."
        )
