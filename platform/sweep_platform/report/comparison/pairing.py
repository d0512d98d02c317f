"""Configurations that two sweeps have in common, paired by seed and puzzle where that is fair."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from puzzle_datasets.common.text import flops
from sweep_platform.report import wording
from sweep_platform.report.analysis.answers import Answered, shared
from sweep_platform.report.analysis.difference import Difference, Unknown
from sweep_platform.report.analysis.evidence import EQUAL, evidence_of
from sweep_platform.report.analysis.paired import corrected, interval
from sweep_platform.store.summary import SweepSummary, TrialSummary


@dataclass(frozen=True, kw_only=True)
class ComparedConfiguration:
    """A configuration of both sweeps: its trial in each, what the second solves more, and p.

    `p` is by Holm's correction over all configurations; None where there is none.
    """

    first: TrialSummary
    second: TrialSummary
    difference: Difference
    p: float | None


@dataclass(frozen=True, kw_only=True)
class Paired:
    """What two sweeps have in common.

    Attributes:
        configurations: those with the same knobs, after equal training.
        differing: settings beside the knobs in which these differ, in words.
        same_seeds: whether replicates of a number that both have, have the same seed in both.
        unequal, unanswered: how many more have the same knobs, but unequal training, or no
            answers to the same puzzles and views.
    """

    configurations: tuple[ComparedConfiguration, ...]
    differing: tuple[str, ...]
    same_seeds: bool
    unequal: int
    unanswered: int


def paired(first: SweepSummary, second: SweepSummary) -> Paired | Unknown:
    """The configurations in common, or why accuracies of these sweeps do not compare."""
    names = f"{first.record.name} ({first.folder}) and {second.record.name} ({second.folder})"
    if reason := _apart(first, second):
        return Unknown(f"{names} do not compare: {reason}.")
    pairs = list(_pairs(first, second))
    if not pairs:
        return Unknown(f"{names} have no complete configuration in common.")
    equal = [(one, other) for one, other in pairs if _equal_training(one, other)]
    if not equal:
        a, b = (flops(trial.record.training_flops) for trial in pairs[0])
        return Unknown(f"{names} do not compare: their trials were trained for {a} and for {b}.")
    found = [
        (one, other, gain)
        for one, other in equal
        if (gain := _gain(evidence_of(first).last(one), evidence_of(second).last(other)))
    ]
    if not found:
        return Unknown(
            f"{names} keep no answers to the same puzzles and views at their last evaluations."
        )
    holm = iter(corrected([gain.p for *_, gain in found if gain.p is not None]))
    return Paired(
        configurations=tuple(
            ComparedConfiguration(
                first=a, second=b, difference=gain, p=None if gain.p is None else next(holm)
            )
            for a, b, gain in found
        ),
        differing=(
            *_differing([(a, b) for a, b, _ in found]),
            *_unlike(_surroundings(first), _surroundings(second)),
        ),
        same_seeds=all(_same_seeds(a, b) for a, b, _ in found),
        unequal=len(pairs) - len(equal),
        unanswered=len(equal) - len(found),
    )


def _apart(first: SweepSummary, second: SweepSummary) -> str:
    """Why no accuracy of one compares with any of the other; empty where nothing is against it."""
    one, other = first.record, second.record
    if one.dataset.get("fingerprint") == other.dataset.get("fingerprint"):
        return ""
    if one.dataset.get("name") != other.dataset.get("name"):
        return f"they are of {one.dataset.get('name')} and of {other.dataset.get('name')}"
    told = _unlike(*(dict(wording.leaves(r.spec.get("dataset", {}))) for r in (one, other)))
    return f"their puzzles differ ({', '.join(told) or 'other content under the same settings'})"


def _pairs(
    first: SweepSummary, second: SweepSummary
) -> Iterator[tuple[TrialSummary, TrialSummary]]:
    """Complete trials with the same value of every knob of either sweep."""
    knobs = sorted({*first.record.spec["space"], *second.record.spec["space"]})
    known = {_values(trial, knobs): trial for trial in second.complete}
    for trial in first.complete:
        if other := known.get(_values(trial, knobs)):
            yield trial, other


def _values(trial: TrialSummary, names: list[str]) -> tuple[Any, ...]:
    settings = _settings(trial)
    unused = trial.record.inactive
    return tuple(None if name in unused else repr(settings.get(name)) for name in names)


def _settings(trial: TrialSummary) -> Mapping[str, Any]:
    record = trial.record
    return {**record.model, **record.training, **record.parameters}


def _equal_training(one: TrialSummary, other: TrialSummary) -> bool:
    a, b = one.record.lineage_flops, other.record.lineage_flops
    return max(a, b) <= EQUAL * min(a, b)


def _gain(first: Answered | None, second: Answered | None) -> Difference | None:
    """What the second solves more of the tasks and seeds of both; None without the same rows."""
    if first is None or second is None:
        return None
    cut = shared({0: first, 1: second})
    if not cut[0].solved.size or not np.array_equal(cut[0].weights, cut[1].weights):
        return None
    return interval(cut[1].solved - cut[0].solved, cut[0].weights)


def _same_seeds(one: TrialSummary, other: TrialSummary) -> bool:
    """Whether the replicates that both have, by number, have the same seeds."""
    mine, theirs = (
        {each.replicate.number: each.replicate.seed for each in trial.measured}
        for trial in (one, other)
    )
    return all(mine[number] == theirs[number] for number in mine.keys() & theirs.keys())


def _surroundings(sweep: SweepSummary) -> dict[str, Any]:
    """What may move accuracies beside the settings of trials: evaluation, code and machine."""
    record = sweep.record
    parts = ("git_commit", "versions", "hardware")
    return {
        **{f"evaluation.{key}": value for key, value in record.spec.get("evaluation", {}).items()},
        **dict(wording.leaves({key: record.environment.get(key) for key in parts})),
    }


def _differing(pairs: list[tuple[TrialSummary, TrialSummary]]) -> tuple[str, ...]:
    """Settings in which any pair differs: "mode lean and exact"."""
    found: dict[str, None] = {}
    for one, other in pairs:
        found |= dict.fromkeys(_unlike(_settings(one), _settings(other)))
    return tuple(found)


def _unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The settings that are not the same: "canvas 5 and 10"."""
    return [
        f"{name} {wording.setting(one.get(name))} and {wording.setting(other.get(name))}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]
