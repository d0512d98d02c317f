"""A folder is read as it is: whatever its trials and sessions came to."""

from dataclasses import replace

import pytest
from sweep_builders import first
from trackers import report_again

from hrm.progress import Curve
from sweep_platform.common.errors import InputError
from sweep_platform.store.folder import Session, SessionEnd
from sweep_platform.store.summary import summarize, wall_seconds
from sweep_platform.store.trial import TrialState


def session(started: float, ended: float | None = None) -> Session:
    return Session(started=started, ended=ended, end=None if ended is None else SessionEnd.DONE)


@pytest.mark.parametrize(
    ("sessions", "moments", "expected"),
    [
        ([], [], 0),
        ([session(100, 160)], [150, 170], 60),
        ([session(100)], [], 0),
        ([session(100)], [110, 130, 90], 30),
        ([session(100), session(200, 250)], [130, 240], 30 + 50),
        ([session(100), session(200)], [130, 260], 30 + 60),
    ],
    ids=["none", "ended", "nothing written", "killed", "killed then ended", "killed twice"],
)
def test_wall_time(sessions: list[Session], moments: list[float], expected: float) -> None:
    assert wall_seconds(sessions, moments) == expected


DAY = 86_400.0


@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_a_clock_that_is_set_changes_no_time_on_the_clock(make_sweep, jump: float) -> None:
    """It is set by a day in the middle of a session of a minute, which measured it otherwise."""
    sessions = [session(DAY, DAY + 50), replace(session(DAY + 50, DAY + 110 + jump), seconds=60.0)]
    assert wall_seconds(sessions, []) == 110
    assert wall_seconds([session(DAY, DAY + 50), session(DAY + 90, 60)], []) == 50
    folder = make_sweep(TrialState.COMPLETE)
    folder.session_ended(SessionEnd.DONE, seconds=60.0)
    assert summarize(folder).wall_seconds == 60.0


def test_costs_count_every_trial(make_sweep) -> None:
    sweep = summarize(make_sweep(TrialState.COMPLETE, TrialState.STOPPED, TrialState.FAILED))
    assert [t.training_flops for t in sweep.trials] == [100_000_000, 50_000_000, 0]
    assert sweep.training_flops == 150_000_000
    assert sweep.device_seconds == pytest.approx(7.5)


def test_trials_without_an_outcome(make_sweep) -> None:
    folder = make_sweep(None)
    running = summarize(folder)
    folder.session_ended(SessionEnd.INTERRUPTED)
    cut_short = summarize(folder)
    assert running.open
    assert not cut_short.open
    assert running.trials[0].state is cut_short.trials[0].state is TrialState.RUNNING
    assert "under way" in running.trials[0].reason
    assert "--resume" in cut_short.trials[0].reason


def test_an_outcome_and_its_reason_are_kept(make_sweep) -> None:
    trial = summarize(make_sweep(TrialState.FAILED)).trials[0]
    assert trial.state is TrialState.FAILED
    assert trial.reason == "the loss was nan at step 3"
    assert trial.final is None
    assert trial.last is None


def test_a_curve_of_more_segments_than_its_model_may_spend_is_refused(make_sweep) -> None:
    sweep = make_sweep(TrialState.COMPLETE)
    trial = sweep.trials()[0]
    last = list(first(trial).measurements())[-1].progress
    assert last.curve
    most = trial.record().model["M_max"]
    long = Curve(
        exact_accuracy=(0.5,) * (most + 1),
        token_accuracy=(0.5,) * (most + 1),
        inference_flops=tuple(range(1, most + 2)),
        puzzles=40,
    )
    report_again(trial, last.step + 1, curve=long)
    with pytest.raises(InputError, match=f"curve of {most + 1} segments, .*M_max is {most}"):
        summarize(sweep)
