"""What runs next, who goes on, when all is over: the driver's decisions without Ray."""

import errno
from dataclasses import replace
from typing import Any

import pytest
from sweep_builders import TOTAL, measurement

from sweep_platform.common.notice import Notice
from sweep_platform.plan.budget import Limit
from sweep_platform.search import scheduler as scheduler_module
from sweep_platform.search.losses import ELSEWHERE_SECONDS, LONGEST_REST, WORKER_RETRIES, Hosts
from sweep_platform.search.stages.live import Place
from sweep_platform.store.messages import Decision, Failure, Fault
from sweep_platform.store.trial import (
    ReplicateFolder,
    TrialFolder,
    TrialState,
)

LOST = Failure(reason="its worker was lost", fault=Fault.WORKER)
HOST_LOST = Failure(reason="its host was lost", fault=Fault.NODE)
NO_MEMORY = Failure(reason="Ray ran out of memory", fault=Fault.MACHINE)
MANY = {"trials": 9, "flops_per_trial": 1e8}


def test_capacity_is_kept_as_it_changes(drive) -> None:
    driver = drive(capacity=2)
    assert driver.start("a")
    assert driver.start("b")
    assert driver.start("c") is None
    assert not driver.scheduler.exhausted
    driver.capacity = 3
    assert driver.start("c")
    assert driver.start("d") is None
    driver.finish("a")
    assert driver.start("d")
    driver.capacity = 0
    assert driver.start("e") is None
    assert not driver.scheduler.exhausted


def test_places_that_are_wanted_are_those_of_the_jobs_left(drive) -> None:
    driver = drive(capacity=1, replicates=2, budget={"trials": 2, "flops_per_trial": 1e8})
    assert driver.scheduler.wanted(points=2) == 4
    assert driver.scheduler.wanted(points=1) == 2, "the space has no more"
    for key, left in (("a", 4), ("b", 3), ("c", 2), ("d", 1)):
        assert driver.start(key)
        assert driver.scheduler.wanted(points=2) == left
        driver.finish(key)
    assert driver.scheduler.wanted(points=2) == 0


def test_no_place_is_wanted_for_what_starts_at_the_next_resume_alone(drive) -> None:
    driver = drive(capacity=1, budget={"trials": 2, "flops_per_trial": 1e8})
    driver.start("a")
    driver.scheduler.interrupt()
    assert driver.scheduler.wanted(points=2) == 1


def test_a_sweep_to_its_end(drive) -> None:
    driver = drive(budget={"trials": 3, "flops_per_trial": 1e8})
    for key in "abc":
        driver.start(key)
        driver.finish(key)
    assert driver.start("d") is None
    assert driver.scheduler.exhausted
    assert not driver.scheduler.should_end()
    driver.scheduler.close()
    assert driver.states() == ["complete"] * 3
    assert driver.display.events[:3] == [
        ("started", 0, False),
        ("measured", 0, TOTAL),
        ("ended", 0, TrialState.COMPLETE),
    ]


def test_the_beaten_stop_at_a_rung(drive) -> None:
    driver = drive(
        objectives=["exact_accuracy"], rungs={"at": [0.5], "minimum": 2, "keep": 0.5}, capacity=3
    )
    for key in "abc":
        driver.start(key)
    driver.report("a", measurement(50, 0.5))
    driver.report("b", measurement(50, 0.25))
    assert (driver.told(0), driver.told(1)) == (Decision.CONTINUE, Decision.STOP)
    driver.scheduler.ended("b")
    stopped = driver.folder.trials()[1].outcome()
    assert stopped.state is TrialState.STOPPED
    assert stopped.reason == "beaten at the rung at 50% of the training budget"
    driver.report("c", measurement(50, 0.75))
    assert driver.told(2) is Decision.CONTINUE
    driver.finish("a")
    driver.finish("c")
    assert driver.states() == ["complete", "stopped", "complete"]


