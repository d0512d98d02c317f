"""Limits of a sweep's evidence, derived from its data, as sentences."""

from collections import Counter
from collections.abc import Iterator

from puzzle_datasets.common.text import flops
from sweep_platform.common.text import knobs
from sweep_platform.report.analysis import wording
from sweep_platform.report.analysis.front import (
    best_point,
    best_trial,
    final_point,
    trials_front,
)
from sweep_platform.report.analysis.knobs import ordered
from sweep_platform.store.folder import SessionEnd
from sweep_platform.store.summary import SweepSummary, TrialSummary, last_end
from sweep_platform.store.trial import TrialState

_EQUAL_BUDGETS = 1.05
"""Training budgets within this factor count as equal: they are rounded to whole steps."""


def caveats(sweep: SweepSummary) -> tuple[str, ...]:
    """One sentence or two for each limit that applies to this sweep."""
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
    done = last_end(sweep.sessions) is SessionEnd.DONE
    if done and minutes is not None and len(sweep.trials) < planned:
        yield (
            f"{wording.count(len(sweep.trials), 'trial')} of the {planned} asked for began before "
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
    point = best_point(sweep.complete)
    if point and point.puzzles:
        yield (
            f"Accuracy was measured on {wording.count(point.puzzles, 'puzzle')}: one puzzle is "
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
    solved = [point.solved for trial in sweep.complete if (point := final_point(trial))]
    if (ties := solved.count(max(solved, default=0))) > 1:
        yield f"{ties} complete trials solve as many; the one named is the cheapest to run."
    if len(solved) > 1 and max(solved) > 0:
        yield (
            f"The best of {len(sweep.complete)} complete trials was picked on the puzzles that "
            "measure it, which flatters it, as it does the front. Confirm a choice with new "
            "seeds or other puzzles."
        )


def _read_earlier(sweep: SweepSummary) -> Iterator[str]:
    point, front = best_point(sweep.complete), trials_front(sweep.complete)
    if point and front and front[-1] != point:
        top = front[-1]
        yield (
            f"Accuracy here is after all segments, as trials were searched for it. Trial "
            f"{top.trial} solves {top.solved} of {top.puzzles} already after "
            f"{wording.count(top.segments, 'segment')}, at {flops(top.inference_flops)}."
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
    stopped, failed = states[TrialState.STOPPED], states[TrialState.FAILED]
    if stopped:
        yield (
            f"{wording.count(stopped, 'trial')} ended early, after less training: shown in grey "
            "or dashed, and left out of the front and of the knobs."
        )
    if failed:
        yield f"{wording.count(failed, 'trial')} failed; the table of trials gives the reasons."
    if going_on := sum(count for state, count in states.items() if not state.is_final):
        yield f"This report is not final: {wording.count(going_on, 'trial')} without an outcome."


def _edges(sweep: SweepSummary) -> Iterator[str]:
    """Knobs whose best value is the least or greatest of at least three numbers tried."""
    best, point = best_trial(sweep.complete), best_point(sweep.complete)
    if best is None or point is None or point.solved == 0:
        return
    edges = [f"{knob} ({side})" for knob in best.knobs if (side := _edge(sweep, best, knob))]
    if edges:
        yield (
            f"The best trial lies at the edge of what completed in {', '.join(edges)}: a better "
            "one may lie beyond."
        )


def _edge(sweep: SweepSummary, best: TrialSummary, knob: str) -> str | None:
    value = best.knobs[knob]
    tried = ordered({trial.knobs[knob] for trial in sweep.complete if knob in trial.knobs})
    numbers = all(isinstance(other, int | float) for other in tried)
    if not numbers or len(tried) < 3 or value not in (tried[0], tried[-1]):
        return None
    side = "the smallest" if value == tried[0] else "the largest"
    return f"{wording.setting(value)}, {side}"
