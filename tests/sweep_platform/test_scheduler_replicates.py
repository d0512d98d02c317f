"""Trials of several replicates: side by side, compared by their means, ended together."""

from dataclasses import replace
from typing import Any

import pytest
from sweep_builders import SHAPE, TOTAL, measurement
from sweep_driver import Driver

from sweep_platform.search.rungs.fronts import Fronts, Values
from sweep_platform.search.search import open_search
from sweep_platform.store.messages import Decision, Failure
from sweep_platform.store.trial import TrialState

BROKEN = Failure(reason="the loss was nan at step 3")
LOST = Failure(reason="its worker was lost")
HALVING = {
    "objectives": ["exact_accuracy"],
    "rungs": {"at": [0.5], "minimum": 2, "keep": 0.5},
}


def started(driver: Driver, keys: str) -> list[tuple[int, int]]:
    """Starts jobs under these names; the number of each one's trial and of its replicate."""
    jobs = [driver.start(key) for key in keys]
    return [(job.record.number, job.replicate.number) for job in jobs if job]


def fail(driver: Driver, key: str) -> None:
    driver.report(key, failure=BROKEN)
    driver.scheduler.ended(key)


def end(driver: Driver, number: int = 0) -> tuple[TrialState, str]:
    outcome = driver.folder.trials()[number].outcome()
    assert outcome
    return outcome.state, outcome.reason


def values(driver: Driver, number: int = 0) -> list[float] | None:
    """What the study has of a trial."""
    record = driver.folder.trials()[number].record()
    found: list[float] | None = driver.search.study.trials()[record.study_number].values
    return found


def test_replicates_run_side_by_side_and_the_study_sees_their_mean(drive) -> None:
    driver = drive(capacity=3, replicates=3)
    assert started(driver, "abc") == [(0, 0), (0, 1), (0, 2)]
    assert driver.start("d") is None
    for key, accuracy in zip("abc", (0.0, 0.25, 0.5), strict=True):
        assert driver.states() == [None], "the trial ends with the last of them"
        driver.finish(key, accuracy)
    assert end(driver) == (TrialState.COMPLETE, "the training budget was spent")
    inference_flops = driver.folder.trials()[0].record().inference_flops
    assert values(driver) == [0.25, inference_flops]
    assert driver.display.events[-4:] == [
        ("job ended", (0, 1), TrialState.COMPLETE),
        ("measured", (0, 2), 100),
        ("job ended", (0, 2), TrialState.COMPLETE),
        ("ended", 0, TrialState.COMPLETE),
    ]
    assert started(driver, "d") == [(1, 0)]


def test_replicates_of_a_poor_trial_wait_for_a_new_trial(drive) -> None:
    driver = drive(capacity=1, replicates=2, budget={"trials": 3, "flops_per_trial": 1e8})
    order = []
    for accuracy in (0.5, 0.5, 0.25, 0.75, 0.75, 0.25):
        order += started(driver, "a")
        driver.finish("a", accuracy)
    assert order == [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1), (1, 1)]
    assert driver.start("a") is None
    assert driver.scheduler.exhausted


def test_poor_trials_end_before_ever_more_of_them_wait(drive) -> None:
    """Else a sampler would hear of none of them before the last point is drawn."""
    driver = drive(capacity=1, replicates=2, budget={"trials": 6, "flops_per_trial": 1e8})
    by_trial = (0.75, 0.5, 0.375, 0.25, 0.125, 0.0)
    waiting = []
    while job := driver.start("a"):
        waiting.append(sum(state is None for state in driver.states()))
        driver.finish("a", by_trial[job.record.number])
    assert max(waiting) == 2, "one that runs, beside one that waits"
    assert [values(driver, number)[0] for number in range(6)] == list(by_trial)


def test_one_failure_of_three_fails_no_trial(drive) -> None:
    driver = drive(capacity=3, replicates=3)
    started(driver, "abc")
    fail(driver, "b")
    driver.finish("a", 0.25)
    driver.finish("c", 0.75)
    reason = "2 of 3 replicates complete: the loss was nan at step 3"
    assert end(driver) == (TrialState.COMPLETE, reason)
    assert driver.of_replicates() == ["complete", "failed", "complete"]
    assert values(driver)[0] == 0.5


def test_two_failures_of_three_fail_the_trial(drive) -> None:
    driver = drive(capacity=3, replicates=3)
    started(driver, "abc")
    driver.finish("a")
    fail(driver, "b")
    fail(driver, "c")
    reason = "2 of 3 replicates failed: the loss was nan at step 3"
    assert end(driver) == (TrialState.FAILED, reason)
    assert values(driver) is None