def test_what_a_checkpoint_knows_and_the_folder_lacks_is_recorded_and_judged(drive) -> None:
    """A driver died before it recorded a report; the worker's checkpoint has it."""
    rungs = {"objectives": ["exact_accuracy"], "rungs": {"at": [0.5], "minimum": 2}}
    first = drive(**rungs)
    first.start("a")
    first.report("a", measurement(50, 0.5))
    first.start("b")
    first.report("b", measurement(40, None))
    again = drive(**rungs)
    again.start("a")
    again.start("b")
    again.report("b", measurement(40, None), measurement(50, 0.25))
    steps = [m.progress.step for m in again.first(1).measurements()]
    assert steps == [40, 50], "nothing twice, no gap"
    assert again.display.events[-1] == ("measured", 1, 50)
    assert again.told(1) is Decision.STOP


def test_the_broken_fail(drive) -> None:
    driver = drive()
    driver.start("a")
    driver.report("a", failure=Failure(reason="the loss was nan at step 3"))
    driver.scheduler.ended("a")
    trial = driver.folder.trials()[0]
    assert trial.outcome().state is TrialState.FAILED
    assert trial.outcome().reason == "the loss was nan at step 3"
    assert not driver.first().error.exists()
    assert driver.start("b").record.number == 1


def test_a_traceback_is_kept(drive) -> None:
    driver = drive()
    driver.start("a")
    driver.report("a", failure=Failure(reason="KeyError: 'x'", traceback="Traceback ..."))
    driver.scheduler.ended("a")
    assert driver.first().error.read_text() == "Traceback ..."


def test_the_lost_go_on_but_not_for_ever(drive) -> None:
    driver = drive(capacity=1)
    for _ in range(WORKER_RETRIES):
        assert driver.start("a").record.number == 0
        driver.lose("a", LOST)
    assert driver.states() == [None]
    assert driver.start("a").record.number == 0
    driver.lose("a", LOST)
    outcome = driver.folder.trials()[0].outcome()
    assert outcome.state is TrialState.FAILED
    assert outcome.reason == "its worker was lost, 4 times over"


def test_a_worker_that_returns_early_is_lost(drive) -> None:
    """Only a report of the last step makes a trial complete."""
    driver = drive()
    driver.start("a")
    driver.report("a", measurement(TOTAL - 1))
    driver.scheduler.ended("a")
    assert driver.states() == [None]
    driver.clock.now += 1.0
    assert driver.start("b").record.number == 0


def test_the_last_trial_may_still_be_lost(drive) -> None:
    """No session is over while a trial runs: its worker may die, and it has to go on."""
    driver = drive(capacity=9)
    keys = [str(number) for number in range(9)]
    started = [key for key in keys if driver.start(key) is not None]
    assert driver.start("x") is None
    assert not driver.scheduler.exhausted
    driver.lose(started[-1], LOST)
    assert driver.start("again").record.number == len(started) - 1


def test_interrupted_trials_pause_and_go_first_next_time(drive) -> None:
    driver = drive()
    driver.start("a")
    driver.start("b")
    driver.report("a")
    driver.report("b", measurement(10, None))
    driver.scheduler.interrupt()
    assert not driver.scheduler.should_end(), "workers save first"
    assert driver.told(0) is driver.told(1) is Decision.PAUSE
    assert driver.start("c") is None
    driver.scheduler.ended("a")
    driver.scheduler.ended("b")
    assert driver.scheduler.should_end()
    driver.scheduler.close()
    assert driver.states() == ["paused", "paused"]
    again = drive()
    assert again.start("a").record.number == 0
    assert again.start("b").record.number == 1
    assert again.states() == [None, None], "they run"
    assert again.told(0) is Decision.CONTINUE
    assert again.display.events == [("started", 0, False), ("started", 1, True)]
    again.finish("a")
    assert again.states() == ["complete", None]


