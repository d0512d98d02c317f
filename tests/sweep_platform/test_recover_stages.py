"""A driver may die at any step of tuning or confirmation; the next one makes up for it."""

from typing import Any

import optuna
import pytest
from sweep_builders import TOTAL, measurement
from sweep_driver import Driver, Killed, die_at

from sweep_platform.search.stages.jobs import JobQueue
from sweep_platform.store.messages import Failure
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.trial import ReplicateFolder, TrialFolder, TrialRecord

SWEEP: dict[str, Any] = {
    "objectives": ["exact_accuracy"],
    "space": {
        "N": {"choices": [1, 2]},
        "learning_rate": {"choices": [0.1, 0.01, 0.001]},
    },
    "nuisance": ["learning_rate"],
    "replicates": 2,
    "budget": {"trials": 2, "flops_per_trial": 1e8},
    "confirm": {"top": 1, "replicates": 2},
}
BEST = {1: 0.01, 2: 0.001}
"""The best learning rate at each N."""


def accuracy(record: TrialRecord, label: str) -> float:
    """What a replicate solves: more at N=2, most at the best learning rate."""
    n, rate = record.parameters["N"], record.parameters["learning_rate"]
    seed = {"tune-0": 0.0, "tune-1": 0.0625, "measure-0": 0.0, "measure-1": 0.125}
    solved: float = 0.25 * n + 0.25 * (rate == BEST[n]) + 0.125 * (rate == 0.1)
    return solved + seed.get(label, 0.0)


def run(driver: Driver) -> list[str]:
    """Train all that there is, one job after another; the keys of those that came to their end."""
    done = []
    while (job := driver.start("a")) is not None:
        train(driver, "a")
        done.append(job.key)
    assert driver.scheduler.exhausted
    driver.scheduler.close()
    return done