def test_failed_replicates_run_again_when_it_is_asked_for(drive) -> None:
    driver = drive(capacity=3, replicates=3)
    started(driver, "abc")
    driver.finish("a", 0.0)
    fail(driver, "b")
    fail(driver, "c")
    driver.scheduler.close()
    assert len(drive(capacity=3, replicates=3).search.jobs) == 0
    again = drive(capacity=3, replicates=3, retry_failed=True)
    assert again.states() == [None]
    assert started(again, "bc") == [(0, 1), (0, 2)]
    again.finish("b", 0.25)
    again.finish("c", 0.5)
    assert end(again)[0] is TrialState.COMPLETE
    assert values(again)[0] == 0.25


def test_the_failed_one_of_a_complete_trial_runs_again_when_it_is_asked_for(drive) -> None:
    driver = drive(capacity=3, replicates=3)
    started(driver, "abc")
    driver.finish("a", 0.0)
    fail(driver, "b")
    driver.finish("c", 0.5)
    assert values(driver)[0] == 0.25
    driver.scheduler.close()
    again = drive(capacity=3, replicates=3, retry_failed=True)
    assert started(again, "b") == [(0, 1)]
    again.finish("b", 1.0)
    assert end(again) == (TrialState.COMPLETE, "the training budget was spent")
    assert values(again)[0] == 0.5


def test_at_a_rung_only_what_runs_again_counts_anew(drive) -> None:
    spec = {**HALVING, "rungs": {"at": [0.5], "minimum": 3}}
    driver = drive(capacity=3, replicates=3, **spec)
    started(driver, "abc")
    for key, accuracy in zip("abc", (0.25, 0.5, 0.75), strict=True):
        driver.report(key, measurement(50, accuracy))
    driver.finish("a", 0.25)
    fail(driver, "b")
    fail(driver, "c")
    assert driver.states() == ["failed"]
    again = drive(capacity=3, replicates=3, retry_failed=True, **spec)
    assert [*again.search.rungs.table(0.5).values()] == [(0.25,)]
    started(again, "bc")
    again.report("b", measurement(50, 0.75))
    assert [*again.search.rungs.table(0.5).values()] == [(0.5,)]


def test_a_pruned_trial_stops_what_runs_and_starts_no_more_of_it(drive) -> None:
    driver = drive(capacity=4, replicates=3, **HALVING)
    assert started(driver, "abcd") == [(0, 0), (0, 1), (0, 2), (1, 0)]
    for key in "abc":
        driver.report(key, measurement(50, 0.5))
    driver.finish("a")
    assert started(driver, "e") == [(1, 1)]
    driver.report("d", measurement(50, 0.25))
    assert [driver.told(1, replicate) for replicate in (0, 1)] == [Decision.STOP] * 2
    driver.scheduler.ended("d")
    assert driver.states() == [None, None]
    driver.scheduler.ended("e")
    reason = "beaten at the rung at 50% of the training budget"
    assert end(driver, 1) == (TrialState.STOPPED, reason)
    assert driver.of_replicates(1) == ["stopped", "stopped"], "the third never began"
    assert started(driver, "f") == [(2, 0)]


def test_of_a_pruned_trial_what_had_begun_and_waits_is_stopped_as_well(drive) -> None:
    driver = drive(capacity=2, replicates=2, **HALVING)
    started(driver, "ab")
    for key in "ab":
        driver.report(key, measurement(50, 0.5))
        driver.finish(key, 0.5)
    assert started(driver, "cd") == [(1, 0), (1, 1)]
    driver.report("d", measurement(10, None))
    driver.lose("d", LOST)
    driver.report("c", measurement(50, 0.25))
    driver.scheduler.ended("c")
    assert end(driver, 1)[0] is TrialState.STOPPED
    assert driver.of_replicates(1) == ["stopped", "stopped"]


class Pausing:
    """A rule that pauses every trial at half of its training."""

    def at(self, step: int, total_steps: int) -> float | None:
        return 0.5 if 2 * step == total_steps else None

    def decide(self, values: Values, earlier: Fronts) -> Decision:
        return Decision.PAUSE


