"""Nuisance values are chosen here, at each point of the other knobs, by replicates of their own.

Each value is tried with one seed, the better half of them, if several, with a second one; the best
on average is measured then, with other seeds, so that the choice does not flatter the measurement.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from hrm.progress import Progress
from sweep_platform.search.outcomes import complete_replicates, last_evaluation
from sweep_platform.spec.schema import Scalar, SweepSpec
from sweep_platform.store.replicate import Purpose, Replicate, replicates
from sweep_platform.store.trial import TrialFolder, TrialRecord, TrialState

TUNING_REPLICATES = 2

Point = tuple[tuple[str, Scalar], ...]
"""Values of the knobs that are compared, by name."""


def point_of(record: TrialRecord, spec: SweepSpec) -> Point:
    """The point that a trial belongs to: its knobs but for the nuisance ones."""
    return tuple(
        (name, value) for name, value in record.parameters.items() if name not in spec.nuisance
    )


@dataclass(frozen=True)
class Round:
    """What comes next at a point: replicates to train, and trials that lost, with the reason."""

    train: tuple[tuple[TrialFolder, tuple[Replicate, ...]], ...] = ()
    lost: tuple[tuple[TrialFolder, tuple[TrialState, str]], ...] = ()


class Tuning:
    """Decides what is trained next of the trials of one point, by their folders alone.

    `wanted` says which replicates measure a trial, all that the spec has if it is not given.
    """

    def __init__(
        self,
        spec: SweepSpec,
        wanted: Callable[[TrialRecord], Sequence[Replicate]] | None = None,
    ) -> None:
        every = replicates(spec.seed, Purpose.MEASURE, spec.replicates)
        self._wanted = wanted or (lambda record: every)
        self._names = ", ".join(spec.nuisance)
        self._tune = replicates(spec.seed, Purpose.TUNE, TUNING_REPLICATES)

    def next(self, group: Sequence[TrialFolder]) -> Round:
        """The next round of a point's trials; nothing while it waits for replicates to end.

        With a single candidate there is nothing to choose: it is measured. One that was measured
        before stays chosen, so that one trial of a point is measured at most. Those that a person
        stopped before they were measured are none.
        """
        group = [one for one in group if not _withdrawn(one)]
        if not group:
            return Round()
        measured = [one for one in group if one.replicates(Purpose.MEASURE)]
        candidates = measured[:1] or list(group)
        for number, replicate in enumerate(self._tune, start=1):
            if len(candidates) == 1:
                break
            if missing := [one for one in candidates if _end(one, replicate) is None]:
                return Round(train=tuple((one, (replicate,)) for one in missing))
            candidates.sort(key=partial(_quality, count=number), reverse=True)
            candidates = candidates[: math.ceil(len(candidates) / 2)]
        chosen, open_ = candidates[0], [one for one in group if one.outcome() is None]
        lost = tuple((one, self._loss(one)) for one in open_ if one is not chosen)
        if len(group) > 1 and not _solved(chosen):
            return Round(lost=(*lost, (chosen, self._loss(chosen))))
        lacking: tuple[Replicate, ...] = ()
        if chosen.outcome() is None:
            wanted = self._wanted(chosen.record())
            lacking = tuple(one for one in wanted if _end(chosen, one) is None)
        return Round(train=((chosen, lacking),) if lacking else (), lost=lost)

    def _loss(self, trial: TrialFolder) -> tuple[TrialState, str]:
        """How a trial ends that is not measured."""
        if _solved(trial):
            return TrialState.COMPLETE, f"another {self._names} did better at this point"
        ends = [one.outcome() for one in trial.replicates(Purpose.TUNE)]
        reason = next((end.reason for end in ends if end), "no replicate came to its end")
        return TrialState.FAILED, reason


def _withdrawn(trial: TrialFolder) -> bool:
    """Whether a trial was stopped while its point was tuned, as a person alone does."""
    end = trial.outcome()
    stopped = end is not None and end.state is TrialState.STOPPED
    return stopped and not trial.replicates(Purpose.MEASURE)


def _end(trial: TrialFolder, replicate: Replicate) -> TrialState | None:
    """The state in which a replicate has ended, None if it may go on or begin."""
    outcome = trial.replicate(replicate.label).outcome()
    return outcome.state if outcome and outcome.state.is_final else None


def _quality(trial: TrialFolder, count: int) -> tuple[float, float]:
    """How good a trial's first tuning replicates are: mean puzzles solved, then tokens right."""
    found = _solved(trial, count)
    if not found:
        return -1.0, -1.0
    curves = [progress.curve for progress in found if progress.curve]
    return (
        fmean(curve.exact_accuracy[-1] for curve in curves),
        fmean(curve.token_accuracy[-1] for curve in curves),
    )


def _solved(trial: TrialFolder, count: int = TUNING_REPLICATES) -> list[Progress]:
    """The last evaluations of the first tuning replicates, as far as they are complete."""
    first = {f"{Purpose.TUNE}-{number}" for number in range(count)}
    complete = complete_replicates(trial, Purpose.TUNE)
    return [last_evaluation(one) for one in complete if one.label in first]
