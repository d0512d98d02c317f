"""How trials stand, read in a hurry: of each that ended its end, and its replicates' last reports.

So ten thousand trials take seconds. A report reads everything, and finds what is damaged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from hrm.progress import Curve, Measurement
from sweep_platform.plan.spending import Amounts, reused_amounts
from sweep_platform.store.folder import Session, SweepFolder
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.steering.course import rests
from sweep_platform.store.summary import wall_seconds
from sweep_platform.store.trial import Outcome, ReplicateFolder, TrialFolder, TrialState


@dataclass(frozen=True, kw_only=True)
class ReplicateStanding:
    """A replicate: its folder, its state, and the last report, None before the first."""

    folder: ReplicateFolder
    state: TrialState
    last: Measurement | None


@dataclass(frozen=True, kw_only=True)
class TrialStanding:
    """A trial: its number, its folder, its end if it has one, and its replicates."""

    number: int
    folder: TrialFolder
    outcome: Outcome | None
    replicates: tuple[ReplicateStanding, ...]

    @property
    def state(self) -> TrialState:
        """Its state; without an end, paused where nothing of it runs and something was paused."""
        if self.outcome is not None:
            return self.outcome.state
        states = {one.state for one in self.replicates}
        paused = TrialState.PAUSED in states and TrialState.RUNNING not in states
        return TrialState.PAUSED if paused else TrialState.RUNNING

    @property
    def training_flops(self) -> int:
        """FLOPs spent on training so far, by all replicates."""
        return sum(one.last.progress.training_flops for one in self.replicates if one.last)

    @property
    def spent(self) -> Amounts:
        """What all replicates have spent of the sweep's budget: not what others spent before."""
        spent = Amounts()
        for one in self.replicates:
            if one.last is not None:
                reused = one.folder.reused()
                before = Amounts() if reused is None else reused_amounts(reused)
                spent += (Amounts.of(one.last.progress) - before).positive
        return spent

    @property
    def curve(self) -> Curve | None:
        """The mean curve at the end of a complete trial; None of another."""
        if self.state is not TrialState.COMPLETE:
            return None
        measure = [r for r in self.replicates if r.folder.label.startswith(Purpose.MEASURE)]
        ends = [one.last.progress for one in measure if one.last and one.last.progress.spent]
        curves = [end.curve for end in ends if end.curve]
        return _mean(curves) if curves else None

    def moments(self, *, whole: bool = False) -> Iterator[float]:
        """Unix seconds when something was last written of it; on the whole, when anything was."""
        for one in self.replicates:
            if whole:
                yield from (time_ms / 1000 for time_ms in one.folder.report_times())
            elif one.last:
                yield one.last.time_ms / 1000
        if self.outcome is not None:
            yield self.outcome.ended


def standings(folder: SweepFolder) -> list[TrialStanding]:
    """How every trial stands, by number. Raises `UserError`: a file of one is damaged."""
    return [_standing(number, trial) for number, trial in enumerate(folder.trials())]


def spent_seconds(
    folder: SweepFolder, sessions: Sequence[Session], trials: Sequence[TrialStanding]
) -> float:
    """Time on the clock over all sessions; one that was killed in between takes all reports."""
    whole = any(one.ended is None for one, _ in pairwise(sessions))
    moments = (moment for trial in trials for moment in trial.moments(whole=whole))
    return wall_seconds(sessions, moments, rests(folder.messages.history()))


def _standing(number: int, trial: TrialFolder) -> TrialStanding:
    outcome = trial.outcome()
    return TrialStanding(
        number=number,
        folder=trial,
        outcome=outcome,
        replicates=tuple(_of_replicate(one, outcome) for one in trial.replicates()),
    )


def _of_replicate(folder: ReplicateFolder, trial: Outcome | None) -> ReplicateStanding:
    """A replicate; of a trial that ended, its own end does not matter."""
    end = folder.outcome() if trial is None else trial
    state = end.state if end else TrialState.RUNNING
    return ReplicateStanding(folder=folder, state=state, last=folder.last_measurement())


def _mean(curves: Sequence[Curve]) -> Curve:
    """The mean of curves of one configuration."""
    exact, token = (
        tuple(fmean(column) for column in zip(*rows, strict=True))
        for rows in (
            [one.exact_accuracy for one in curves],
            [one.token_accuracy for one in curves],
        )
    )
    return Curve(
        exact_accuracy=exact,
        token_accuracy=token,
        inference_flops=curves[0].inference_flops,
        puzzles=min(one.puzzles for one in curves),
    )