def test_of_a_trial_that_a_rule_pauses_everything_may_go_on(drive) -> None:
    driver = drive(capacity=1, replicates=2)
    driver.search.rungs._rule = Pausing()
    started(driver, "a")
    driver.report("a", measurement(50, 0.5))
    assert driver.told(0) is Decision.PAUSE
    driver.scheduler.ended("a")
    assert driver.of_replicates() == ["paused"]
    assert driver.search.jobs.waiting == 0, "until it is promoted"
    driver.scheduler.interventions.promote(driver.folder.trials()[0], message=1)
    assert driver.search.jobs.waiting == 2


def test_replicates_are_judged_by_the_mean_of_those_that_came(drive) -> None:
    driver = drive(capacity=4, replicates=2, **HALVING)
    assert started(driver, "abcd") == [(0, 0), (0, 1), (1, 0), (1, 1)]
    driver.report("a", measurement(50, 0.5))
    driver.report("b", measurement(50, 0.5))
    driver.report("c", measurement(50, 1.0))
    assert driver.told(1) is Decision.CONTINUE
    driver.report("d", measurement(50, 0.25))
    assert driver.told(1) is Decision.CONTINUE, "0.625 on average"
    assert driver.told(1, 1) is Decision.CONTINUE


def test_interrupted_replicates_pause_and_go_on(drive) -> None:
    driver = drive(capacity=2, replicates=3)
    started(driver, "ab")
    driver.report("a", measurement(10, None))
    driver.report("b", measurement(20, None))
    driver.scheduler.interrupt()
    assert not driver.scheduler.should_end(), "workers save first"
    driver.scheduler.ended("a")
    driver.scheduler.ended("b")
    driver.scheduler.close()
    assert driver.states() == ["paused"]
    again = drive(capacity=3, replicates=3)
    assert started(again, "abc") == [(0, 0), (0, 1), (0, 2)]
    assert [event[2] for event in again.display.events] == [True, True, False], "who goes on"
    for key, accuracy in zip("abc", (0.0, 0.25, 0.5), strict=True):
        again.finish(key, accuracy)
    assert again.states() == ["complete"]
    assert values(again)[0] == 0.25


def test_a_lost_replicate_goes_on_and_the_others_do_not_hear_of_it(drive) -> None:
    driver = drive(capacity=2, replicates=2)
    started(driver, "ab")
    driver.lose("a", LOST)
    note = "trial 0 replicate 0 goes on: its worker was lost"
    assert driver.display.events[-1] == ("note", note)
    driver.finish("b", 0.5)
    assert driver.states() == [None]
    assert started(driver, "a") == [(0, 0)]
    driver.finish("a", 0.0)
    assert values(driver)[0] == 0.25


def test_a_trial_that_the_clock_cut_with_too_few_complete_goes_on(drive) -> None:
    driver = drive(capacity=2, minutes=1, replicates=2)
    started(driver, "ab")
    driver.finish("a", 0.5)
    driver.report("b", measurement(10, None))
    driver.clock.now = 61.0
    assert not driver.scheduler.should_end(), "workers save first"
    driver.scheduler.ended("b")
    driver.scheduler.close()
    assert driver.scheduler.cut_short
    assert driver.states() == [None], "half of its replicates do not speak for it"
    assert driver.of_replicates() == ["complete", "stopped"]
    again = drive(capacity=2, replicates=2)
    assert again.states() == [None]
    assert started(again, "b") == [(0, 1)]
    assert again.display.events == [("started", (0, 1), True)]
    again.finish("b", 0.0)
    assert end(again) == (TrialState.COMPLETE, "the training budget was spent")
    assert values(again)[0] == 0.25


def test_most_of_the_replicates_complete_a_trial_that_the_clock_cut(drive) -> None:
    driver = drive(capacity=3, minutes=1, replicates=3)
    started(driver, "abc")
    for key in "ab":
        driver.finish(key, 0.5)
    driver.report("c", measurement(10, None))
    driver.clock.now = 61.0
    assert not driver.scheduler.should_end()
    driver.scheduler.ended("c")
    driver.scheduler.close()
    assert end(driver) == (
        TrialState.COMPLETE,
        "2 of 3 replicates complete: the sweep's time was up",
    )
    assert values(driver)[0] == 0.5
    again = drive(capacity=3, replicates=3)
    assert again.states() == [None]
    assert started(again, "c") == [(0, 2)]


def test_a_replicate_that_never_began_begins_next_time(drive) -> None:
    driver = drive(capacity=1, minutes=1, replicates=2)
    started(driver, "a")
    driver.finish("a", 0.5)
    driver.clock.now = 61.0
    assert driver.scheduler.should_end()
    driver.scheduler.close()
    assert driver.states() == [None]
    again = drive(capacity=1, replicates=2)
    assert started(again, "a") == [(0, 1)]


