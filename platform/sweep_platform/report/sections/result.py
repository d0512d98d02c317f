"""The section that a hurried reader reads: the best trial, and how far to trust it."""

from collections.abc import Iterator

from puzzle_datasets.common.text import counted, flops, percent
from sweep_platform.common.text import knobs
from sweep_platform.report import wording
from sweep_platform.report.analysis.effects import confirmed
from sweep_platform.report.analysis.evidence import EQUAL, Confirmed, evidence_of
from sweep_platform.report.analysis.floor import best_interval, floor_of
from sweep_platform.report.analysis.intervals import confirmed_accuracy, interval_of
from sweep_platform.report.analysis.points import Point, best, final_points, ordered, trials_front
from sweep_platform.report.analysis.ranking import rank_agreement
from sweep_platform.report.blocks import Block, Bullets, Heading, Headline, Paragraph
from sweep_platform.report.sections.answer import answer_lines
from sweep_platform.store.folder import SessionEnd
from sweep_platform.store.summary import Evaluation, SweepSummary, TrialSummary, last_end
from sweep_platform.store.trial import TrialState


def result_section(sweep: SweepSummary) -> Iterator[Block]:
    """The best of the complete trials, or of those there are, and the limits that apply."""
    yield Heading("Result")
    if (found := headline(sweep)) is not None:
        yield found
    elif sweep.trials:
        yield Paragraph("No trial has been evaluated yet, so there is no accuracy to report.")
    else:
        yield Paragraph("No trial has started yet, so there is nothing to report.")
    if lines := answer_lines(sweep):
        yield Bullets(lines)
    if floor := floor_of(sweep):
        share = wording.accuracy(floor.exact_accuracy, floor.puzzles)
        yield Paragraph(f"Floor: {floor.name} ({floor.words}) solves {share} without training.")
    if sentences := caveats(sweep):
        yield Heading("Limits of the evidence")
        yield Bullets(sentences)


def headline(sweep: SweepSummary) -> Headline | None:
    """The result in a number and a sentence; None where no trial was evaluated."""
    if confirmations := confirmed(sweep):
        return _confirmed_headline(confirmations[0])
    if found := best(sweep.complete):
        return _headline(sweep, *found, "The best of the complete trials")
    if found := best(sweep.trials):
        return _headline(sweep, *found, "The best so far, before any trial is complete")
    return None


def _confirmed_headline(found: Confirmed) -> Headline:
    trial, accuracy = found.trial, confirmed_accuracy(found)
    return Headline(
        number=wording.metric("exact_accuracy", accuracy.mean),
        sentence=(
            f"Trial {trial.number}, trained again with {counted(accuracy.seeds, 'fresh seed')}, "
            f"solves {wording.estimate(accuracy)} of {_tested(found.evaluation)} "
            f"exactly at {_cost(trial)}, with {knobs(trial.knobs)}."
        ),
    )


def _headline(sweep: SweepSummary, trial: TrialSummary, point: Point, which: str) -> Headline:
    puzzles = _tested(trial.evaluations[-1])
    interval = f"95 % interval {interval_of(sweep, point).words}"
    if (count := len(trial.accuracies)) > 1:
        mean = wording.metric("exact_accuracy", point.exact_accuracy)
        each = wording.accuracies(trial.accuracies)
        seeds = f"on average over {count} seeds ({each}; {interval})"
        solves = f"{mean} of {puzzles} exactly, {seeds}"
    else:
        solves = f"{point.solved} of {puzzles} exactly ({interval})"
    return Headline(
        number=wording.metric("exact_accuracy", point.exact_accuracy),
        sentence=(
            f"{which}, trial {trial.number}, solves {solves} at {_cost(trial)}, with "
            f"{knobs(trial.knobs)}."
        ),
    )


def _tested(evaluation: Evaluation) -> str:
    """What accuracy is a share of: test puzzles, or views of these."""
    rows, votes = evaluation.curve.puzzles, evaluation.votes
    if votes is None:
        return counted(rows, "test puzzle")
    return f"{counted(rows, 'view')} of {counted(votes.inputs, 'test input')}"


def _cost(trial: TrialSummary) -> str:
    cost = wording.metric("inference_flops", trial.record.inference_flops)
    return f"{cost} of inference per puzzle"


def caveats(sweep: SweepSummary) -> tuple[str, ...]:
    """One sentence or two for each limit of the evidence that applies to this sweep."""
    return (
        *_not_above_floor(sweep),
        *_cut_short(sweep),
        *_few_puzzles(sweep),
        *_luck(sweep),
        *_picked(sweep),
        *_still_moves(sweep),
        *_read_earlier(sweep),
        *_unequal(sweep),
        *_unanswered(sweep),
        *_not_complete(sweep),
        *_edges(sweep),
    )


