"""What is trained once more after a search: which configurations, when, and in what time."""

from dataclasses import replace
from typing import Any

import pytest
from sweep_builders import TOTAL, measurement, trial_record
from sweep_driver import Driver

from hrm.progress import Curve
from sweep_platform.plan.budget import Limit
from sweep_platform.search.stages.confirmation import chosen, confirmations
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.messages import Failure
from sweep_platform.store.replicate import Purpose, Replicate
from sweep_platform.store.summary import Evaluation, ReplicateSummary, TrialSummary
from sweep_platform.store.trial import TrialState

BROKEN = Failure(reason="the loss was nan at step 3")
COMPLETE = TrialState.COMPLETE
FOUND = ((0.9, 100), (0.8, 50), (0.85, 120), (0.5, 10), (0.2, 200))
"""Accuracy and inference FLOPs of five trials; 0, 1 and 3 are on the front."""


def trial(number: int, accuracy: float, cost: int) -> TrialSummary:
    curve = Curve(
        exact_accuracy=(accuracy,), token_accuracy=(0.5,), inference_flops=(cost,), puzzles=10
    )
    one = ReplicateSummary(
        replicate=Replicate(purpose=Purpose.MEASURE, number=0, seed=1),
        state=COMPLETE,
        reason="",
        ended=1.0,
        last=None,
        evaluations=(Evaluation(training_flops=1, curve=curve, halting=None),),
    )
    knobs = {"N": number, "T": 1, "learning_rate": 0.1}
    record = trial_record(number, parameters=knobs, inference_flops=cost)
    return TrialSummary(record=record, state=COMPLETE, reason="", ended=1.0, replicates=(one,))


def confirming(make_spec: Any, top: int, **changes: Any) -> SweepSpec:
    spec: SweepSpec = make_spec(confirm={"top": top}, **changes)
    return spec


@pytest.mark.parametrize(
    ("top", "numbers"),
    [(1, [0]), (2, [0, 1]), (3, [0, 1, 3]), (4, [0, 1, 3, 2]), (9, [0, 1, 3, 2, 4])],
)
def test_the_front_comes_first_then_the_most_accurate(make_spec, top, numbers) -> None:
    trials = [trial(n, *found) for n, found in enumerate(FOUND)]
    assert [one.number for one in chosen(trials, confirming(make_spec, top))] == numbers
    assert [one.number for one in chosen(trials[::-1], confirming(make_spec, top))] == numbers


def with_curve(number: int, *solved: float) -> TrialSummary:
    """A trial whose segments cost 10 FLOPs each."""
    made = trial(number, solved[-1], 10 * len(solved))
    [one] = made.replicates
    curve = Curve(
        exact_accuracy=solved,
        token_accuracy=solved,
        inference_flops=tuple(10 * (m + 1) for m in range(len(solved))),
        puzzles=10,
    )
    evaluated = replace(one.evaluations[0], curve=curve)
    return replace(made, replicates=(replace(one, evaluations=(evaluated,)),))


def test_the_objective_of_curves_picks_and_not_what_is_solved_in_the_end(make_spec) -> None:
    late, early, middle = with_curve(0, 0.0, 0.9), with_curve(1, 0.5, 0.6), with_curve(2, 0.4, 0.8)
    spec = confirming(
        make_spec, 2, objectives=["exact_accuracy_at"], evaluation={"at_flops": 15.0}
    )
    assert [one.number for one in chosen([late, early, middle], spec)] == [1, 2]
    whole = confirming(make_spec, 2)
    assert [one.number for one in chosen([late, early, middle], whole)] == [0, 1]


def test_where_training_flops_are_a_knob_its_front_is_confirmed(make_spec) -> None:
    found = [trial(n, accuracy, 10 * (n + 1)) for n, accuracy in enumerate((0.5, 0.9, 0.8))]
    budgets = (100, 300, 200)
    trials = [
        replace(one, record=replace(one.record, training_flops=flops))
        for one, flops in zip(found, budgets, strict=True)
    ]
    knob = {"N": {"low": 0, "high": 9}, "training_flops": {"low": 100, "high": 300}}
    spec = confirming(make_spec, 3, space=knob)
    assert [one.number for one in chosen(trials, spec)] == [1, 2, 0]
    assert [one.number for one in chosen(trials, confirming(make_spec, 3))] == [1, 0, 2]


