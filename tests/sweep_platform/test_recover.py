"""A driver of trials with several replicates may die at any step; the next one makes up for it."""

from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import pytest
from sweep_builders import TOTAL, begun, measurement
from sweep_driver import WRITES, Driver, Killed, die_at

from sweep_platform.common.errors import InputError
from sweep_platform.store.messages import Decision
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.trial import Outcome, TrialFolder, TrialState

COMPLETE, STOPPED = TrialState.COMPLETE, TrialState.STOPPED
STATES = {COMPLETE: "COMPLETE", STOPPED: "PRUNED", TrialState.FAILED: "FAIL"}
SWEEP: dict[str, Any] = {
    "replicates": 3,
    "objectives": ["exact_accuracy"],
    "rungs": {"at": [0.5], "minimum": 2, "keep": 0.5},
    "budget": {"trials": 4, "flops_per_trial": 1e8},
}


def accuracy(number: int, replicate: int) -> float:
    """What a replicate solves: no two trials the same, each around a mean of its own."""
    return (0.5, 0.25, 0.75, 0.375)[number] + (-0.125, 0.0, 0.125)[replicate]


def run(driver: Driver) -> None:
    """Train all that there is, one job after another, as the driver wants."""
    while (job := driver.start("a")) is not None:
        number, replicate = job.record.number, job.replicate.number
        driver.report("a", measurement(TOTAL // 2, accuracy(number, replicate)))
        if driver.told(number, replicate) is Decision.CONTINUE:
            driver.finish("a", accuracy(number, replicate))
        else:
            driver.scheduler.ended("a")
    assert driver.scheduler.exhausted
    driver.scheduler.close()


def require_whole(driver: Driver) -> None:
    """Every trial has ended with all of its replicates, and study and folder say the same."""
    of_study = driver.search.study.trials()
    trials = driver.folder.trials()
    assert [trial.record().number for trial in trials] == list(range(4))
    for trial in trials:
        record, outcome = trial.record(), trial.outcome()
        ends = [one.outcome() for one in trial.replicates()]
        assert outcome is not None
        assert all(end is not None and end.state.is_final for end in ends)
        told = of_study[record.study_number]
        assert told.state.name == STATES[outcome.state]
        if outcome.state is COMPLETE:
            assert [end and end.state for end in ends] == [COMPLETE] * 3
            assert told.values == [fmean(accuracy(record.number, one) for one in range(3))]
    left = {trial.record().study_number for trial in trials}
    assert all(one.state.name == "FAIL" for one in of_study if one.number not in left)
    assert len(driver.search.jobs) == 0


@pytest.mark.parametrize("nth", [1, 2, 4])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("kind", "method"), WRITES)
def test_a_death_at_any_step_is_made_up_for(
    drive, monkeypatch: pytest.MonkeyPatch, kind: type, method: str, when: str, nth: int
) -> None:
    with monkeypatch.context() as patch:
        die_at(patch, kind, method, when, nth)
        with pytest.raises(Killed):
            run(drive(capacity=1, **SWEEP))
    run(drive(capacity=1, **SWEEP))
    require_whole(drive(capacity=1, **SWEEP))


def test_a_sweep_that_nobody_disturbed_is_whole(drive) -> None:
    driver = drive(capacity=1, **SWEEP)
    run(driver)
    require_whole(driver)
    assert driver.states() == ["complete", "stopped", "complete", "stopped"]


def test_replicates_that_ended_without_their_trial(drive, monkeypatch) -> None:
    driver = drive(capacity=1, **SWEEP)
    with monkeypatch.context() as patch:
        die_at(patch, TrialFolder, "end", "before", 1)
        with pytest.raises(Killed):
            run(driver)
    assert driver.states() == [None]
    assert driver.of_replicates() == ["complete"] * 3
    again = drive(capacity=1, **SWEEP)
    assert again.states() == ["complete"]
    assert again.search.study.trials()[0].values == [0.5]


def test_a_trial_that_ended_without_the_study(drive, monkeypatch) -> None:
    driver = drive(capacity=1, **SWEEP)
    with monkeypatch.context() as patch:
        die_at(patch, optuna.Study, "tell", "before", 1)
        with pytest.raises(Killed):
            run(driver)
    assert driver.states() == ["complete"]
    assert driver.search.study.trials()[0].state.name == "RUNNING"
    again = drive(capacity=1, **SWEEP)
    assert again.search.study.trials()[0].values == [0.5]


def test_a_stop_that_was_decided_and_not_carried_out(drive) -> None:
    driver = drive(capacity=6, **SWEEP)
    for key in "abcdef":
        driver.start(key)
    for key in "abc":
        driver.report(key, measurement(TOTAL // 2, 0.5))
    driver.report("d", measurement(TOTAL // 2, 0.25))
    driver.finish("a", 0.5)
    assert driver.told(1) is Decision.STOP
    again = drive(capacity=6, **SWEEP)
    outcome = again.folder.trials()[1].outcome()
    assert outcome is not None
    assert (outcome.state, outcome.reason) == (STOPPED, "beaten at a rung")
    assert again.of_replicates(1) == ["stopped"] * 3
    assert again.search.study.trials()[1].state.name == "PRUNED"
    assert [again.start(key).record.number for key in "bc"] == [0, 0], "the others go on"


def test_a_stop_that_one_replicate_has_heard_of_keeps_its_reason(drive) -> None:
    driver = drive(capacity=6, **SWEEP)
    for key in "abcdef":
        driver.start(key)
    for key in "abc":
        driver.report(key, measurement(TOTAL // 2, 0.5))
    driver.report("d", measurement(TOTAL // 2, 0.25))
    driver.scheduler.ended("d")
    again = drive(capacity=6, **SWEEP)
    ends = [again.folder.trials()[1], *again.folder.trials()[1].replicates(Purpose.MEASURE)]
    reasons = {one.outcome().reason for one in ends}
    assert reasons == {"beaten at the rung at 50% of the training budget"}


def test_replicates_without_an_end_go_on_before_the_trial_ends(drive) -> None:
    driver = drive(capacity=3, **SWEEP)
    for key in "abc":
        driver.start(key)
    driver.finish("b", 0.5)
    again = drive(capacity=3, **SWEEP)
    assert again.states() == [None]
    assert [again.start(key).replicate.number for key in "ac"] == [0, 2]


def test_a_trial_that_was_to_go_on_when_its_driver_died(drive, monkeypatch) -> None:
    """The study has a new trial for it, and the folder still the end of the old one."""
    one = {**SWEEP, "replicates": 1, "budget": {"trials": 1, "flops_per_trial": 1e8}}
    run(drive(capacity=1, **one))
    more = {**one, "replicates": 3}
    with monkeypatch.context() as patch:
        die_at(patch, TrialFolder, "begin_again", "before", 1)
        with pytest.raises(Killed):
            drive(capacity=1, **more)
    again = drive(capacity=1, **more)
    run(again)
    assert again.states() == ["complete"]
    [trial] = again.folder.trials()
    told = again.search.study.trials()[trial.record().study_number]
    assert (told.state.name, told.values) == ("COMPLETE", [0.5])
    states = [trial.state.name for trial in again.search.study.trials()]
    assert states == ["COMPLETE", "FAIL", "COMPLETE"]


def test_a_trial_that_ended_and_is_not_there_any_more_is_missed(drive, tmp_path: Path) -> None:
    run(drive(**SWEEP))
    *_, last = drive(**SWEEP).folder.trials()
    last.root.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="lacks a trial that ended, number 3 of") as caught:
        drive(**SWEEP)
    assert last.root.name[4:] in str(caught.value)
    (tmp_path / "elsewhere").rename(last.root)
    require_whole(drive(**SWEEP))


def test_what_the_disk_kept_of_a_trial_that_never_began(drive) -> None:
    driver = drive(capacity=1, **SWEEP)
    driver.start("a")
    folder = begun(driver.folder.trials()[0], 1)
    folder.end(Outcome(state=TrialState.PAUSED, reason="interrupted", ended=0.0))
    again = drive(capacity=3, **SWEEP)
    assert [again.start(key).replicate.number for key in "abc"] == [0, 1, 2]
    assert again.of_replicates() == [None] * 3