def test_nobody_waits_for_a_worker_that_has_not_begun(drive) -> None:
    driver = drive()
    driver.start("a")
    driver.scheduler.interrupt()
    assert driver.scheduler.should_end()
    driver.scheduler.close()
    assert driver.states() == [None]


def test_a_worker_that_does_not_end_is_not_waited_for_for_ever(drive, monkeypatch) -> None:
    monkeypatch.setattr(scheduler_module, "GRACE_SECONDS", 0.0)
    driver = drive()
    driver.start("a")
    driver.report("a", measurement(10, None))
    driver.scheduler.interrupt()
    assert driver.scheduler.should_end()


def test_an_interruption_outweighs_the_clock(drive) -> None:
    driver = drive(minutes=1)
    driver.start("a")
    driver.report("a", measurement(10, None))
    driver.scheduler.interrupt()
    driver.clock.now = 61.0
    driver.scheduler.should_end()
    driver.scheduler.close()
    assert driver.told(0) is Decision.PAUSE
    assert driver.states() == [None]


def test_the_clock_stops_what_runs(drive) -> None:
    driver = drive(minutes=1)
    driver.start("a")
    driver.start("b")
    driver.report("a", measurement(10, None))
    assert not driver.scheduler.should_end()
    driver.clock.now = 61.0
    assert not driver.scheduler.should_end(), "workers save first"
    assert driver.told(0) is driver.told(1) is Decision.STOP
    assert driver.start("c") is None
    driver.scheduler.ended("a")
    assert driver.scheduler.should_end()
    driver.scheduler.close()
    assert driver.states() == ["stopped", "stopped"]
    outcome = driver.folder.trials()[0].outcome()
    assert outcome.reason == "the sweep's time was up"
    assert driver.scheduler.cut_short
    assert driver.display.events[-1] == ("ended", 1, TrialState.STOPPED)


def test_a_trial_that_ends_while_it_is_stopped_is_complete(drive) -> None:
    driver = drive(minutes=1)
    driver.start("a")
    driver.report("a", measurement(99, None))
    driver.clock.now = 61.0
    driver.scheduler.should_end()
    driver.finish("a")
    assert driver.states() == ["complete"]
    assert not driver.scheduler.cut_short


def test_no_trial_starts_that_would_not_end_in_time(drive) -> None:
    driver = drive(minutes=20, space={"N": {"low": 1, "high": 9}}, budget=MANY)
    for key, seconds in zip("abcde", (10.0, 10.0, 10.0, 2000.0, 2000.0), strict=True):
        assert driver.start(key)
        driver.finish(key, seconds=seconds)
    assert driver.start("f"), "the usual trial takes 10 s"
    driver.finish("f", seconds=3000.0)
    assert driver.start("g"), "the usual trial takes 1005 s"
    driver.finish("g", seconds=3000.0)
    assert driver.start("h") is None, "the usual trial takes 2000 s"
    assert driver.scheduler.exhausted


OF_THREE = {"trials": 9, "flops_per_trial": 1e10, "flops": 3e10}
"""A budget of nine trials that pays for three."""


def test_no_trial_starts_that_is_not_paid_for_beside_those_that_run(drive) -> None:
    driver = drive(capacity=9, budget=OF_THREE, space={"N": {"low": 1, "high": 9}})
    assert [bool(driver.start(key)) for key in "abcd"] == [True, True, True, False]
    assert not driver.scheduler.exhausted, "what runs may end early"
    assert driver.scheduler.short_of is Limit.FLOPS
    driver.finish("a")  # of which little was spent
    assert driver.start("e")
    assert driver.start("f") is None


def test_what_was_paid_for_goes_on_at_resume(drive) -> None:
    space = {"N": {"low": 1, "high": 9}}
    driver = drive(capacity=9, budget=OF_THREE, space=space)
    for key in "abc":
        driver.start(key)
        driver.report(key, measurement(10, None))
    driver.scheduler.interrupt()
    driver.scheduler.close()
    again = drive(capacity=9, budget=OF_THREE, space=space)
    assert [again.start(key).record.number for key in "abc"] == [0, 1, 2]
    assert again.start("d") is None
    for key in "abc":
        again.finish(key)
    assert again.states() == ["complete"] * 3


