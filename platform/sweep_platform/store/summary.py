"""A sweep's folder read once: the plain data that every part of the report is made from."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from sweep_platform.common.errors import InputError
from sweep_platform.store.belonging import (
    own_record,
    own_replicate,
    own_trials,
    require_replicates,
    require_reports,
)
from sweep_platform.store.folder import Session, SessionEnd, SweepFolder, SweepRecord
from sweep_platform.store.pruning.told import Rungs, read_rungs
from sweep_platform.store.replicate import Replicate
from sweep_platform.store.steering.course import extended, rests
from sweep_platform.store.steering.messages import Exchange
from sweep_platform.store.trial import ReplicateFolder, TrialFolder, TrialRecord, TrialState
from sweep_platform.store.trial_summary import Evaluation, ReplicateSummary, TrialSummary

__all__ = [
    "Evaluation",
    "ReplicateSummary",
    "SweepSummary",
    "TrialSummary",
    "clock_seconds",
    "last_end",
    "summarize",
    "wall_seconds",
]


@dataclass(frozen=True, kw_only=True)
class SweepSummary:
    """All that a report tells.

    Attributes:
        folder: the sweep's folder, as it was named by the caller.
        trials: by number.
        sessions: every driver's work, oldest first.
        wall_seconds: time on the clock over all sessions, see `wall_seconds`.
        open: whether a driver may be at work: the last session has no recorded end.
        rungs: by what trials were compared at them, and which were audited.
        messages: what people told the sweep, and what became of it, the oldest first.
    """

    folder: str
    record: SweepRecord
    trials: tuple[TrialSummary, ...]
    sessions: tuple[Session, ...]
    wall_seconds: float
    open: bool
    rungs: Rungs = field(default_factory=Rungs)
    messages: tuple[Exchange, ...] = ()

    def answers_of(self, trial: TrialSummary) -> Path:
        """The file of a trial's answers per puzzle, written or not."""
        place = SweepFolder(Path(self.folder)).trial(trial.number, trial.record.signature)
        return place.answers

    @property
    def complete(self) -> tuple[TrialSummary, ...]:
        """Trials that spent their budget and were evaluated."""
        return tuple(t for t in self.trials if t.complete and t.final)

    @property
    def evaluated(self) -> bool:
        """True if any trial was evaluated."""
        return any(trial.final for trial in self.trials)

    @property
    def states(self) -> Counter[TrialState]:
        """Number of trials in each state."""
        return Counter(trial.state for trial in self.trials)

    @property
    def training_flops(self) -> int:
        """FLOPs that all trials spent on training."""
        return sum(trial.training_flops for trial in self.trials)

    @property
    def device_seconds(self) -> float:
        """Seconds that all trials spent on their devices."""
        return sum(trial.device_seconds for trial in self.trials)


def last_end(sessions: Sequence[Session]) -> SessionEnd | None:
    """Return how the last session ended; None if there is none or its end is not recorded."""
    return sessions[-1].end if sessions else None


def summarize(folder: SweepFolder) -> SweepSummary:
    """Read a sweep's folder as it is now. Raises `InputError` where it holds none that we know."""
    messages, sessions = tuple(folder.messages.history()), tuple(folder.sessions())
    record = extended(folder.record(), messages)
    at_work = bool(sessions) and sessions[-1].ended is None
    moments: list[float] = []
    own = own_trials(folder, sessions)
    trials = [_summarize_trial(record, trial, at_work, moments) for trial in own]
    return SweepSummary(
        folder=str(folder.root),
        record=record,
        trials=tuple(sorted(trials, key=lambda trial: trial.number)),
        sessions=sessions,
        wall_seconds=wall_seconds(sessions, moments, rests(messages)),
        open=at_work,
        rungs=read_rungs(folder.root),
        messages=messages,
    )


def trial_summary(sweep: SweepRecord, folder: TrialFolder) -> TrialSummary:
    """Read the folder of one trial as it is now. Raises `InputError` as `summarize` does."""
    return _summarize_trial(sweep, folder, False, [])


