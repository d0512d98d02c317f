"""The way from a sweep's base to its best configuration, one change at a time.

Only configurations that were trained are on it. Of several next steps the most accurate is taken,
which flatters early steps: the order is picked on the data that measures. A change's own effect,
over all settings of the others, is in `effects`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sweep_platform.report.analysis.answers import Answered
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.analysis.effects import Effect, base_of, effect_of, nuisance_of
from sweep_platform.report.analysis.evidence import evidence_of
from sweep_platform.report.analysis.points import best
from sweep_platform.store.summary import SweepSummary, TrialSummary

Changed = frozenset[str]
"""Names of the knobs that have the best configuration's value; all others have the base's."""


@dataclass(frozen=True, kw_only=True)
class Path:
    """Numbers of the trials at both ends, and the changes between them in their order."""

    base: int
    best: int
    steps: tuple[Effect, ...]


def path(sweep: SweepSummary) -> Path | Unknown:
    """From the base to the most accurate complete trial, where all between were trained."""
    cut = evidence_of(sweep).comparable
    trials = [trial for trial in sweep.complete if trial.number in cut]
    wanted = base_of(sweep.record.spec)
    if not wanted:
        return Unknown("No path is given: the sweep names no base to begin at.")
    if not cut:
        return Unknown(
            "No path is given: there are no two complete trials whose answers share seeds and "
            "tasks."
        )
    nuisance = nuisance_of(sweep)
    start = next((trial for trial in trials if _is_base(trial, wanted, nuisance)), None)
    top = best(trials)
    headline = best(sweep.complete)
    if headline and headline[0].number not in cut:
        return Unknown(
            f"No path is given: trial {headline[0].number}, the best, has no answers that can be "
            "compared."
        )
    if start is None or top is None:
        return Unknown("No path is given: the base has no answers that can be compared.")
    end = top[0]
    if end is start:
        return Unknown("No path is given: the base is the most accurate configuration.")
    between = _between(start, end, trials, nuisance)
    chain = _chain(between, _differing(start, end, nuisance), cut)
    if chain is None:
        changes = ", ".join(sorted(_differing(start, end, nuisance)))
        return Unknown(
            f"No path is given: trial {start.number}, the base, and trial {end.number}, the best, "
            f"differ in {changes}, and no chain of trained configurations that change one of "
            "these at a time joins them."
        )
    return Path(base=start.number, best=end.number, steps=tuple(_steps(chain, between, cut)))


def _is_base(trial: TrialSummary, wanted: Mapping[str, Any], nuisance: set[str]) -> bool:
    drawn = trial.record.parameters
    return all(drawn.get(k, v) == v for k, v in wanted.items() if k not in nuisance)


def _differing(one: TrialSummary, other: TrialSummary, nuisance: set[str]) -> Changed:
    a, b = one.record.parameters, other.record.parameters
    return frozenset(k for k in a.keys() | b.keys() if k not in nuisance and a.get(k) != b.get(k))


def _between(
    start: TrialSummary, end: TrialSummary, trials: list[TrialSummary], nuisance: set[str]
) -> dict[Changed, TrialSummary]:
    """The trained configurations that have, of each knob, the base's value or the best one's."""
    whole = _differing(start, end, nuisance)
    found: dict[Changed, TrialSummary] = {}
    for trial in (start, end, *trials):
        changed, left = _differing(start, trial, nuisance), _differing(trial, end, nuisance)
        if changed | left == whole and not changed & left:
            found.setdefault(changed, trial)
    return found


def _chain(
    between: Mapping[Changed, TrialSummary], whole: Changed, cut: Mapping[int, Answered]
) -> list[Changed] | None:
    """From no change to all of them, the most accurate first; None if there is none."""
    reach = {whole}
    for at in sorted(between, key=len, reverse=True):
        if any(at | {knob} in reach for knob in whole - at):
            reach.add(at)
    if frozenset() not in reach:
        return None
    chain: list[Changed] = [frozenset()]
    while chain[-1] != whole:
        steps = [chain[-1] | {knob} for knob in sorted(whole - chain[-1])]
        onwards = [one for one in steps if one in reach]
        chain.append(max(onwards, key=lambda at: cut[between[at].number].of_replicates.mean()))
    return chain


def _steps(
    chain: list[Changed], between: Mapping[Changed, TrialSummary], cut: Mapping[int, Answered]
) -> list[Effect]:
    found = []
    for before, after in pairwise(chain):
        [knob] = after - before
        one, other = between[after], between[before]
        values = other.record.parameters.get(knob), one.record.parameters.get(knob)
        found.append(effect_of(knob, *values, [(one, other)], cut))
    return found