def test_compute_that_is_spent_stops_what_runs(drive) -> None:
    driver = drive(capacity=2, budget=OF_THREE, space={"N": {"low": 1, "high": 9}})
    driver.start("a")
    within = measurement(10, None)
    spent = replace(within.progress, training_flops=4 * 10**10)
    driver.report("a", replace(within, progress=spent))
    driver.scheduler.should_end()
    assert driver.told(0) is Decision.STOP
    driver.scheduler.ended("a")
    assert driver.folder.trials()[0].outcome().reason == Limit.FLOPS.words
    assert driver.scheduler.cut_short
    assert driver.scheduler.short_of is Limit.FLOPS


def test_what_waits_when_no_time_is_left_ends_too(drive) -> None:
    driver = drive()
    driver.start("a")
    driver.finish("a", seconds=2000.0)
    driver.start("b")
    driver.scheduler.interrupt()
    driver.scheduler.close()
    again = drive(minutes=20)
    assert again.start("b") is None
    assert again.scheduler.exhausted
    again.scheduler.close()
    assert again.states() == ["complete", "stopped"]
    assert len(drive().search.jobs) == 0


def test_no_time_at_all_starts_nothing(drive) -> None:
    driver = drive(minutes=0)
    assert driver.start("a") is None
    assert driver.scheduler.exhausted
    assert driver.folder.trials() == []


def test_trials_whose_workers_are_all_gone_go_on_until_the_session_ends(drive) -> None:
    """Which of them took the memory nobody knows: none has failed."""
    driver = drive(capacity=2)
    for _ in range(WORKER_RETRIES):
        assert {driver.start(key).record.number for key in "ab"} == {0, 1}
        driver.scheduler.all_lost(NO_MEMORY)
        driver.clock.now += LONGEST_REST
        assert not driver.scheduler.interrupted
    driver.start("a")
    driver.scheduler.all_lost(NO_MEMORY)
    assert driver.scheduler.interrupted
    assert driver.states() == [None, None]
    assert drive().start("a").record.number == 0


def test_a_trial_whose_hosts_are_lost_again_and_again_has_not_failed(drive) -> None:
    driver = drive(capacity=1)
    for _ in range(WORKER_RETRIES + 1):
        assert not driver.scheduler.interrupted
        driver.start("a")
        driver.lose("a", NO_MEMORY)
    assert driver.scheduler.interrupted
    assert driver.states() == [None]
    assert drive().start("a").record.number == 0


GONE = Failure(reason="its host was lost", fault=Fault.NODE)
LACKS = Failure(reason="/data is not there", fault=Fault.MACHINE)
HERE, THERE = Place("1", "here"), Place("2", "there")


def notes(driver: Any) -> list[str]:
    return [event[1] for event in driver.display.events if event[0] == "note"]


def test_nodes_may_be_lost_without_end(drive) -> None:
    driver = drive(capacity=1)
    for _ in range(5 * WORKER_RETRIES):
        assert driver.start("a").record.number == 0
        driver.lose("a", GONE)
    assert driver.states() == [None]
    assert not driver.scheduler.interrupted


def test_all_nodes_may_be_lost_at_once_without_end(drive) -> None:
    driver = drive(capacity=2)
    for _ in range(5 * WORKER_RETRIES):
        assert {driver.start(key).record.number for key in "ab"} == {0, 1}
        driver.scheduler.all_lost(GONE)
        driver.clock.now += LONGEST_REST
    assert not driver.scheduler.interrupted