def clock_seconds(folder: SweepFolder) -> float:
    """Time on the clock that a sweep's sessions have taken; see `wall_seconds`, `summarize`."""
    record, sessions, moments = folder.record(), folder.sessions(), list[float]()
    for trial in own_trials(folder, sessions):
        _summarize_trial(record, trial, False, moments)
    return wall_seconds(sessions, moments, rests(folder.messages.history()))


def _summarize_trial(
    sweep: SweepRecord, folder: TrialFolder, at_work: bool, moments: list[float]
) -> TrialSummary:
    """The trial; adds the moments (Unix seconds) at which something was written about it."""
    outcome = folder.outcome()
    record = own_record(sweep, folder)
    folders = folder.replicates()
    require_replicates(folder, outcome, folders)
    replicates = [
        _summarize_replicate(own_replicate(sweep, record, one), one, at_work, moments)
        for one in folders
    ]
    for one, replicate in zip(folders, replicates, strict=True):
        _require_segments(one, replicate, record)
        require_reports(one, replicate)
    moments += [outcome.ended] if outcome else []
    return TrialSummary(
        record=record,
        state=outcome.state if outcome else _unfinished_state(replicates),
        reason=outcome.reason if outcome else _waiting(at_work),
        ended=outcome.ended if outcome else None,
        replicates=tuple(replicates),
    )


def _require_segments(
    folder: ReplicateFolder, replicate: ReplicateSummary, record: TrialRecord
) -> None:
    """Raise `InputError` where a curve has more segments than its model may spend."""
    most = record.model["M_max"]
    assert isinstance(most, int), "it was checked when the record was read"
    longest = max((len(one.curve.exact_accuracy) for one in replicate.evaluations), default=0)
    if longest > most:
        problem = f"has a curve of {longest} segments, of a model whose M_max is {most}"
        raise InputError.of(folder.root / "metrics.jsonl", problem, "restore it from a copy")


def _unfinished_state(replicates: Sequence[ReplicateSummary]) -> TrialState:
    """A trial without an outcome is paused where nothing of it runs and something was paused."""
    states = {one.state for one in replicates}
    paused = TrialState.PAUSED in states and TrialState.RUNNING not in states
    return TrialState.PAUSED if paused else TrialState.RUNNING


def _waiting(at_work: bool) -> str:
    return "under way, no outcome yet" if at_work else "cut short; --resume goes on with it"


def _summarize_replicate(
    replicate: Replicate, folder: ReplicateFolder, at_work: bool, moments: list[float]
) -> ReplicateSummary:
    outcome, measurements = folder.outcome(), list(folder.measurements())
    reports = [measurement.progress for measurement in measurements]
    moments += [measurement.time_ms / 1000 for measurement in measurements]
    moments += [outcome.ended] if outcome else []
    end = outcome if outcome and outcome.state.is_final else None
    return ReplicateSummary(
        replicate=replicate,
        state=outcome.state if outcome else TrialState.RUNNING,
        reason=end.reason if end else _waiting(at_work),
        ended=end.ended if end else None,
        last=reports[-1] if reports else None,
        host=folder.host(),
        reused=folder.reused(),
        evaluations=tuple(
            Evaluation(
                training_flops=one.training_flops,
                curve=one.curve,
                halting=one.halting,
                votes=one.votes,
                inherited_flops=one.inherited_flops,
            )
            for one in reports
            if one.curve
        ),
    )


def wall_seconds(
    sessions: Iterable[Session],
    moments: Iterable[float],
    rests: Iterable[tuple[float, float]] = (),
) -> float:
    """Time on the clock over all sessions, but for rests: from and until Unix seconds.

    A session without a recorded end was killed or is at work: it counts up to the last of
    `moments` (Unix seconds at which a trial wrote something) before the next session began. One
    that says itself how long it took is believed: the clock of its host may have been set.
    """
    written, paused = sorted(moments), list(rests)
    total = 0.0
    for session, following in pairwise([*sessions, None]):
        assert session is not None
        if session.seconds is not None:
            total += session.seconds
            continue
        until = following.started if following else float("inf")
        before = bisect_left(written, until)
        last = max(session.started, written[before - 1]) if before else session.started
        ended = last if session.ended is None else session.ended
        rested = (min(end, ended) - max(begin, session.started) for begin, end in paused)
        spent = ended - session.started - sum(one for one in rested if one > 0)
        total += max(0.0, spent)
    return total
