"""What a sweep's answers are, read once for all that a report tells of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from hrm.config import ConfigError
from sweep_platform.report.analysis.answers import (
    Answered,
    answered,
    answered_by_segments,
    answers_of,
    shared,
)
from sweep_platform.report.analysis.difference import Difference
from sweep_platform.report.analysis.paired import interval
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.summary import Evaluation, ReplicateSummary, SweepSummary, TrialSummary

T = TypeVar("T")

EQUAL = 1.05
"""Training FLOPs within this factor count as equal: they are rounded to whole steps."""


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """A trial that was trained again with fresh seeds, and what came out."""

    trial: TrialSummary
    accuracy: Difference
    evaluation: Evaluation
    """The last one, of one of its replicates."""

    @property
    def puzzles(self) -> int:
        """On how many it was confirmed."""
        return self.evaluation.curve.puzzles


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """Answers of the trials that can be compared, after as much training, cut to what all share.

    Attributes:
        training_flops: spent by each replicate, the mean over the trials.
        answers: by number of the trial.
    """

    training_flops: float
    answers: dict[int, Answered]


class Evidence:
    """A sweep's summary, with the answers of its trials: each file is read once, when asked for.

    Those of trials on the front are read once more, if the front has them after fewer segments.

    Made by `evidence_of`. Small beside the files: a number for each replicate, task, evaluation.
    """

    def __init__(self, sweep: SweepSummary) -> None:
        self.sweep = sweep
        self._read: dict[int, dict[Purpose, tuple[Answered, ...]]] = {}
        self._after: dict[int, list[Difference] | list[None]] = {}

    def answers(self, trial: TrialSummary, purpose: Purpose) -> tuple[Answered, ...]:
        """A trial's answers at each evaluation that all of its replicates came to.

        None where these are missing or can't be read: a report can do without. Raises `InputError`
        where they are those of others.
        """
        if trial.number not in self._read:
            try:
                table = answers_of(self.sweep, trial)
                self._read[trial.number] = answered(table, self.sweep.answers_of(trial))
            except ConfigError:
                self._read[trial.number] = {}
        return _whole(self._read[trial.number], trial, purpose)

    def accuracy(self, trial: TrialSummary, purpose: Purpose) -> Difference:
        """The accuracy of a trial over those of its replicates of a purpose that came furthest."""
        last = _last(_of(trial, purpose))
        for found in self.answers(trial, purpose):
            if found.training_flops == last:
                return interval(found.solved, found.weights)
        ends = [one.evaluations[-1] for one in _of(trial, purpose) if one.evaluations]
        each = [one.exact_accuracy for one in ends if one.training_flops == last]
        return Difference(mean=float(np.mean(each)), seeds=len(each), tasks=0)

    def last(self, trial: TrialSummary) -> Answered | None:
        """A trial's answers at its last evaluation, never an earlier one; None where missing."""
        found = self.answers(trial, Purpose.MEASURE)
        return found[-1] if found and found[-1].training_flops == _last(trial.measured) else None

    def after(self, trial: TrialSummary, segments: int) -> Difference | None:
        """The accuracy of a trial's replicates after so many segments, at its last evaluation.

        None where answers to that are missing, or a replicate has not come to it.
        """
        last = _last(trial.measured)
        found = self.answers(trial, Purpose.MEASURE)
        if trial.final is None or last not in [one.training_flops for one in found]:
            return None
        most = len(trial.final.exact_accuracy)
        if segments == most:
            return self.accuracy(trial, Purpose.MEASURE)
        if trial.number not in self._after:
            table, path = answers_of(self.sweep, trial), self.sweep.answers_of(trial)
            read = answered_by_segments(table, most, last, path)
            whole = [_whole(one, trial, Purpose.MEASURE) for one in read]
            told = [interval(one.solved, one.weights) for found in whole for one in found]
            self._after[trial.number] = told or [None] * most
        return self._after[trial.number][segments - 1]

    @cached_property
    def confirmed(self) -> tuple[Confirmed, ...]:
        """The trials that were confirmed, the most accurate of the search first."""
        found = [
            Confirmed(
                trial=trial,
                accuracy=self.accuracy(trial, Purpose.CONFIRM),
                evaluation=trial.confirmed[0].evaluations[-1],
            )
            for trial in self.sweep.trials
            if trial.confirmed
        ]
        # By the search, which picked them: the best of the confirmed would be picked once more.
        ranks = {one.trial.number: self.accuracy(one.trial, Purpose.MEASURE).mean for one in found}
        return tuple(sorted(found, key=lambda one: -ranks[one.trial.number]))

    @cached_property
    def comparable(self) -> dict[int, Answered]:
        """Answers at the last evaluation of the complete trials with the most replicates.

        Cut to the seeds and tasks that all share; none of one trial alone.
        """
        found = {trial.number: self.last(trial) for trial in self.sweep.complete}
        return _cut({number: one for number, one in found.items() if one})

    @cached_property
    def unanswered(self) -> tuple[int, ...]:
        """Complete trials that lack answers to their last evaluation where others have them."""
        lacking = tuple(t.number for t in self.sweep.complete if self.last(t) is None)
        return lacking if len(lacking) < len(self.sweep.complete) else ()

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The same at each evaluation, the earliest first, where it came after equal FLOPs.

        Trials with another number of evaluations than most are left out.
        """
        known = {n: self._measured[n] for n in self.comparable}
        counts = Counter(map(len, known.values()))
        if not counts:
            return ()
        most = max(counts, key=lambda count: (counts[count], count))
        same = {n: found for n, found in known.items() if len(found) == most}
        stages = []
        for place in range(most):
            here = _cut({n: found[place] for n, found in same.items()})
            spent = [one.training_flops for one in here.values()]
            if spent and max(spent) <= EQUAL * min(spent):
                stages.append(Stage(training_flops=float(np.mean(spent)), answers=here))
        return tuple(stages)

    @cached_property
    def _measured(self) -> dict[int, tuple[Answered, ...]]:
        return {t.number: self.answers(t, Purpose.MEASURE) for t in self.sweep.complete}


def evidence_of(sweep: SweepSummary) -> Evidence:
    """The evidence of a sweep, made when first asked for and kept with its summary."""
    return kept(sweep, Evidence)


def kept(sweep: SweepSummary, make: Callable[[SweepSummary], T]) -> T:
    """What a function makes of a sweep, made once and kept with its summary."""
    # As `cached_property` keeps its values; a changed copy of the summary begins without.
    found: dict[Any, T] = vars(sweep).setdefault("_kept", {})
    if make not in found:
        found[make] = make(sweep)
    return found[make]


def _of(trial: TrialSummary, purpose: Purpose) -> tuple[ReplicateSummary, ...]:
    others = {Purpose.CONFIRM: trial.confirmed, Purpose.CONTROL: trial.controls}
    return others.get(purpose, trial.measured)


def _last(replicates: Iterable[ReplicateSummary]) -> int:
    """Training FLOPs of the last evaluation that any of them came to; 0 where none did."""
    return max((one.evaluations[-1].training_flops for one in replicates if one.final), default=0)


def _whole(
    read: Mapping[Purpose, tuple[Answered, ...]], trial: TrialSummary, purpose: Purpose
) -> tuple[Answered, ...]:
    """The evaluations that all of a trial's replicates came to, of these alone."""
    own = [one.replicate.number for one in _of(trial, purpose)]
    each = (_only(one, own) for one in read.get(purpose, ()))
    return tuple(one for one in each if len(one.replicates) == len(own))


def _only(found: Answered, replicates: list[int]) -> Answered:
    """The answers of these replicates, as far as they are there."""
    kept = np.isin(found.replicates, replicates)
    return replace(found, replicates=found.replicates[kept], solved=found.solved[kept])


def _cut(known: dict[int, Answered]) -> dict[int, Answered]:
    most = max((len(one.replicates) for one in known.values()), default=0)
    whole = {number: one for number, one in known.items() if len(one.replicates) == most}
    cut = shared(whole) if len(whole) > 1 else {}
    return {number: one for number, one in cut.items() if one.solved.size}