def test_what_is_lost_again_and_again_rests_ever_longer(drive) -> None:
    driver = drive(capacity=1, budget={"trials": 1, "flops_per_trial": 1e8})
    rests = []
    for _ in range(8):
        assert driver.start("a")
        driver.scheduler.ended("a", lost=GONE)
        began = driver.clock.now
        while driver.start("b") is None:
            assert not driver.scheduler.exhausted
            driver.clock.now += 1.0
        rests.append(driver.clock.now - began)
        driver.lose("b", GONE)
    assert rests == sorted(rests)
    assert (rests[0], rests[-1]) == (1.0, LONGEST_REST)
    driver.start("a")
    driver.report("a", measurement(10, None))
    driver.scheduler.ended("a", lost=GONE)
    driver.clock.now += 1.0
    assert driver.start("b"), "it had come further"


def test_other_jobs_run_while_one_rests(drive) -> None:
    driver = drive(capacity=1)
    driver.start("a")
    driver.scheduler.ended("a", lost=GONE)
    assert driver.start("b").record.number == 1
    driver.finish("b")
    driver.clock.now += 1.0
    assert driver.start("c").record.number == 0


def test_what_rests_at_the_end_goes_on_at_resume(drive) -> None:
    driver = drive(capacity=1)
    driver.start("a")
    driver.scheduler.ended("a", lost=GONE)
    driver.scheduler.interrupt()
    driver.scheduler.close()
    assert drive().start("a").record.number == 0


def test_a_resting_replicate_of_a_pruned_trial_ends(drive) -> None:
    driver = drive(
        objectives=["exact_accuracy"],
        rungs={"at": [0.5], "minimum": 2, "keep": 0.5},
        replicates=2,
        capacity=4,
    )
    for key in "abcd":
        driver.start(key)
    driver.report("a", measurement(50, 0.9))
    driver.report("b", measurement(50, 0.9))
    driver.report("c", measurement(50, 0.1))
    driver.report("d", measurement(40, None))
    driver.scheduler.ended("d", lost=GONE)
    assert driver.told(1) is Decision.STOP
    driver.scheduler.ended("c")
    assert driver.of_replicates(1) == ["stopped", "stopped"]
    assert driver.states()[1] == "stopped"


def test_a_job_leaves_a_host_that_lacks_something(drive) -> None:
    driver = drive(capacity=2)
    driver.hosts = Hosts({"1": "here", "2": "there"})
    driver.start("a")
    driver.scheduler.placed("a", HERE)
    driver.report("a", failure=LACKS)
    driver.lose("a", LOST)
    assert not driver.scheduler.interrupted
    assert driver.start("b").record.number == 0
    assert driver.scheduler.shunned("b") == {"1"}
    driver.start("c")
    assert driver.scheduler.shunned("c") == frozenset(), "others may be placed there"


def test_a_lost_job_that_waits_for_another_node_takes_its_own_after_a_while(drive) -> None:
    driver = drive(capacity=1)
    driver.hosts = Hosts({"1": "here", "2": "there"})
    driver.start("a")
    driver.scheduler.placed("a", HERE)
    driver.lose("a", LOST)
    driver.start("b")
    assert driver.scheduler.shunned("b") == {"1"}
    assert not driver.scheduler.misplaced("b")
    driver.clock.now += ELSEWHERE_SECONDS
    assert driver.scheduler.misplaced("b"), "the other node may be taken for hours"
    assert driver.start("c").record.number == 0
    assert driver.scheduler.shunned("c") == frozenset()


def test_a_node_is_avoided_and_said_once(drive) -> None:
    driver = drive(capacity=2, budget=MANY, space={"N": {"low": 1, "high": 9}})
    driver.hosts = Hosts({"1": "here", "2": "there"})
    for key in "ab":
        driver.start(key)
        driver.scheduler.placed(key, HERE)
    for key in "ab":
        driver.report(key, failure=LACKS)
        driver.lose(key, LOST)
    assert not driver.scheduler.interrupted
    for key in "abc":
        driver.capacity = 3
        driver.start(key)
        assert driver.scheduler.shunned(key) == {"1"}
    said = [note for note in notes(driver) if "any more" in note]
    assert said == ["nothing is placed on host here any more: /data is not there"]
    driver.scheduler.placed("c", THERE)
    driver.report("c", failure=LACKS)
    assert driver.scheduler.interrupted, "no other node is left"


