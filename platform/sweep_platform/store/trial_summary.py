"""One trial as a report sees it: what its replicates told, and their means."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import Any

from hrm.config import ModelConfig
from hrm.progress import Curve, Halting, Progress, Votes
from sweep_platform.store.replicate import Purpose, Replicate
from sweep_platform.store.trial import Reused, TrialRecord, TrialState


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A curve, what halting and votes made of it, and the training FLOPs spent by then."""

    training_flops: int
    curve: Curve
    halting: Halting | None
    votes: Votes | None = None
    inherited_flops: int = 0

    @property
    def lineage_flops(self) -> int:
        """FLOPs behind the weights: of this training by then, and of its ancestors before."""
        return self.training_flops + self.inherited_flops

    @property
    def exact_accuracy(self) -> float:
        """Share of puzzles solved after all segments."""
        return self.curve.exact_accuracy[-1]


@dataclass(frozen=True, kw_only=True)
class ReplicateSummary:
    """One replicate: how it stands and what it told; `reason` and `ended` as of a trial.

    `host` is the one on which it ran last, where the record says that; `reused` is the training of
    an earlier sweep that it stands for, if it does.
    """

    replicate: Replicate
    state: TrialState
    reason: str
    ended: float | None
    last: Progress | None
    evaluations: tuple[Evaluation, ...]
    host: str | None = None
    reused: Reused | None = None

    @property
    def complete(self) -> bool:
        """Whether the whole training budget was spent."""
        return self.state is TrialState.COMPLETE

    @property
    def final(self) -> Curve | None:
        """The curve of the last evaluation, None if there is none."""
        return self.evaluations[-1].curve if self.evaluations else None


@dataclass(frozen=True, kw_only=True)
class TrialSummary:
    """One trial: its configuration, how it stands, and what its replicates told.

    Attributes:
        reason: why it ended, or a sentence on why it has not.
        ended: Unix seconds, None while it may go on.
        replicates: all that were begun, by purpose and number.
    """

    record: TrialRecord
    state: TrialState
    reason: str
    ended: float | None
    replicates: tuple[ReplicateSummary, ...]

    @property
    def number(self) -> int:
        """Number of the trial in the sweep."""
        return self.record.number

    @property
    def knobs(self) -> dict[str, Any]:
        """The searched settings that its model has a use for, and their values."""
        return self.record.knobs

    @property
    def complete(self) -> bool:
        """Whether it was trained to the end, by more than half of its replicates."""
        return self.state is TrialState.COMPLETE

    @cached_property
    def measured(self) -> tuple[ReplicateSummary, ...]:
        """The replicates whose mean stands for the trial: of a complete one the complete ones."""
        own = [r for r in self.replicates if r.replicate.purpose is Purpose.MEASURE]
        return tuple(one for one in own if one.complete or not self.complete)

    @cached_property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """Means over the replicates that came that far, at each evaluation, oldest first."""
        at: dict[int, list[Evaluation]] = {}
        for replicate in self.measured:
            for one in replicate.evaluations:
                at.setdefault(one.training_flops, []).append(one)
        return tuple(mean_evaluation(at[flops]) for flops in sorted(at))

    @property
    def accuracies(self) -> tuple[float, ...]:
        """Exact accuracy of each replicate that came as far as the last evaluation did."""
        last = max((r.evaluations[-1].training_flops for r in self.measured if r.final), default=0)
        found = [r.evaluations[-1] for r in self.measured if r.final]
        return tuple(one.exact_accuracy for one in found if one.training_flops == last)

    @property
    def final(self) -> Curve | None:
        """The mean curve of the last evaluation, never the best of several; None without one."""
        return self.evaluations[-1].curve if self.evaluations else None

    @property
    def controls(self) -> tuple[ReplicateSummary, ...]:
        """The complete replicates that were trained from scratch, though the trial is an heir."""
        own = [r for r in self.replicates if r.replicate.purpose is Purpose.CONTROL]
        return tuple(one for one in own if one.complete and one.final)

    @property
    def confirmed(self) -> tuple[ReplicateSummary, ...]:
        """The complete replicates that confirm it."""
        own = [r for r in self.replicates if r.replicate.purpose is Purpose.CONFIRM]
        return tuple(one for one in own if one.complete and one.final)

    @property
    def votes(self) -> Votes | None:
        """Votes in the last evaluation, None where nothing votes."""
        return self.evaluations[-1].votes if self.evaluations else None

    @property
    def halting(self) -> Halting | None:
        """Halting in the last evaluation, None where that was not measured."""
        return self.evaluations[-1].halting if self.evaluations else None

    @property
    def last(self) -> Progress | None:
        """The latest report of the replicate that came furthest, None before the first."""
        reports = [one.last for one in self.replicates if one.last]
        return max(reports, key=lambda report: report.step, default=None)

    @property
    def model(self) -> str:
        """Name of its model."""
        return str(self.record.model.get("model", ModelConfig.model))

    @property
    def training_flops(self) -> int:
        """FLOPs spent on training so far, by all replicates."""
        return sum(one.last.training_flops for one in self.replicates if one.last)

    @property
    def device_seconds(self) -> float:
        """Seconds of training and evaluation so far, of all replicates."""
        return sum(one.last.device_seconds for one in self.replicates if one.last)


def energy_of(replicates: Iterable[ReplicateSummary]) -> float | None:
    """Joules that replicates took, as far as that was measured; None where it was of none."""
    known = [one.last.energy_joules for one in replicates if one.last]
    found = [joules for joules in known if joules is not None]
    return sum(found) if found else None


def mean_evaluation(each: Sequence[Evaluation]) -> Evaluation:
    """The mean of some evaluations after the same training."""
    curves, halts = [one.curve for one in each], [one.halting for one in each if one.halting]
    ballots = [one.votes for one in each if one.votes]
    curve = Curve(
        exact_accuracy=_means(one.exact_accuracy for one in curves),
        token_accuracy=_means(one.token_accuracy for one in curves),
        inference_flops=curves[0].inference_flops,
        puzzles=min(one.puzzles for one in curves),
    )
    halting = None
    if len(halts) == len(each):
        halting = Halting(
            exact_accuracy=fmean(one.exact_accuracy for one in halts),
            segments=_means(one.segments for one in halts),
            inference_flops=fmean(one.inference_flops for one in halts),
        )
    votes = _mean_votes(ballots) if len(ballots) == len(each) else None
    return Evaluation(
        training_flops=each[0].training_flops,
        curve=curve,
        halting=halting,
        votes=votes,
        inherited_flops=round(fmean(one.inherited_flops for one in each)),
    )


def _mean_votes(each: Sequence[Votes]) -> Votes:
    return replace(
        each[0],
        pass_1=fmean(one.pass_1 for one in each),
        pass_2=fmean(one.pass_2 for one in each),
        pass_1_tasks=fmean(one.pass_1_tasks for one in each),
        pass_2_tasks=fmean(one.pass_2_tasks for one in each),
    )


def _means(rows: Iterable[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(fmean(column) for column in zip(*rows, strict=True))