@pytest.mark.parametrize(
    ("base", "numbers"),
    [
        ({"N": 4, "T": 1}, [0, 1, 4]),
        ({"N": 1, "T": 1}, [0, 1]),
        ({"N": 4, "T": 2}, [0, 1]),
        ({"N": 4, "T": 1, "learning_rate": 0.5}, [0, 1, 4]),
    ],
    ids=["added", "among the best", "not complete", "at another nuisance value"],
)
def test_the_base_is_confirmed_as_well(make_spec, base: dict, numbers: list[int]) -> None:
    trials = [trial(n, *found) for n, found in enumerate(FOUND)]
    spec = confirming(make_spec, 2, base=base, nuisance=["learning_rate"])
    assert [one.number for one in chosen(trials, spec)] == numbers


def test_the_base_of_a_design_is_its_first_point(make_spec) -> None:
    trials = [trial(n, *found) for n, found in enumerate(FOUND)]
    knobs = {"N": {"choices": [4, 0, 1, 2, 3]}, "T": {"choices": [1, 2]}}
    change = {"N": [0, 1, 2, 3], "T": [2]}
    spec = confirming(make_spec, 1, space=knobs, ablation={"change": change})
    assert [one.number for one in chosen(trials, spec)] == [0, 4]


CONFIRM = {
    "objectives": ["exact_accuracy"],
    "budget": {"trials": 2, "flops_per_trial": 1e8},
    "confirm": {"top": 1, "replicates": 2},
}


def started(driver: Driver, keys: str) -> list[tuple[int, str]]:
    """Starts jobs under these names; the trial and replicate of each that began."""
    jobs = [driver.start(key) for key in keys]
    return [(job.record.number, job.replicate.label) for job in jobs if job]


def searched(driver: Driver) -> None:
    """Both trials are complete, the second one better."""
    for key, accuracy in zip("ab", (0.25, 0.5), strict=True):
        driver.start(key)
        driver.finish(key, accuracy)


def test_it_begins_when_the_search_is_over(drive) -> None:
    driver = drive(capacity=3, **CONFIRM)
    assert started(driver, "abc") == [(0, "measure-0"), (1, "measure-0")]
    driver.finish("a", 0.25)
    assert started(driver, "c") == []
    assert not driver.scheduler.exhausted, "one still runs"
    driver.finish("b", 0.5)
    assert driver.states() == ["complete", "complete"]
    assert started(driver, "cde") == [(1, "confirm-0"), (1, "confirm-1")]
    before = [one.values for one in driver.search.study.trials()]
    driver.finish("c", 0.0)
    driver.finish("d", 0.0)
    assert started(driver, "f") == []
    assert driver.scheduler.exhausted
    driver.scheduler.close()
    assert [one.values for one in driver.search.study.trials()] == before == [[0.25], [0.5]]
    assert driver.of_replicates(1) == ["complete"] * 3
    seeds = {one.replicate().seed for one in driver.folder.trials()[1].replicates()}
    assert len(seeds) == 3
    assert confirmations(driver.folder, driver.search.spec) == []