def _not_above_floor(sweep: SweepSummary) -> Iterator[str]:
    floor, interval = floor_of(sweep), best_interval(sweep)
    if floor and interval and interval.low <= floor.exact_accuracy:
        yield (
            f"The best accuracy does not beat the floor: its 95 % interval begins at "
            f"{percent(interval.low)}, and {floor.name} solves {percent(floor.exact_accuracy)} "
            "without training."
        )


def _cut_short(sweep: SweepSummary) -> Iterator[str]:
    budget = sweep.record.spec["budget"]
    planned = budget.get("trials")
    limits = [f"{budget[name]:g} {words}" for name, words in _LIMITS.items() if budget.get(name)]
    done = last_end(sweep.sessions) in (SessionEnd.DONE, SessionEnd.INCOMPLETE)
    if done and limits and planned and len(sweep.trials) < planned:
        yield (
            f"{counted(len(sweep.trials), 'trial')} of the {planned} asked for began before "
            f"the sweep's {' or '.join(limits)} left nothing for another, or the space had no "
            "more: raise the budget and resume to run the rest."
        )


_LIMITS = {
    "minutes": "minutes",
    "flops": "FLOP of training",
    "device_hours": "device-hours",
    "money": "of money",
    "energy_kwh": "kWh",
}
"""What limits a sweep besides its number of trials."""


def _few_puzzles(sweep: SweepSummary) -> Iterator[str]:
    sizes = sorted({trial.final.puzzles for trial in sweep.trials if trial.final})
    if len(sizes) > 1:
        yield (
            f"Trials were evaluated on different numbers of puzzles ({wording.setting(sizes)}), "
            "so their accuracies differ in precision."
        )
    trial, point = best(sweep.complete) or (None, None)
    if trial and trial.votes:
        yield (
            f"Accuracy is the mean over {_tested(trial.evaluations[-1])}: the views of one "
            "input are not independent, so that intervals are over tasks."
        )
    elif trial and point and point.puzzles and len(trial.accuracies) > 1:
        yield (
            f"Accuracy was measured on {counted(point.puzzles, 'puzzle')}: one puzzle is "
            f"{100 / point.puzzles:.2g} points for each seed."
        )
    elif point and point.puzzles:
        yield (
            f"Accuracy was measured on {counted(point.puzzles, 'puzzle')}: one puzzle is "
            f"{100 / point.puzzles:.2g} points, and the best accuracy is only known to lie "
            f"within {interval_of(sweep, point).words} (95 % interval)."
        )


def _luck(sweep: SweepSummary) -> Iterator[str]:
    if len(sweep.complete) > 1 and all(len(t.accuracies) < 2 for t in sweep.complete):
        yield (
            "Every configuration was trained once, with one seed. A repetition with another seed "
            "moves the accuracy of such models by several points, so small differences between "
            "trials are no evidence; `replicates: 3` in the space repeats them."
        )


def _picked(sweep: SweepSummary) -> Iterator[str]:
    if confirmed(sweep):
        return
    solved = [point.exact_accuracy for _, point in final_points(sweep.complete)]
    if (ties := solved.count(max(solved, default=0))) > 1:
        yield f"{ties} complete trials solve as many; the one named is the cheapest to run."
    if len(solved) > 1 and max(solved) > 0:
        yield (
            f"The best of {len(sweep.complete)} complete trials was picked on the puzzles that "
            "measure it, which flatters it, as it does the front; `confirm: {top: 1}` in the "
            "space measures it again with fresh seeds."
        )


def _still_moves(sweep: SweepSummary) -> Iterator[str]:
    found = rank_agreement(sweep)
    if found is None or not found.moves:
        return
    leads = "" if found.same_best else ", and another trial led then"
    yield (
        f"The ranking still moves: between {found.share:.0%} of training and its end, Kendall's "
        f"tau over {counted(found.trials, 'trial')} is {found.tau:.2f}{leads}. With more training "
        "the best configuration may be another."
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
    if budgets and max(budgets) > EQUAL * min(budgets):
        yield (
            "Complete trials had unequal training budgets, from "
            f"{flops(min(budgets))} to {flops(max(budgets))}: a difference in accuracy may be "
            "one of budget."
        )


def _unanswered(sweep: SweepSummary) -> Iterator[str]:
    if lacking := evidence_of(sweep).unanswered:
        yield (
            f"{counted(len(lacking), 'complete trial')} ({', '.join(map(str, lacking))}) "
            "without all answers to the last evaluation: left out of what compares answers, as "
            "effects and their intervals do."
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