def test_more_replicates_are_added_to_complete_trials_alone(drive) -> None:
    few = drive(capacity=3, **HALVING)
    started(few, "abc")
    few.report("a", measurement(50, 0.5))
    few.report("b", measurement(50, 0.25))
    few.scheduler.ended("b")
    few.finish("a", 0.5)
    fail(few, "c")
    assert few.states() == ["complete", "stopped", "failed"]
    few.scheduler.close()
    more = drive(capacity=3, replicates=3, **HALVING)
    assert more.states() == [None, "stopped", "failed"]
    assert started(more, "ab") == [(0, 1), (0, 2)]
    assert list(more.search.rungs.table(0.5).values()) == [(0.25,), (0.5,)]
    more.report("a", measurement(50, 0.25))
    assert more.told(0, 1) is Decision.CONTINUE, "0.375 on average, with what is there"
    more.finish("a", 0.25)
    more.finish("b", 0.0)
    assert more.states() == ["complete", "stopped", "failed"]
    assert values(more) == [0.25]
    assert more.folder.trials()[0].record().study_number == 3
    states = [trial.state.name for trial in more.search.study.trials()]
    assert states == ["COMPLETE", "PRUNED", "FAIL", "COMPLETE"]
    assert len(drive(replicates=3, **HALVING).search.jobs) == 0


@pytest.mark.parametrize("several", [1, 3])
def test_a_session_without_work_changes_nothing(drive, several: int) -> None:
    driver = drive(capacity=3, replicates=several)
    for key in "abc"[:several]:
        started(driver, key)
    for key in "abc"[:several]:
        driver.finish(key)
    driver.scheduler.close()
    for _ in range(2):
        again = drive(capacity=3, replicates=several)
        again.scheduler.close()
    assert [trial.state.name for trial in again.search.study.trials()] == ["COMPLETE"]
    assert end(again) == end(driver)


@pytest.mark.parametrize("extends", [True, False])
def test_complete_trials_are_extended_only_where_asked(make_spec, tmp_path, extends) -> None:
    driver = Driver(tmp_path, make_spec(replicates=1), 1)
    driver.start("a")
    driver.finish("a")
    dataset, more = {"fingerprint": "data"}, make_spec(replicates=2)
    search = open_search(driver.folder, more, SHAPE, dataset, extends=lambda paused: extends)
    assert search.jobs.waiting == int(extends)
    assert driver.states() == [None if extends else "complete"]


def test_compute_pays_for_all_replicates_of_a_trial_or_for_none(drive) -> None:
    budget = {"trials": 9, "flops_per_trial": 1e10, "flops": 8e10}
    driver = drive(capacity=9, replicates=3, budget=budget, space={"N": {"low": 1, "high": 9}})
    started = [driver.start(str(number)) for number in range(9)]
    assert [job.record.number for job in started if job] == [0, 0, 0, 1, 1, 1]
    for number in range(6):
        driver.report(str(number), whole(1e10))
        driver.scheduler.ended(str(number))
    assert driver.start("last") is None, "two of three would be paid for"
    assert driver.states() == ["complete", "complete"]


def test_a_confirmation_that_was_interrupted_is_paid_for_once(drive) -> None:
    budget = {"trials": 1, "flops_per_trial": 1e10, "flops": 3e10}
    more = {"confirm": {"top": 1, "replicates": 2}, "budget": budget}
    driver = drive(capacity=1, **more)
    driver.start("a")
    driver.report("a", whole(1e10))
    driver.scheduler.ended("a")
    driver.start("b")
    driver.report("b", part(0.5e10))
    driver.scheduler.interrupt()
    driver.scheduler.close()
    again = drive(capacity=1, **more)
    assert again.budget.spending.total.flops == 1.5e10
    assert again.start("b").replicate.label == "confirm-0"
    again.report("b", whole(1e10))
    assert again.budget.spending.total.flops == 2e10
    again.scheduler.ended("b")
    assert again.start("c").replicate.label == "confirm-1", "which was paid for, too"


def whole(flops: float) -> Any:
    """The last report of a replicate that spent so many FLOPs."""
    last = measurement(TOTAL, 0.5)
    return replace(last, progress=replace(last.progress, training_flops=int(flops)))


def part(flops: float) -> Any:
    """A report in the middle."""
    middle = measurement(TOTAL // 2, None)
    return replace(middle, progress=replace(middle.progress, training_flops=int(flops)))