def test_at_a_rung_nothing_is_decided_of_it(drive) -> None:
    driver = drive(capacity=1, **CONFIRM, rungs={"at": [0.5], "minimum": 1, "keep": 0.01})
    driver.start("a")
    driver.report("a", measurement(TOTAL // 2, 0.5))
    driver.finish("a", 0.5)
    driver.start("a")
    driver.report("a", measurement(TOTAL // 2, 0.25))
    driver.scheduler.ended("a")
    assert started(driver, "a") == [(0, "confirm-0")]
    driver.report("a", measurement(TOTAL // 2, 0.0))
    driver.finish("a", 0.0)
    assert driver.of_replicates() == ["complete"] * 2
    assert driver.states() == ["complete", "stopped"]
    assert sorted(driver.search.rungs.table(0.5).values()) == [(0.25,), (0.5,)]


def test_only_what_is_lacking_is_trained_when_a_session_goes_on(drive) -> None:
    driver = drive(capacity=2, **CONFIRM)
    searched(driver)
    assert started(driver, "ab") == [(1, "confirm-0"), (1, "confirm-1")]
    driver.finish("a", 0.5)
    driver.report("b", measurement(10, None))
    driver.scheduler.interrupt()
    driver.scheduler.should_end()
    driver.scheduler.ended("b")
    driver.scheduler.close()
    assert driver.of_replicates(1) == ["complete", "complete", "paused"]
    again = drive(capacity=2, **CONFIRM)
    assert started(again, "ab") == [(1, "confirm-1")]
    again.finish("a", 0.5)
    again.scheduler.close()
    for _ in range(2):
        last = drive(capacity=2, **CONFIRM)
        assert started(last, "a") == []
        last.scheduler.close()
    assert [trial.state.name for trial in last.search.study.trials()] == ["COMPLETE"] * 2


def test_a_failure_leaves_the_trial_as_it_is_and_may_be_tried_again(drive) -> None:
    driver = drive(capacity=1, **CONFIRM)
    searched(driver)
    driver.start("a")
    driver.report("a", failure=BROKEN)
    driver.scheduler.ended("a")
    assert started(driver, "a") == [(1, "confirm-1")]
    driver.finish("a", 0.5)
    assert driver.states() == ["complete", "complete"]
    driver.scheduler.close()
    assert started(drive(**CONFIRM), "a") == []
    again = drive(**CONFIRM, retry_failed=True)
    assert started(again, "a") == [(1, "confirm-0")]
    again.finish("a", 0.5)
    assert again.of_replicates(1) == ["complete"] * 3
    assert again.states() == ["complete", "complete"]


def test_the_search_leaves_it_time(drive) -> None:
    more = {**CONFIRM, "budget": {"trials": 4, "flops_per_trial": 1e8}}
    driver = drive(capacity=1, minutes=10, **more)
    driver.start("a")
    driver.finish("a", 0.5, seconds=120.0)
    driver.clock.now = 300.0
    assert started(driver, "a") == [(0, "confirm-0")], "300 s are left, and 360 s would be needed"
    notes = [event[1] for event in driver.display.events if event[0] == "note"]
    assert notes == ["what is left is for confirmation; see budget.minutes"]
    assert driver.scheduler.short_of is Limit.TIME, "so that the session is called incomplete"
    driver.finish("a", 0.5, seconds=120.0)
    driver.clock.now = 420.0
    assert started(driver, "a") == [(0, "confirm-1")]
    driver.finish("a", 0.5, seconds=120.0)
    driver.clock.now = 540.0
    assert started(driver, "a") == []
    assert driver.scheduler.exhausted


def test_no_time_is_left_for_more_trials_than_there_may_be(drive) -> None:
    confirm = {"confirm": {"top": 3, "replicates": 2}}
    driver = drive(capacity=1, minutes=10, **{**CONFIRM, **confirm})
    driver.start("a")
    driver.finish("a", 0.5, seconds=60.0)
    driver.clock.now = 270.0
    assert started(driver, "a") == [(1, "measure-0")], "330 s are left, and 300 s are needed"


def test_it_comes_last_however_long_the_search_takes(drive) -> None:
    """Replicates of the search that no time is left for do not hold it up."""
    more = {**CONFIRM, "replicates": 2, "budget": {"trials": 2, "flops_per_trial": 1e8}}
    driver = drive(capacity=1, minutes=10, **more)
    for seconds in (60.0, 60.0, 60.0):
        driver.start("a")
        driver.finish("a", 0.5, seconds=seconds)
    assert driver.states() == ["complete", None]
    driver.clock.now = 450.0
    assert started(driver, "a") == [(0, "confirm-0")], "150 s are left, and 180 s would be needed"


def test_what_the_clock_cuts_of_it_goes_on_in_another_session(drive) -> None:
    driver = drive(capacity=1, minutes=1, **CONFIRM)
    searched(driver)
    driver.start("a")
    driver.report("a", measurement(10, None))
    driver.clock.now = 61.0
    assert not driver.scheduler.should_end(), "its worker saves first"
    driver.scheduler.ended("a")
    driver.scheduler.close()
    assert driver.scheduler.cut_short
    assert driver.states() == ["complete", "complete"]
    assert driver.of_replicates(1) == ["complete", "paused"]
    again = drive(capacity=2, **CONFIRM)
    assert started(again, "ab") == [(1, "confirm-0"), (1, "confirm-1")]
    assert [event[2] for event in again.display.events] == [True, False], "the first one goes on"