def train(driver: Driver, key: str) -> None:
    """Let a job come to its end."""
    job = driver.running[key]
    driver.report(key, measurement(TOTAL // 2, None))
    driver.finish(key, accuracy(job.record, job.replicate.label))


def state_of(driver: Driver) -> dict[str, Any]:
    """How every trial and replicate ended, with what the study has of it."""
    of_study, found = driver.search.study.trials(), {}
    for trial in driver.folder.trials():
        record, outcome = trial.record(), trial.outcome()
        told = of_study[record.study_number]
        ends = {one.label: one.outcome() for one in trial.replicates()}
        found[trial.root.name] = {
            "parameters": record.parameters,
            "outcome": outcome and (outcome.state, outcome.reason),
            "replicates": {label: end and end.state for label, end in ends.items()},
            "reports": [[m.progress.step for m in r.measurements()] for r in trial.replicates()],
            "study": (told.state.name, told.values),
        }
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, make_spec: Any) -> dict[str, Any]:
    driver = Driver(tmp_path_factory.mktemp("whole") / "toy", make_spec(**SWEEP), 1)
    done = run(driver)
    assert len(done) == len(set(done)) == 2 * (3 + 2) + 2 * 2 + 2
    return state_of(driver)


def test_each_point_is_measured_at_its_best_value(undisturbed: dict[str, Any]) -> None:
    measured = [one for one in undisturbed.values() if "measure-0" in one["replicates"]]
    found = {one["parameters"]["N"]: one["parameters"]["learning_rate"] for one in measured}
    assert found == BEST
    [best] = [one for one in undisturbed.values() if "confirm-0" in one["replicates"]]
    assert best["parameters"] == {"N": 2, "learning_rate": 0.001}
    assert best["study"] == ("COMPLETE", [0.8125])


def test_those_that_lost_are_complete_by_what_they_were_tuned_with(undisturbed) -> None:
    lost = [one for one in undisturbed.values() if "measure-0" not in one["replicates"]]
    assert len(lost) == 4
    for one in lost:
        state, reason = one["outcome"]
        assert (state, reason) == ("complete", "another learning_rate did better at this point")
        assert set(one["replicates"]) <= {"tune-0", "tune-1"}
        assert one["study"][0] == "COMPLETE"


STEPS: list[tuple[type, str, tuple[int, ...]]] = [
    (TrialFolder, "create", (2, 3, 5)),
    (ReplicateFolder, "create", (2, 5, 7, 15, 16)),
    (ReplicateFolder, "append", (2, 9, 29)),
    (ReplicateFolder, "end", (3, 5, 7, 15, 16)),
    (TrialFolder, "end", (1, 2, 3, 6)),
    (JobQueue, "add", (2, 4, 6)),
    (optuna.Study, "tell", (1, 2, 3, 6)),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("kind", "method", "nth"),
    [(kind, method, nth) for kind, method, each in STEPS for nth in each],
)
def test_a_death_at_any_step_is_made_up_for(
    drive, monkeypatch: pytest.MonkeyPatch, undisturbed, kind, method: str, when: str, nth: int
) -> None:
    with monkeypatch.context() as patch:
        die_at(patch, kind, method, when, nth)
        with pytest.raises(Killed):
            run(drive(capacity=1, **SWEEP))
    run(drive(capacity=1, **SWEEP))
    assert state_of(drive(capacity=1, **SWEEP)) == undisturbed


def test_what_the_clock_cuts_of_tuning_goes_on_in_another_session(drive, undisturbed) -> None:
    driver = drive(capacity=2, minutes=1, **SWEEP)
    driver.start("a")
    other = driver.start("b")
    train(driver, "a")
    driver.report("b", measurement(TOTAL // 2, None))
    driver.clock.now = 61.0
    driver.scheduler.should_end()
    driver.scheduler.ended("b")
    driver.scheduler.close()
    assert driver.scheduler.cut_short
    assert driver.states() == [None, "paused", None]
    assert run(drive(capacity=1, **SWEEP))[0] == other.key, "nothing of it is lost"
    assert state_of(drive(capacity=1, **SWEEP)) == undisturbed


def test_a_point_that_was_tuned_in_vain_is_measured_in_another_session(drive, undisturbed) -> None:
    driver = drive(capacity=1, minutes=1, **SWEEP)
    for _ in range(5):
        driver.start("a")
        train(driver, "a")
    driver.clock.now = 61.0
    assert driver.scheduler.should_end()
    driver.scheduler.close()
    assert sorted(map(str, driver.states())) == ["None", "complete", "complete"]
    run(drive(capacity=1, **SWEEP))
    assert state_of(drive(capacity=1, **SWEEP)) == undisturbed


def test_values_that_failed_are_tried_again_when_it_is_asked_for(drive) -> None:
    driver = drive(capacity=1, **{**SWEEP, "budget": {"trials": 1, "flops_per_trial": 1e8}})
    for _ in range(3 + 2):
        driver.start("a")
        driver.report("a", failure=Failure(reason="the loss was nan at step 3"))
        driver.scheduler.ended("a")
    assert run(driver) == []
    assert driver.states() == ["failed"] * 3
    again = drive(capacity=1, retry_failed=True, **SWEEP)
    run(again)
    assert again.states() == ["complete"] * 6
    for trial in again.folder.trials():
        states = [one.outcome().state for one in trial.replicates(Purpose.TUNE)]
        assert set(states) == {"complete"}


def test_a_failed_value_is_not_tried_again_once_another_was_measured(drive) -> None:
    sweep = {**SWEEP, "budget": {"trials": 1, "flops_per_trial": 1e8}}
    driver = drive(capacity=1, **sweep)
    first = driver.start("a")
    driver.report("a", failure=Failure(reason="the loss was nan at step 3"))
    driver.scheduler.ended("a")
    run(driver)
    before = state_of(driver)
    again = drive(capacity=1, retry_failed=True, **sweep)
    assert run(again) == []
    assert state_of(again) == before
    measured = [t.record().number for t in again.folder.trials() if t.replicates(Purpose.MEASURE)]
    assert len(measured) == 1
    assert first.record.number not in measured