def test_a_job_that_waits_for_a_node_that_left_gets_another_place(drive) -> None:
    driver = drive(capacity=1)
    driver.hosts = Hosts({"1": "here", "2": "there"})
    driver.start("a")
    driver.scheduler.placed("a", HERE)
    driver.report("a", failure=LACKS)
    driver.lose("a", LOST)
    driver.start("b")
    assert not driver.scheduler.misplaced("b")
    driver.hosts = Hosts({"1": "here"})
    assert driver.scheduler.misplaced("b")
    driver.scheduler.ended("b")  # Ray tells of the one that it withdrew
    assert driver.start("c").record.number == 0
    assert driver.scheduler.shunned("c") == frozenset()
    driver.scheduler.placed("c", HERE)
    driver.hosts = Hosts({"1": "here", "2": "there"})
    assert not driver.scheduler.misplaced("c"), "it has its place"


@pytest.mark.parametrize("lost", [None, LOST, GONE])
def test_what_runs_on_a_node_that_leaves_goes_elsewhere_at_once(drive, lost: Any) -> None:
    """Its worker ends with an error, which keeps Ray from handing it another job."""
    driver = drive(capacity=2)
    driver.hosts = Hosts({"1": "here", "2": "there"})
    for key, place in (("a", HERE), ("b", THERE)):
        driver.start(key)
        driver.scheduler.placed(key, place)
    for _ in range(2 * WORKER_RETRIES):
        driver.hosts = Hosts({"2": "there"}, frozenset({"1"}))
        assert not driver.scheduler.should_end()
        assert (driver.told(0), driver.told(1)) == (Decision.LEAVE, Decision.CONTINUE)
        driver.scheduler.ended("a", lost=lost)
        assert notes(driver)[-1] == "trial 0 goes on: host here is about to leave"
        driver.hosts = Hosts({"1": "here", "2": "there"})
        assert driver.start("a").record.number == 0, "it does not rest"
        driver.scheduler.placed("a", HERE)
    assert driver.states() == [None, None]


def test_what_was_done_on_a_node_that_leaves_is_complete(drive) -> None:
    driver = drive()
    driver.start("a")
    driver.scheduler.placed("a", HERE)
    driver.hosts = Hosts({}, frozenset({"1"}))
    driver.scheduler.should_end()
    driver.finish("a")
    assert driver.states() == ["complete"]


def test_a_silent_worker_is_ended_and_counts_as_one_that_ended_by_itself(drive) -> None:
    driver = drive(capacity=2)
    for key in "ab":
        driver.start(key)
    driver.scheduler.placed("a", None)
    driver.clock.now += 500.0
    assert driver.scheduler.silent() == []
    driver.clock.now += 101.0
    assert driver.scheduler.silent() == ["a"], "the other one has no place yet"
    assert driver.scheduler.silent() == [], "each once"
    driver.lose("a", LOST)
    assert "showed no sign of life for 10 min" in notes(driver)[-1]
    for _ in range(WORKER_RETRIES):
        assert driver.start("a").record.number == 0
        driver.scheduler.placed("a", None)
        driver.clock.now += 601.0
        assert driver.scheduler.silent() == ["a"]
        driver.lose("a", LOST)
    assert driver.states()[0] == "failed"


def test_reports_and_pulses_are_signs_of_life(drive) -> None:
    driver = drive(capacity=1)
    job = driver.start("a")
    driver.scheduler.placed("a", None)
    for step in range(1, 9):
        driver.clock.now += 500.0
        if step % 2:
            driver.report("a", measurement(step, None))
        else:
            driver.pulses[job.key] = f"beat {step}"
        assert driver.scheduler.silent() == []
    driver.clock.now += 601.0
    assert driver.scheduler.silent() == ["a"], "the last pulse is an old one by now"


