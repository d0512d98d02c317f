"""How accurate trials are, and what each knob buys, over seeds and tasks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweep_platform.report.analysis.answers import Answered
from sweep_platform.report.analysis.difference import Difference
from sweep_platform.report.analysis.evidence import Confirmed, evidence_of, kept
from sweep_platform.report.analysis.paired import corrected, interval
from sweep_platform.report.analysis.points import ordered
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.summary import SweepSummary, TrialSummary

Pair = tuple[TrialSummary, TrialSummary]


def confirmed(sweep: SweepSummary) -> tuple[Confirmed, ...]:
    """The trials that were confirmed, the most accurate of the search first."""
    return evidence_of(sweep).confirmed


def measured(sweep: SweepSummary, trial: TrialSummary) -> Difference:
    """The accuracy of a trial over its own replicates."""
    return evidence_of(sweep).accuracy(trial, Purpose.MEASURE)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one value of a knob buys over another, all else equal, in so many pairs of trials.

    Attributes:
        difference: gain in exact accuracy.
        training_flops: more FLOPs of a replicate's training, the mean over the pairs.
        inference_flops: more FLOPs for a puzzle at M_max segments, likewise.
    """

    knob: str
    other: Any
    one: Any
    pairs: int
    difference: Difference
    training_flops: float
    inference_flops: float


def effects(sweep: SweepSummary) -> list[Effect]:
    """For each knob, each value against its least: mean over trials that differ in it alone."""
    return effects_among(sweep, evidence_of(sweep).comparable)


@dataclass(frozen=True, kw_only=True)
class Tested:
    """An effect with its p-value by Holm's correction over all effects; None where it has none."""

    effect: Effect
    p: float | None


def tested(sweep: SweepSummary) -> list[Tested]:
    """The effects of a sweep, their p-values corrected together; made once for a report."""
    return kept(sweep, _tested)


def _tested(sweep: SweepSummary) -> list[Tested]:
    found = effects(sweep)
    known = [one.difference.p for one in found if one.difference.p is not None]
    holm = iter(corrected(known))
    return [Tested(effect=e, p=None if e.difference.p is None else next(holm)) for e in found]


def effects_among(sweep: SweepSummary, cut: Mapping[int, Answered]) -> list[Effect]:
    """The same from these answers, which share seeds and tasks, by number of the trial."""
    trials = [trial for trial in sweep.complete if trial.number in cut]
    nuisance = nuisance_of(sweep)
    names = sorted({name for trial in trials for name in trial.knobs} - nuisance)
    base = base_of(sweep.record.spec)
    return [effect for knob in names for effect in _of(knob, trials, cut, nuisance, base)]


def nuisance_of(sweep: SweepSummary) -> set[str]:
    """Names of the knobs that are tuned away at each point."""
    return set(sweep.record.spec.get("nuisance", ()))


def base_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the base that a sweep names, or that its design begins with."""
    if spec.get("ablation"):
        return {name: knob["choices"][0] for name, knob in spec["space"].items()}
    return dict(spec.get("base") or {})


def _of(
    knob: str,
    trials: list[TrialSummary],
    cut: Mapping[int, Answered],
    nuisance: set[str],
    base: Mapping[str, Any],
) -> Iterator[Effect]:
    """Each value of a knob against the base's, or the least where there is no base."""
    values = ordered({trial.knobs[knob] for trial in trials if knob in trial.knobs})
    if knob in base:
        values = [base[knob], *(value for value in values if value != base[knob])]
    groups = alike(knob, trials, nuisance)
    for value in values[1:]:
        pairs = [
            (one, other)
            for group in groups
            for one in group.get(value, ())
            for other in group.get(values[0], ())
        ]
        if pairs:
            yield effect_of(knob, values[0], value, pairs, cut)


def effect_of(
    knob: str, other: Any, one: Any, pairs: list[Pair], cut: Mapping[int, Answered]
) -> Effect:
    """The mean over pairs of trials, of which the first have the value `one`."""
    each = np.mean([cut[a.number].solved - cut[b.number].solved for a, b in pairs], axis=0)
    return Effect(
        knob=knob,
        other=other,
        one=one,
        pairs=len(pairs),
        difference=interval(each, cut[pairs[0][0].number].weights),
        training_flops=_more("lineage_flops", pairs),
        inference_flops=_more("inference_flops", pairs),
    )


def _more(cost: str, pairs: list[Pair]) -> float:
    return float(np.mean([getattr(a.record, cost) - getattr(b.record, cost) for a, b in pairs]))


def alike(
    knob: str, trials: list[TrialSummary], nuisance: set[str]
) -> list[dict[Any, list[TrialSummary]]]:
    """Trials that have a use for a knob, grouped by all else that was drawn, then by its value.

    All else includes the knobs that a model has no use for.
    """
    groups: dict[frozenset[Any], dict[Any, list[TrialSummary]]] = {}
    for trial in trials:
        if knob in trial.knobs:
            drawn = trial.record.parameters.items()
            rest = frozenset((k, v) for k, v in drawn if k != knob and k not in nuisance)
            groups.setdefault(rest, {}).setdefault(trial.knobs[knob], []).append(trial)
    return list(groups.values())


@dataclass(frozen=True, kw_only=True)
class Extremes:
    """The most and the least accurate of the complete trials, by number, and what parts them."""

    best: int
    worst: int
    difference: Difference


def extremes(sweep: SweepSummary) -> Extremes | None:
    """The most and the least accurate complete trial; None without two that can be compared."""
    cut = evidence_of(sweep).comparable
    means = {n: float(one.of_replicates.mean()) for n, one in cut.items()}
    if len(set(means.values())) < 2:
        return None
    best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    solved = cut[best].solved - cut[worst].solved
    found = interval(solved, cut[best].weights)
    return Extremes(best=best, worst=worst, difference=found)
