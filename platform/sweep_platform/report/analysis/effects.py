"""How accurate trials are, and what each knob buys, over seeds and tasks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from hrm.config import ConfigError
from sweep_platform.report.analysis.answers import Answered, answered, shared
from sweep_platform.report.analysis.difference import Difference
from sweep_platform.report.analysis.paired import interval
from sweep_platform.report.analysis.points import ordered
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.summary import SweepSummary, TrialSummary

MOST_COMPARED = 500
"""Trials beyond which pairs are not looked for."""


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """A trial that was trained again with fresh seeds, and what came out."""

    trial: TrialSummary
    accuracy: Difference
    puzzles: int


def confirmed(sweep: SweepSummary) -> list[Confirmed]:
    """The trials that were confirmed, the most accurate of the search first."""
    found = []
    for trial in sweep.trials:
        if trial.confirmed and (curve := trial.confirmed[0].final):
            accuracy = _accuracy(sweep, trial, Purpose.CONFIRM)
            found.append(Confirmed(trial=trial, accuracy=accuracy, puzzles=curve.puzzles))
    # By the search, which picked them: the best of the confirmed would be picked once more.
    return sorted(found, key=lambda one: -measured(sweep, one.trial).mean)


def measured(sweep: SweepSummary, trial: TrialSummary) -> Difference:
    """The accuracy of a trial over its own replicates."""
    return _accuracy(sweep, trial, Purpose.MEASURE)


def _accuracy(sweep: SweepSummary, trial: TrialSummary, purpose: Purpose) -> Difference:
    found = _answered(sweep, trial, purpose)
    if found is not None:
        return interval(found.solved, found.weights)
    of = trial.confirmed if purpose is Purpose.CONFIRM else trial.measured
    each = [one.final.exact_accuracy[-1] for one in of if one.final]
    return Difference(mean=float(np.mean(each)), seeds=len(each), tasks=0)


def _answered(sweep: SweepSummary, trial: TrialSummary, purpose: Purpose) -> Answered | None:
    """A trial's answers, None where they are missing or can't be read: a report can do without."""
    try:
        found = answered(sweep.answers_of(trial), purpose)
    except ConfigError:
        return None
    whole = len(trial.measured if purpose is Purpose.MEASURE else trial.confirmed)
    return found if found is not None and len(found.replicates) >= whole else None


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one value of a knob buys over another, all else equal, in so many pairs of trials."""

    knob: str
    other: Any
    one: Any
    pairs: int
    difference: Difference


def effects(sweep: SweepSummary) -> list[Effect]:
    """For each knob, each value against its least: mean over trials that differ in it alone."""
    cut = _comparable(sweep)
    trials = [trial for trial in sweep.complete if trial.number in cut]
    nuisance = set(sweep.record.spec.get("nuisance", ()))
    names = sorted(_names(trials) - nuisance)
    base = _base(sweep.record.spec)
    return [effect for knob in names for effect in _of(knob, trials, cut, nuisance, base)]


def _base(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the base that a sweep names, or that its design begins with."""
    if spec.get("ablation"):
        return {name: knob["choices"][0] for name, knob in spec["space"].items()}
    return dict(spec.get("base") or {})


def _comparable(sweep: SweepSummary) -> dict[int, Answered]:
    """Answers of the complete trials with the most replicates, cut to what all share.

    None of one alone, nor of more than `MOST_COMPARED`.
    """
    answers = {t.number: _answered(sweep, t, Purpose.MEASURE) for t in sweep.complete}
    known = {number: one for number, one in answers.items() if one is not None}
    most = max((len(one.replicates) for one in known.values()), default=0)
    whole = {number: one for number, one in known.items() if len(one.replicates) == most}
    cut = shared(whole) if 1 < len(whole) <= MOST_COMPARED else {}
    return {number: one for number, one in cut.items() if one.solved.size}


def _names(trials: list[TrialSummary]) -> set[str]:
    return {name for trial in trials for name in trial.knobs}


def _of(
    knob: str,
    trials: list[TrialSummary],
    cut: dict[int, Answered],
    nuisance: set[str],
    base: Mapping[str, Any],
) -> Iterator[Effect]:
    """Each value of a knob against the base's, or the least where there is no base."""
    values = ordered({trial.knobs[knob] for trial in trials if knob in trial.knobs})
    if knob in base:
        values = [base[knob], *(value for value in values if value != base[knob])]
    for value in values[1:]:
        pairs = [
            (a, b) if a.knobs[knob] == value else (b, a)
            for a, b in combinations(trials, 2)
            if {a.knobs.get(knob), b.knobs.get(knob)} == {values[0], value}
            and _rest(a, knob, nuisance) == _rest(b, knob, nuisance)
        ]
        if pairs:
            each = [cut[a.number].solved - cut[b.number].solved for a, b in pairs]
            weights = cut[pairs[0][0].number].weights
            found = interval(np.mean(each, axis=0), weights)
            yield Effect(knob=knob, other=values[0], one=value, pairs=len(pairs), difference=found)


def _rest(trial: TrialSummary, knob: str, nuisance: set[str]) -> dict[str, Any]:
    """The other knobs as they were drawn, those included that this model has no use for."""
    return {k: v for k, v in trial.record.parameters.items() if k != knob and k not in nuisance}


@dataclass(frozen=True, kw_only=True)
class Extremes:
    """The most and the least accurate of the complete trials, by number, and what parts them."""

    best: int
    worst: int
    difference: Difference


def extremes(sweep: SweepSummary) -> Extremes | None:
    """The most and the least accurate complete trial; None without two that can be compared."""
    cut = _comparable(sweep)
    means = {n: float(one.of_replicates.mean()) for n, one in cut.items()}
    if len(set(means.values())) < 2:
        return None
    best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    solved = cut[best].solved - cut[worst].solved
    found = interval(solved, cut[best].weights)
    return Extremes(best=best, worst=worst, difference=found)