def test_what_every_trial_warns_of_is_said_once(drive) -> None:
    driver = drive()
    driver.start("a")
    for _ in range(2):
        driver.report("a", warnings=(Notice("there is no compiler"),))
    assert driver.display.events[1:] == [("note", "there is no compiler")]


def test_of_one_matter_the_first_sentence_is_said(drive) -> None:
    """Why a storage is away may be told in other words at every try."""
    driver = drive()
    driver.start("a")
    for reason in ("while reading key 1", "while reading key 2"):
        driver.report("a", warnings=(Notice(f"it is away ({reason})", "the storage"),))
    assert driver.display.events[1:] == [("note", "it is away (while reading key 1)")]


def test_what_a_trial_reported_outweighs_the_loss_of_all_workers(drive) -> None:
    driver = drive(capacity=3)
    for key in "abc":
        driver.start(key)
    driver.report("a", measurement(TOTAL, 0.5))
    driver.report("b", failure=Failure(reason="the loss was nan"))
    driver.scheduler.all_lost(NO_MEMORY)
    assert driver.states() == ["complete", "failed", None]


def test_a_trial_that_was_done_when_time_was_up_is_complete(drive, monkeypatch) -> None:
    monkeypatch.setattr(scheduler_module, "GRACE_SECONDS", 0.0)
    driver = drive(minutes=1)
    driver.start("a")
    driver.report("a", measurement(TOTAL, 0.5))
    driver.clock.now = 61.0
    assert driver.scheduler.should_end()
    driver.scheduler.close()
    assert driver.states() == ["complete"]


def test_the_last_report_is_no_end_where_the_last_checkpoint_may_not_be_stored(drive) -> None:
    driver = drive(capacity=1, stores=True)
    driver.start("a")
    driver.report("a", measurement(TOTAL, 0.5))
    driver.lose("a", HOST_LOST)
    assert driver.states() == [None]
    assert driver.start("b").record.number == 0
    driver.report("b", measurement(TOTAL, 0.5))
    driver.scheduler.all_lost(NO_MEMORY)
    assert driver.states() == [None]
    driver.clock.now += LONGEST_REST
    assert driver.start("c").record.number == 0
    driver.finish("c")
    assert driver.states() == ["complete"]


def test_a_worker_that_never_stores_its_last_checkpoint_has_measured_all_the_same(drive) -> None:
    driver = drive(capacity=1, stores=True)
    for _ in range(WORKER_RETRIES + 1):
        assert driver.start("a").record.number == 0
        driver.report("a", measurement(TOTAL, 0.5))
        driver.lose("a", LOST)
    assert driver.states() == ["complete"]


@pytest.mark.parametrize(("minutes", "state"), [(None, None), (1, "complete")])
def test_what_is_not_stored_when_the_session_ends_goes_on_while_there_is_time(
    drive, monkeypatch, minutes: float | None, state: str | None
) -> None:
    monkeypatch.setattr(scheduler_module, "GRACE_SECONDS", 0.0)
    driver = drive(stores=True, minutes=minutes)
    driver.start("a")
    driver.report("a", measurement(TOTAL, 0.5))
    driver.clock.now = 61.0
    if minutes is None:
        driver.scheduler.interrupt()
    assert driver.scheduler.should_end()
    driver.scheduler.close()
    assert driver.states() == [state]


def test_one_that_waits_to_store_is_complete_when_no_time_is_left(drive) -> None:
    driver = drive(capacity=1, stores=True, minutes=1)
    driver.start("a")
    driver.report("a", measurement(TOTAL, 0.5))
    driver.lose("a", HOST_LOST)
    driver.clock.now = 61.0
    assert driver.start("b") is None
    driver.scheduler.close()
    assert driver.states() == ["complete"]


