"""The answer in a few lines: what is nearly as good for less, what knobs buy, cost, certainty."""

from collections.abc import Iterator

from puzzle_datasets.common.text import counted, energy, flops, seconds
from sweep_platform.common.text import knobs
from sweep_platform.report import wording
from sweep_platform.report.analysis.effects import confirmed, measured, tested
from sweep_platform.report.analysis.points import Point, best, trials_front
from sweep_platform.report.analysis.ranking import rank_agreement
from sweep_platform.store.summary import SweepSummary
from sweep_platform.store.trial_summary import energy_of

MARGIN = 0.02
"""Exact accuracy below the best that is called nearly as good."""

LEVEL = 0.05
"""Corrected p-value below which an effect is told from chance."""

_MOST = 6


def answer_lines(sweep: SweepSummary) -> tuple[str, ...]:
    """A line each, of what can be told so far."""
    if best(sweep.complete) is None:
        return ()
    return (*_cheapest(sweep), *_knobs(sweep), _cost(sweep), _certainty(sweep))


def cheapest(sweep: SweepSummary) -> Point | None:
    """The cheapest point of a complete trial within `MARGIN` of the best, if not the best."""
    found = best(sweep.complete)
    if found is None:
        return None
    least = found[1].exact_accuracy - MARGIN
    near = [point for point in trials_front(sweep.complete) if point.exact_accuracy >= least]
    return near[0] if near and near[0].inference_flops < found[1].inference_flops else None


def _cheapest(sweep: SweepSummary) -> Iterator[str]:
    top, point = best(sweep.complete), cheapest(sweep)
    assert top is not None, "there is a best trial"
    if top[1].exact_accuracy <= MARGIN:
        yield (
            f"No complete trial solves more than {100 * MARGIN:.0f} %: which is cheapest tells "
            "nothing yet."
        )
        return
    if point is None:
        if len(sweep.complete) > 1:
            points = f"{100 * MARGIN:.0f} points"
            yield f"Nothing cheaper comes within {points} of the best in the search."
        return
    trial = next(one for one in sweep.complete if one.number == point.trial)
    times = top[1].inference_flops / point.inference_flops
    yield (
        f"Cheapest within {100 * MARGIN:.0f} points of the best in the search: trial "
        f"{point.trial} after {counted(point.segments, 'segment')} ({knobs(trial.knobs)}), "
        f"{point.words} at {flops(point.inference_flops)}, {times:.1f} times cheaper."
    )


def _knobs(sweep: SweepSummary) -> Iterator[str]:
    rows = tested(sweep)
    clear = [one for one in rows if one.p is not None and one.p < LEVEL]
    if not rows:
        yield "What a knob buys can't be told: no two trials that can be compared differ in one."
    elif not clear:
        yield f"No knob's effect can be told from chance ({counted(len(rows), 'comparison')})."
    else:
        told = [
            f"{one.effect.knob} {wording.knob_value(one.effect.one)} over "
            f"{wording.knob_value(one.effect.other)} {wording.points(one.effect.difference)}"
            for one in sorted(clear, key=lambda one: -abs(one.effect.difference.mean))
        ]
        more = f"; and {len(told) - _MOST} more" if len(told) > _MOST else ""
        yield f"Beyond chance, in points: {'; '.join(told[:_MOST])}{more}."


def _cost(sweep: SweepSummary) -> str:
    replicates = sum(len(trial.replicates) for trial in sweep.trials)
    return (
        f"It cost {flops(sweep.training_flops)} of training in {counted(replicates, 'replicate')} "
        f"of {counted(len(sweep.trials), 'trial')}, {seconds(sweep.device_seconds)} of device "
        f"time{_energy(sweep)}."
    )


def _energy(sweep: SweepSummary) -> str:
    """The energy that was measured, and of how many replicates; empty where none was."""
    replicates = [one for trial in sweep.trials for one in trial.replicates]
    if (joules := energy_of(replicates)) is None:
        return ""
    known = sum(one.last is not None and one.last.energy_joules is not None for one in replicates)
    every = len(replicates)
    of = "" if known == every else f", measured in {known} of {counted(every, 'replicate')}"
    return f" and {energy(joules)}{of}"


def _certainty(sweep: SweepSummary) -> str:
    if found := confirmed(sweep):
        one, picked = found[0].accuracy, ""
        sure = f"confirmed with {counted(one.seeds, 'fresh seed')}"
    else:
        trial, _ = best(sweep.complete) or (None, None)
        assert trial is not None, "there is a best trial"
        one, several = measured(sweep, trial), len(sweep.complete) > 1
        sure = counted(one.seeds, "seed")
        picked = ", picked on the puzzles that measure it" if several else ""
    over = f" and {counted(one.tasks, 'task')}" if one.tasks else ""
    ranking = rank_agreement(sweep)
    moves = "; the ranking still moves at the end of training" if ranking and ranking.moves else ""
    return f"How sure: {sure}{over}{picked}{moves}."
