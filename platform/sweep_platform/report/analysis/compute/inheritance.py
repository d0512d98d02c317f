"""What beginning with another trial's weights changes, against training from scratch.

Of some heirs there are controls: the same configuration and seeds, trained from scratch. So each
difference is one of inheriting alone, paired by seed and task.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from puzzle_datasets.common.text import counted
from sweep_platform.report.analysis.answers import Answered, shared
from sweep_platform.report.analysis.difference import Difference, Unknown
from sweep_platform.report.analysis.evidence import evidence_of
from sweep_platform.report.analysis.paired import corrected, interval
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.summary import ReplicateSummary, SweepSummary, TrialSummary


@dataclass(frozen=True, kw_only=True)
class ControlledHeir:
    """An heir beside its control: what each solves, what the heir solves more, and p.

    `p` is by Holm's correction over all heirs with controls; None where there is none.
    """

    trial: TrialSummary
    heir: Difference
    control: Difference
    gain: Difference
    p: float | None

    @property
    def heir_tokens(self) -> float:
        """Share of tokens that the heir's replicates have right, which shows before puzzles do."""
        scratch = begun_from_scratch(self.trial)
        return _tokens([one for one in self.trial.measured if one not in scratch])

    @property
    def control_tokens(self) -> float:
        """The same of its control."""
        return _tokens(self.trial.controls)


@dataclass(frozen=True, kw_only=True)
class Inheriting:
    """All heirs with controls, and the mean over them of what they solve more."""

    heirs: tuple[ControlledHeir, ...]
    gain: Difference | Unknown


def inheriting(sweep: SweepSummary) -> Inheriting | Unknown:
    """What inheriting changed in a sweep, or why that is not told."""
    heirs = [trial for trial in sweep.complete if trial.record.ancestor]
    with_controls = [trial for trial in heirs if trial.controls]
    found = {t.number: pair for t in with_controls if (pair := _pair(sweep, t))}
    if not found:
        reason = "no complete trial has inherited"
        if heirs:
            reason = f"none of the {counted(len(heirs), 'complete heir')} has a complete control"
        if with_controls:
            reason = "heirs and controls keep no answers to the same puzzles for the same seeds"
        return Unknown(f"What inheriting changes is not told: {reason}.")
    gains = [
        interval(heir.solved - control.solved, heir.weights) for heir, control in found.values()
    ]
    holm = iter(corrected([one.p for one in gains if one.p is not None]))
    return Inheriting(
        heirs=tuple(
            ControlledHeir(
                trial=trial,
                heir=interval(found[trial.number][0].solved, found[trial.number][0].weights),
                control=interval(found[trial.number][1].solved, found[trial.number][1].weights),
                gain=gain,
                p=None if gain.p is None else next(holm),
            )
            for trial, gain in zip(
                (one for one in with_controls if one.number in found), gains, strict=True
            )
        ),
        gain=_mean_gain(list(found.values())),
    )


def begun_from_scratch(trial: TrialSummary) -> list[ReplicateSummary]:
    """Replicates of an heir whose ancestor's checkpoint was gone, so that they drew weights."""
    return [
        one
        for one in trial.measured
        if trial.record.inherited(one.replicate) is not None
        and one.evaluations
        and not one.evaluations[-1].inherited_flops
    ]


def _tokens(replicates: Sequence[ReplicateSummary]) -> float:
    return fmean(one.final.token_accuracy[-1] for one in replicates if one.final)


def _pair(sweep: SweepSummary, trial: TrialSummary) -> tuple[Answered, Answered] | None:
    """The answers of an heir and its control by the same seeds to the same tasks; None without."""
    heir = evidence_of(sweep).last(trial)
    control = evidence_of(sweep).answers(trial, Purpose.CONTROL)
    if heir is None or not control:
        return None
    scratch = [one.replicate.number for one in begun_from_scratch(trial)]
    kept = ~np.isin(heir.replicates, scratch)
    heir = replace(heir, replicates=heir.replicates[kept], solved=heir.solved[kept])
    cut = shared({0: heir, 1: control[-1]})
    same = np.array_equal(cut[0].weights, cut[1].weights)
    return (cut[0], cut[1]) if same and cut[0].solved.size else None


def _mean_gain(pairs: Sequence[tuple[Answered, Answered]]) -> Difference | Unknown:
    """The mean over heirs of what they solve more, over the seeds and tasks that all share."""
    cut = shared(dict(enumerate(one for pair in pairs for one in pair)))
    if not cut[0].solved.size:
        return Unknown("Over all heirs no mean is told, for they share no seed or no puzzle.")
    each = [cut[at].solved - cut[at + 1].solved for at in range(0, len(cut), 2)]
    return interval(np.mean(each, axis=0), cut[0].weights)