def test_decisions_are_forgotten_when_a_trial_ends(drive) -> None:
    driver = drive()
    driver.start("a")
    driver.scheduler.interrupt()
    driver.scheduler.should_end()
    assert driver.told(0) is Decision.PAUSE
    driver.scheduler.ended("a")
    assert driver.told(0) is Decision.CONTINUE


def test_a_full_disk_loses_a_traceback_and_nothing_else(drive, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    driver = drive()
    driver.start("a")
    monkeypatch.setattr(ReplicateFolder, "write_error", full)
    driver.report("a", failure=Failure(reason="KeyError: 'x'", traceback="Traceback ..."))
    driver.scheduler.ended("a")
    assert driver.states() == ["failed"]


def test_a_machine_at_fault_halts_the_session_and_counts_against_no_trial(drive) -> None:
    driver = drive()
    driver.start("a")
    driver.start("b")
    driver.report("b", measurement(10, None))
    driver.report("a", failure=Failure(reason="/disk: No space left", fault=Fault.MACHINE))
    driver.scheduler.ended("a")
    assert not driver.scheduler.should_end(), "the other one saves first"
    assert driver.told(1) is Decision.PAUSE
    driver.scheduler.ended("b")
    assert driver.scheduler.should_end()
    driver.scheduler.close()
    assert driver.states() == ["paused", "paused"]
    assert driver.scheduler.interrupted
    notes = [event[1] for event in driver.display.events if event[0] == "note"]
    assert notes == ["the session ends, and --resume goes on: /disk: No space left"]
    again = drive()
    assert [again.start(key).record.number for key in "ab"] == [0, 1]


@pytest.mark.parametrize("what", ["append", "end"])
def test_records_that_the_disk_does_not_take_are_made_up_for_at_resume(
    drive, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    driver = drive()
    driver.start("a")

    def full(*arguments: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device", "metrics.jsonl")

    with monkeypatch.context() as patched:
        patched.setattr(ReplicateFolder, what, full)
        driver.finish("a")
    assert driver.scheduler.interrupted
    assert driver.states() == [None]
    again = drive()
    assert again.start("a").record.number == 0
    again.finish("a")
    assert again.states() == ["complete"]


def test_the_end_of_a_trial_that_the_disk_does_not_take_is_made_up_for_at_resume(
    drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = drive()
    driver.start("a")

    def full(*arguments: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device", "outcome.json")

    with monkeypatch.context() as patched:
        patched.setattr(TrialFolder, "end", full)
        driver.finish("a")
    assert driver.scheduler.interrupted
    assert (driver.states(), driver.of_replicates()) == ([None], ["complete"])
    again = drive()
    assert again.states() == ["complete"]
    assert again.start("a").record.number == 1


def test_what_is_waited_for_is_said(drive) -> None:
    driver = drive()
    driver.start("a")
    for now in (20.0, 31.0, 40.0):
        driver.clock.now = now
        assert not driver.scheduler.should_end()
    notes = [event[1] for event in driver.display.events if event[0] == "note"]
    assert len(notes) == 1
    assert notes[0].startswith("nothing runs: Ray has no place yet for a trial's")
    driver.report("a", measurement(10, None))
    driver.clock.now = 100.0
    assert not driver.scheduler.should_end()
    assert len([event for event in driver.display.events if event[0] == "note"]) == 1


def test_that_no_host_has_a_place_is_said(drive) -> None:
    driver = drive(capacity=0)
    assert driver.start("a") is None
    driver.clock.now = 31.0
    assert not driver.scheduler.should_end()
    [(_, note)] = driver.display.events
    assert note.startswith("nothing runs: Ray has no place yet")


def test_a_lost_trial_is_said_to_go_on(drive) -> None:
    driver = drive()
    driver.start("a")
    driver.lose("a", LOST)
    assert driver.display.events[-1] == ("note", "trial 0 goes on: its worker was lost")
