"""Controls: which heirs are trained once more from scratch, when, and with which seeds."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_builders import TOTAL, measurement, trial_record
from sweep_driver import Driver

from sweep_platform.plan.jobs import planned_jobs
from sweep_platform.search.inheritance.controls import controls
from sweep_platform.store.messages import Failure
from sweep_platform.store.origins.controlled import controlled
from sweep_platform.store.origins.inherited import Ancestor, Inherited
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.trial import TrialRecord, TrialState

SPACE = {"N": {"choices": [1, 2]}, "T": {"low": 1, "high": 3}}
ONE_HEIR: dict[str, Any] = {
    "capacity": 1,
    "inherit": {"control": 1.0},
    "space": SPACE,
    "budget": {"trials": 2, "flops_per_trial": 1e8},
}


def heir(number: int) -> TrialRecord:
    one = Inherited(
        sweep="toy", trial=0, replicate="measure-0", key="k", sha256="0" * 64, lineage_flops=1
    )
    return replace(trial_record(number), ancestor=Ancestor(signature="s", replicates=(one,)))


@given(count=st.integers(0, 40), share=st.floats(0, 1), more=st.integers(0, 5))
def test_a_share_of_the_heirs_evenly_and_for_good(count: int, share: float, more: int) -> None:
    heirs = [heir(number) for number in range(count + more)]
    scratch = [trial_record(number) for number in range(100, 103)]
    found = controlled([*scratch, *heirs[:count]], share)
    assert abs(len(found) - share * count) <= 1
    assert (share > 0 and count > 0) == bool(found), "the first heir has one"
    later = controlled([*heirs, *scratch], share)
    assert [one.number for one in later][: len(found)] == [one.number for one in found]


def run_to_the_end(driver: Driver) -> list[str]:
    """Let every job come to its end; returns their keys within a trial, in order."""
    labels = []
    while job := driver.start("a"):
        labels.append(f"{job.record.number}/{job.replicate.label}")
        job.folder.checkpoint.write_bytes(job.key.encode())
        driver.finish("a")
    return labels


def with_one_heir(drive: Callable[..., Driver]) -> Driver:
    """A driver whose two trials have ended; the second began with the weights of the first."""
    driver = drive(**ONE_HEIR)
    for key in "ab":
        job = driver.start(key)
        assert job
        job.folder.checkpoint.write_bytes(b"weights")
        driver.finish(key)
    return driver


def test_after_the_search_some_heirs_are_trained_from_scratch_with_the_same_seeds(
    drive: Callable[..., Driver],
) -> None:
    driver = drive(
        capacity=1,
        inherit={"control": 0.5},
        space=SPACE,
        replicates=2,
        budget={"trials": 4, "flops_per_trial": 1e8},
        confirm={"top": 1, "replicates": 1},
    )
    labels = run_to_the_end(driver)
    searched = [f"{number}/measure-{k}" for number in range(4) for k in (0, 1)]
    assert labels[:8] == searched
    assert sorted(labels[8:]) == ["0/confirm-0"] + [
        f"{number}/control-{k}" for number in (1, 3) for k in (0, 1)
    ]
    assert len(labels) == planned_jobs(driver.search.spec, 4).total
    for number in (1, 3):
        trial = driver.folder.trials()[number]
        assert trial.record().ancestor
        for k in (0, 1):
            control, own = trial.replicate(f"control-{k}"), trial.replicate(f"measure-{k}")
            assert control.replicate().seed == own.replicate().seed
            assert own.inherited()
            assert control.inherited() is None
    assert driver.states() == ["complete"] * 4
    assert controls(driver.folder, driver.search.spec) == []
    assert driver.scheduler.exhausted


def test_controls_stand_in_nobodys_mean(drive: Callable[..., Driver]) -> None:
    driver = drive(**ONE_HEIR)
    for key, accuracy in (("a", 0.25), ("b", 0.5), ("c", 1.0)):
        job = driver.start(key)
        assert job
        job.folder.checkpoint.write_bytes(b"weights")
        driver.finish(key, accuracy)
    assert job.replicate.purpose is Purpose.CONTROL
    values = driver.search.outcomes.values(driver.folder.trials()[1])
    assert values[0] == 0.5


@pytest.mark.parametrize("retry", [False, True])
def test_a_control_that_failed_is_retried_if_that_is_asked_for(
    drive: Callable[..., Driver], retry: bool
) -> None:
    driver = with_one_heir(drive)
    driver.start("c")
    driver.report("c", failure=Failure(reason="the loss was nan at step 3"))
    driver.scheduler.ended("c")
    assert driver.states() == ["complete"] * 2, "its heir's trial stands as it did"
    again = drive(**ONE_HEIR, retry_failed=retry)
    job = again.start("c")
    assert (job is not None and job.replicate.label == "control-0") == retry


def test_a_heir_that_was_stopped_has_no_control(drive: Callable[..., Driver]) -> None:
    driver = drive(**ONE_HEIR)
    driver.start("a")
    driver.first(0).checkpoint.write_bytes(b"weights")
    driver.finish("a")
    driver.start("b")
    driver.report("b", measurement(TOTAL // 2))
    driver.report("b", failure=Failure(reason="the loss was nan at step 3"))
    driver.scheduler.ended("b")
    assert driver.states() == ["complete", str(TrialState.FAILED)]
    assert driver.start("c") is None


def test_a_control_that_was_cut_goes_on_after_a_resume(drive: Callable[..., Driver]) -> None:
    driver = with_one_heir(drive)
    driver.start("c")
    driver.report("c", measurement(TOTAL // 2))
    resumed = drive(**ONE_HEIR)
    job = resumed.start("c")
    assert job
    assert job.replicate.label == "control-0"
    assert job.record.inherited(job.replicate) is None


def test_a_heir_that_was_screened_out_has_controls_of_its_own_seeds_alone(
    drive: Callable[..., Driver],
) -> None:
    screening = {"replicates": 1, "keep": 0.5, "minimum": 2}
    driver = drive(**ONE_HEIR, replicates=3, screening=screening)
    labels = []
    while job := driver.start("a"):
        labels.append(f"{job.record.number}/{job.replicate.label}")
        job.folder.checkpoint.write_bytes(job.key.encode())
        driver.finish("a", 0.5 - job.record.number / 4)
    assert "1/measure-1" not in labels, "it is the weaker one"
    assert [one for one in labels if "control" in one] == ["1/control-0"]


def test_nothing_is_kept_for_controls_of_heirs_that_are_not_there(
    drive: Callable[..., Driver],
) -> None:
    """No trial keeps a checkpoint here, so that none has an ancestor."""
    budget = {"trials": 3, "flops_per_trial": 100.0, "flops": 850.0}
    driver = drive(**{**ONE_HEIR, "budget": budget}, replicates=2)
    while driver.start("a"):
        driver.finish("a")
    assert driver.states() == ["complete"] * 3
    assert [len(trial.replicates()) for trial in driver.folder.trials()] == [2] * 3
    assert driver.scheduler.short_of is None


def test_what_is_kept_for_controls_follows_the_heirs(drive: Callable[..., Driver]) -> None:
    driver = drive(**{**ONE_HEIR, "budget": {"trials": 4, "flops_per_trial": 1e8}})
    kept = []
    for number in range(4):
        kept.append(driver.scheduler._agenda._later())
        job = driver.start("a")
        assert job
        job.folder.checkpoint.write_bytes(b"weights")
        if number == 2:
            driver.report("a", failure=Failure(reason="the loss was nan at step 3"))
            driver.scheduler.ended("a")
        else:
            driver.finish("a")
    assert kept == [3, 3, 3, 2], "all but the first may be heirs; the one that failed has none"
    assert driver.scheduler._agenda._later() == 2
    assert [driver.start("a") and driver.finish("a") for _ in range(3)] == [None] * 3
    assert driver.start("a") is None
    again = drive(**{**ONE_HEIR, "budget": {"trials": 4, "flops_per_trial": 1e8}})
    assert again.scheduler._agenda._later() == 0, "they are trained"


def test_a_space_with_fewer_points_than_trials_keeps_nothing_for_the_others(
    drive: Callable[..., Driver],
) -> None:
    driver = drive(**{**ONE_HEIR, "budget": {"trials": 100, "flops_per_trial": 1e8}})
    assert driver.scheduler._agenda._later() == 5, "2 times 3 points, of which the first is none"
