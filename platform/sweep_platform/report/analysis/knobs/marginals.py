"""How accurate each value of a knob is on average, after equal training.

Nuisance knobs are at each point's best values: a sweep that has them chooses those by replicates
of their own (`Purpose.TUNE`), and only what was chosen is trained to the end and measured. What is
averaged here is the measuring replicates alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweep_platform.report.analysis.answers import Accuracies, Answered
from sweep_platform.report.analysis.difference import Difference, Unknown
from sweep_platform.report.analysis.effects import alike, nuisance_of
from sweep_platform.report.analysis.evidence import Stage, evidence_of
from sweep_platform.report.analysis.paired import interval
from sweep_platform.report.analysis.points import ordered
from sweep_platform.store.summary import SweepSummary, TrialSummary

Group = dict[Any, list[TrialSummary]]


@dataclass(frozen=True, kw_only=True)
class Marginal:
    """The mean accuracy at one value of a knob.

    Attributes:
        accuracy: over seeds and tasks, of which each point's trials share all.
        points: settings of the other knobs that are averaged.
        balanced: whether these are the same ones at each value of the knob. If not, a difference
            between two values may be one of the other knobs.
    """

    knob: str
    value: Any
    accuracy: Difference
    points: int
    balanced: bool


@dataclass(frozen=True, kw_only=True)
class Marginals:
    """Of all knobs that vary; `tuned` names those that were tuned away, if any."""

    training_flops: float
    tuned: tuple[str, ...]
    values: tuple[Marginal, ...]


def marginals(sweep: SweepSummary) -> Marginals | Unknown:
    """Mean accuracies by the value of each knob, at the last evaluation."""
    stage = equal_stage(sweep)
    if isinstance(stage, Unknown):
        return stage
    nuisance = nuisance_of(sweep)
    trials = [trial for trial in sweep.complete if trial.number in stage.answers]
    names = sorted({name for trial in trials for name in trial.knobs} - nuisance)
    found = tuple(
        one for knob in names for one in _of(knob, alike(knob, trials, nuisance), stage.answers)
    )
    if not found:
        return Unknown("No mean by value is given: no knob varies among the complete trials.")
    return Marginals(
        training_flops=stage.training_flops, tuned=tuple(sorted(nuisance)), values=found
    )


def equal_stage(sweep: SweepSummary) -> Stage | Unknown:
    """The answers of complete trials after all of their training, where that was equal."""
    found = evidence_of(sweep)
    if not found.comparable:
        return Unknown(
            "Nothing is averaged over trials: there are no two complete ones whose answers share "
            "seeds and tasks."
        )
    if not found.stages or set(found.stages[-1].answers) != set(found.comparable):
        return Unknown(
            "Nothing is averaged over trials: they were not evaluated after equal training FLOPs."
        )
    return found.stages[-1]


def _of(knob: str, groups: list[Group], answers: Mapping[int, Answered]) -> list[Marginal]:
    values = ordered({value for group in groups for value in group})
    if len(values) < 2:
        return []
    whole = [group for group in groups if len(group) == len(values)]
    found = []
    for value in values:
        at = [group[value] for group in whole or groups if value in group]
        accuracy = np.mean([mean_solved(trials, answers) for trials in at], axis=0)
        weights = answers[at[0][0].number].weights
        found.append(
            Marginal(
                knob=knob,
                value=value,
                accuracy=interval(accuracy, weights),
                points=len(at),
                balanced=bool(whole),
            )
        )
    return found


def mean_solved(trials: list[TrialSummary], answers: Mapping[int, Answered]) -> Accuracies:
    """The mean accuracy [seeds, tasks] of some trials."""
    means: Accuracies = np.mean([answers[trial.number].solved for trial in trials], axis=0)
    return means
