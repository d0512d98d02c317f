"""A session that is steered: each message is answered, carried out, or refused with a reason."""

from dataclasses import replace
from typing import Any

import pytest
from sweep_builders import TOTAL, measurement

from sweep_platform.search.stages.settling import SPENT
from sweep_platform.search.steering.extending import extension
from sweep_platform.store.messages import Decision, Failure, Fault
from sweep_platform.store.steering.messages import Verb
from sweep_platform.store.trial import TrialState

RUNGS = {"at": [0.5], "minimum": 2, "keep": 0.5}
LOST = Failure(reason="its worker was lost", fault=Fault.WORKER)


def beaten(drive: Any, **changes: Any) -> Any:
    """A session whose trial 1 was stopped at a rung."""
    driver = drive(objectives=["exact_accuracy"], rungs=RUNGS, capacity=2, **changes)
    driver.start("a")
    driver.start("b")
    driver.report("a", measurement(50, 0.5))
    driver.report("b", measurement(50, 0.25))
    driver.scheduler.ended("b")
    assert driver.states() == [None, "stopped"]
    return driver


def test_a_trial_that_runs_is_stopped(drive: Any) -> None:
    driver = drive()
    driver.start("a")
    driver.start("b")
    driver.report("a", measurement(10, None))
    assert driver.ask(Verb.STOP, trial=0).accepted
    assert (driver.told(0), driver.told(1)) == (Decision.STOP, Decision.CONTINUE)
    again = driver.ask(Verb.STOP, trial=0)
    assert not again.accepted, "it is being stopped"
    driver.scheduler.ended("a")
    end = driver.folder.trials()[0].outcome()
    assert end.state is TrialState.STOPPED
    assert end.reason.startswith("stopped by ")
    assert not driver.ask(Verb.STOP, trial=0).accepted, "it is over"
    assert not driver.ask(Verb.STOP, trial=9).accepted, "there is none"
    driver.finish("b")
    assert driver.states()[:2] == ["stopped", "complete"]


def test_replicates_that_wait_are_dropped(drive: Any) -> None:
    driver = drive(capacity=1, replicates=3)
    driver.start("a")
    driver.finish("a")
    driver.start("b")
    assert driver.ask(Verb.STOP, trial=0).accepted
    driver.scheduler.ended("b")
    assert driver.of_replicates(0) == ["complete", "stopped"]
    assert driver.states()[0] == "stopped"
    assert driver.start("c").record.number == 1


def test_a_trial_of_which_nothing_runs_is_stopped_at_once(drive: Any) -> None:
    driver = drive(capacity=1)
    driver.start("a")
    driver.ask(Verb.PAUSE)
    driver.scheduler.ended("a")
    assert driver.states() == ["paused"]
    assert driver.ask(Verb.STOP, trial=0).accepted
    assert driver.states() == ["stopped"]


def test_a_job_that_was_to_pause_is_stopped_all_the_same(drive: Any) -> None:
    driver = drive(capacity=1)
    driver.start("a")
    driver.ask(Verb.PAUSE)
    driver.ask(Verb.STOP, trial=0)
    driver.scheduler.ended("a")
    assert driver.states() == ["stopped"]


def test_what_is_done_before_it_can_be_stopped_is_complete(drive: Any) -> None:
    driver = drive(capacity=1)
    driver.start("a")
    driver.ask(Verb.STOP, trial=0)
    driver.finish("a")
    end = driver.folder.trials()[0].outcome()
    assert (end.state, end.reason) == (TrialState.COMPLETE, SPENT)


def test_a_lost_job_that_rests_is_stopped(drive: Any) -> None:
    driver = drive(capacity=1)
    driver.start("a")
    driver.scheduler.ended("a", lost=LOST)
    assert driver.ask(Verb.STOP, trial=0).accepted
    assert driver.states() == ["stopped"]
    assert driver.start("b").record.number == 1


def test_a_stopped_candidate_leaves_its_point_to_the_others(drive: Any) -> None:
    space = {"N": {"choices": [1, 2]}, "learning_rate": {"choices": [1e-4, 1e-3]}}
    driver = drive(capacity=2, space=space, nuisance=["learning_rate"])
    driver.start("a")
    driver.start("b")
    assert driver.ask(Verb.STOP, trial=0).accepted
    driver.scheduler.ended("a")
    driver.finish("b")
    assert driver.states()[:2] == ["stopped", None]
    job = driver.start("c")
    assert (job.record.number, job.replicate.label) == (1, "measure-0")


def test_a_paused_sweep_starts_nothing_and_goes_on(drive: Any) -> None:
    driver = drive(capacity=2)
    driver.start("a")
    driver.start("b")
    driver.report("a", measurement(10, None))
    assert driver.ask(Verb.PAUSE).accepted
    assert driver.told(0) is driver.told(1) is Decision.PAUSE
    assert not driver.ask(Verb.PAUSE).accepted
    for key in "ab":
        driver.scheduler.ended(key)
    assert driver.states() == ["paused", "paused"]
    assert driver.start("c") is None
    assert not driver.scheduler.exhausted, "the driver stays"
    assert driver.scheduler.wanted(6) == 0
    assert not driver.scheduler.should_end()
    assert driver.ask(Verb.RESUME).accepted
    assert not driver.ask(Verb.RESUME).accepted
    assert {driver.start("d").record.number, driver.start("e").record.number} == {0, 1}
    assert driver.told(0) is Decision.CONTINUE


def test_the_time_stands_still_while_the_sweep_is_paused(drive: Any) -> None:
    driver = drive(capacity=1, minutes=10)
    driver.clock.now += 60
    driver.ask(Verb.PAUSE)
    driver.clock.now += 6000
    assert driver.budget.seconds == 60
    assert not driver.scheduler.should_end()
    driver.ask(Verb.RESUME)
    driver.clock.now += 30
    assert driver.budget.seconds == 90


def test_a_paused_session_can_be_interrupted(drive: Any) -> None:
    driver = drive(capacity=1)
    driver.ask(Verb.PAUSE)
    driver.scheduler.interrupt()
    assert driver.start("a") is None
    assert driver.scheduler.exhausted


def test_a_pause_outlasts_the_driver(drive: Any) -> None:
    drive().ask(Verb.PAUSE)
    driver = drive()
    driver.steering.begin()
    assert driver.start("a") is None
    driver = drive()
    driver.steering.begin("by --resume")
    assert driver.start("a")
    assert [one.message.verb for one in driver.folder.messages.history()] == ["pause", "resume"]


def test_a_configuration_is_added_and_comes_next(drive: Any) -> None:
    driver = drive(capacity=1)
    driver.start("a")
    answer = driver.ask(Verb.ADD, N=2, T=3)
    assert answer.accepted
    driver.finish("a")
    job = driver.start("b")
    assert job.record.parameters == {"N": 2, "T": 3}
    assert driver.budget.trials == 2
    refused = driver.ask(Verb.ADD, N=2, T=3)
    assert not refused.accepted, "it has been tried"


def test_open_knobs_are_drawn(drive: Any) -> None:
    driver = drive(capacity=1)
    for _ in range(3):
        assert driver.ask(Verb.ADD, N=2).accepted
    found = [trial.record().parameters for trial in driver.folder.trials()]
    assert sorted(one["T"] for one in found) == [1, 2, 3]
    assert {one["N"] for one in found} == {2}
    assert not driver.ask(Verb.ADD, N=2).accepted, "all of them have been tried"


@pytest.mark.parametrize(
    "arguments",
    [{}, {"depth": 3}, {"N": 3}, {"N": True}, {"T": 2.5}, {"T": 4}, {"N": 2, "T": 2}],
)
def test_what_is_no_point_of_the_space_is_refused(drive: Any, arguments: dict[str, Any]) -> None:
    driver = drive(capacity=1, constraints=["N * T <= 3"])
    answer = driver.ask(Verb.ADD, **arguments)
    assert not answer.accepted
    assert driver.folder.trials() == []


def test_a_value_is_the_spaces_own(drive: Any) -> None:
    driver = drive(capacity=1)
    assert driver.ask(Verb.ADD, N=2.0, T=1).accepted
    [trial] = driver.folder.trials()
    assert type(trial.record().parameters["N"]) is int


def test_nothing_is_added_beyond_the_budget(drive: Any) -> None:
    driver = drive(capacity=1, budget={"trials": 1, "flops_per_trial": 1e8})
    driver.start("a")
    assert not driver.ask(Verb.ADD, N=2, T=3).accepted
    assert driver.ask(Verb.EXTEND, trials="+1").accepted
    assert driver.ask(Verb.ADD, N=2, T=3).accepted


def test_an_extension_counts_while_the_sweep_runs_and_later(drive: Any) -> None:
    driver = drive(capacity=2, budget={"trials": 1, "flops_per_trial": 1e8})
    driver.start("a")
    assert driver.start("b") is None
    answer = driver.ask(Verb.EXTEND, trials="+2")
    assert answer.settled == {"trials": 3}
    assert driver.start("b")
    assert driver.folder.record().spec["budget"]["trials"] == 3
    assert not driver.ask(Verb.EXTEND, trials=3).accepted
    assert driver.ask(Verb.EXTEND, trials=4).settled == {"trials": 4}


def test_compute_is_extended_like_trials(drive: Any) -> None:
    limits = {"trials": 9, "flops_per_trial": 1e10, "flops": 1e10}
    driver = drive(capacity=2, budget=limits, space={"N": {"low": 1, "high": 9}})
    record = driver.folder.record()
    driver.folder.create(replace(record, spec={**record.spec, "budget": limits}))
    assert driver.start("a")
    assert driver.start("b") is None, "it could not be paid for"
    assert driver.ask(Verb.EXTEND, flops="+1e10").settled == {"flops": 2e10}
    assert driver.start("b")
    assert driver.start("c") is None
    assert driver.folder.record().spec["budget"]["flops"] == 2e10


def test_an_extension_that_comes_last_brings_work(drive: Any) -> None:
    driver = drive(capacity=1, budget={"trials": 1, "flops_per_trial": 1e8})
    driver.start("a")
    driver.finish("a")
    assert driver.start("b") is None
    assert driver.scheduler.exhausted
    assert driver.ask(Verb.EXTEND, trials="+1").accepted
    assert not driver.scheduler.exhausted
    assert driver.start("c")


def test_time_that_is_extended_after_it_was_up_ends_in_good_order_again(drive: Any) -> None:
    driver = drive(capacity=1, minutes=10)
    driver.start("a")
    driver.report("a", measurement(10, None))
    driver.clock.now += 601
    assert not driver.scheduler.should_end()
    assert driver.told(0) is Decision.STOP
    assert driver.ask(Verb.EXTEND, minutes="+10").accepted
    assert not driver.scheduler.should_end()
    driver.scheduler.ended("a")
    driver.start("b")
    driver.report("b", measurement(10, None))
    driver.clock.now += 600
    assert not driver.scheduler.should_end(), "what runs has time to save"
    assert driver.told(1) is Decision.STOP


@pytest.mark.parametrize(
    "arguments",
    [{}, {"trials": "many"}, {"trials": -1}, {"trials": "+0"}, {"minutes": 9}, {"flops": 1e9}],
)
def test_what_raises_nothing_is_refused(drive: Any, arguments: dict[str, Any]) -> None:
    assert not drive(minutes=10).ask(Verb.EXTEND, **arguments).accepted


def test_no_extension_goes_beyond_the_space(make_spec: Any) -> None:
    spec = make_spec()
    assert extension(spec, 7, {"trials": 9}) == {"trials": 9}
    with pytest.raises(ValueError, match="all planned already"):
        extension(spec, 6, {"trials": 9})


def test_a_beaten_trial_is_promoted(drive: Any) -> None:
    driver = beaten(drive)
    assert driver.ask(Verb.PROMOTE, trial=1).accepted
    job = driver.start("c")
    assert job.record.number == 1
    driver.report("c", measurement(50, 0.25))
    assert driver.told(1) is Decision.CONTINUE, "no rung stops it"
    driver.finish("c", 0.3)
    assert driver.states()[1] == "complete"
    study = driver.search.study
    record = driver.folder.trials()[1].record()
    told = study.trials()[record.study_number]
    assert (told.state.name, told.values) == ("COMPLETE", [0.3])
    assert not driver.ask(Verb.PROMOTE, trial=1).accepted, "it is complete"
    assert set(driver.search.rungs.table(0.5)) == {0, record.study_number}


def test_a_trial_that_is_about_to_stop_is_not_promoted_yet(drive: Any) -> None:
    driver = drive(objectives=["exact_accuracy"], rungs=RUNGS, capacity=2)
    driver.start("a")
    driver.start("b")
    driver.report("a", measurement(50, 0.5))
    driver.report("b", measurement(50, 0.25))
    assert driver.told(1) is Decision.STOP
    assert not driver.ask(Verb.PROMOTE, trial=1).accepted
    driver.scheduler.ended("b")
    assert driver.ask(Verb.PROMOTE, trial=1).accepted


def test_what_a_promoted_trial_spent_is_paid_for_once(drive: Any) -> None:
    driver = beaten(drive)
    assert driver.budget.spending.total.flops == 100
    assert driver.ask(Verb.PROMOTE, trial=1).accepted
    driver.start("c")
    driver.report("c", measurement(50, 0.25))
    assert driver.budget.spending.total.flops == 100
    driver.finish("c")
    assert driver.budget.spending.total.flops == 150


def test_a_running_trial_is_kept_from_rungs(drive: Any) -> None:
    driver = drive(objectives=["exact_accuracy"], rungs=RUNGS, capacity=2)
    driver.start("a")
    driver.start("b")
    driver.report("a", measurement(50, 0.5))
    assert driver.ask(Verb.PROMOTE, trial=1).accepted
    assert not driver.ask(Verb.PROMOTE, trial=1).accepted
    driver.report("b", measurement(50, 0.25))
    assert driver.told(1) is Decision.CONTINUE


def test_a_trial_whose_checkpoint_is_gone_is_not_promoted(drive: Any) -> None:
    driver = beaten(drive)
    driver.gone = {f"{driver.folder.trials()[1].root.name}/measure-0"}
    assert not driver.ask(Verb.PROMOTE, trial=1).accepted
    assert driver.states() == [None, "stopped"]


def test_a_failed_trial_is_not_promoted(drive: Any) -> None:
    driver = drive(capacity=1)
    driver.start("a")
    driver.report("a", failure=Failure(reason="the loss was nan"))
    driver.scheduler.ended("a")
    assert not driver.ask(Verb.PROMOTE, trial=0).accepted


def test_a_trial_is_stopped_promoted_and_stopped(drive: Any) -> None:
    driver = beaten(drive)
    assert driver.ask(Verb.PROMOTE, trial=1).accepted
    driver.start("c")
    driver.report("c", measurement(60, None))
    assert driver.ask(Verb.STOP, trial=1).accepted
    driver.scheduler.ended("c")
    assert driver.ask(Verb.PROMOTE, trial=1).accepted
    driver.start("d")
    driver.report("d", measurement(TOTAL, 0.4))
    driver.scheduler.ended("d")
    assert driver.states()[1] == "complete"


def test_a_message_of_another_kind_is_refused(drive: Any) -> None:
    driver = drive()
    message = driver.folder.messages.send(Verb.PAUSE, {})
    (driver.folder.root / "steering" / "000001.json").write_text('{"verb": "explode"}')
    driver.steering.look()
    assert not driver.folder.messages.answer(message.number).accepted
    assert driver.start("a")


CONFIRMED = {
    "confirm": {"top": 1, "replicates": 2},
    "budget": {"trials": 1, "flops_per_trial": 1e8},
}


def confirming(drive: Any, **changes: Any) -> Any:
    """A session of one trial whose first confirmation runs."""
    driver = drive(capacity=1, **{**CONFIRMED, **changes})
    record = driver.folder.record()
    limits = {**CONFIRMED, **changes}["budget"]
    driver.folder.create(replace(record, spec={**record.spec, "budget": limits}))
    driver.start("a")
    driver.finish("a")
    assert driver.start("b").replicate.label == "confirm-0"
    return driver


def test_a_search_that_is_extended_in_confirmation_goes_on_before_it(drive: Any) -> None:
    driver = confirming(drive)
    assert driver.ask(Verb.EXTEND, trials="+1").accepted
    driver.finish("b")
    job = driver.start("c")
    assert (job.record.number, job.replicate.label) == (1, "measure-0")
    driver.finish("c", 0.1)
    assert driver.start("d").replicate.label == "confirm-1", "and is taken up again"
    driver.finish("d")
    assert driver.start("e") is None
    assert driver.of_replicates(0) == ["complete"] * 3
    assert driver.states() == ["complete", "complete"]


def test_nothing_is_promoted_on_what_is_kept_for_confirmation(drive: Any) -> None:
    limits = {"trials": 9, "flops_per_trial": 1e10, "flops": 4e10}
    confirm = {"confirm": {"top": 1, "replicates": 2}}
    driver = drive(
        capacity=2,
        budget=limits,
        objectives=["exact_accuracy"],
        rungs=RUNGS,
        space={"N": {"low": 1, "high": 9}},
        **confirm,
    )
    driver.start("a")
    driver.start("b")
    driver.report("a", measurement(50, 0.5))
    whole = replace(measurement(50, 0.25).progress, training_flops=int(1e10))
    driver.report("b", replace(measurement(50, 0.25), progress=whole))
    driver.scheduler.ended("b")
    assert driver.start("c") is None, "one runs, two may be confirmed, one is spent"
    answer = driver.ask(Verb.PROMOTE, trial=1)
    assert not answer.accepted
    assert "extend --flops" in answer.remedy


def test_one_that_was_trained_whole_before_its_rung_stopped_it_ends_when_promoted(
    drive: Any,
) -> None:
    driver = drive(objectives=["exact_accuracy"], rungs=RUNGS, capacity=2)
    driver.start("a")
    driver.start("b")
    driver.report("a", measurement(50, 0.5))
    driver.report(
        "b", measurement(50, 0.25), measurement(TOTAL, 0.3)
    )  # as one that is reused does
    driver.scheduler.ended("b")
    assert driver.of_replicates(1) == ["complete"]
    assert driver.states() == [None, "stopped"]
    assert driver.ask(Verb.PROMOTE, trial=1).accepted
    assert driver.states() == [None, "complete"]


def test_a_stop_that_came_too_late_does_not_end_replicates_of_later_sessions(drive: Any) -> None:
    driver = drive(capacity=1, budget={"trials": 1, "flops_per_trial": 1e8})
    driver.start("a")
    assert driver.ask(Verb.STOP, trial=0).accepted
    driver.finish("a")
    assert driver.states() == ["complete"]
    again = drive(capacity=1, budget={"trials": 1, "flops_per_trial": 1e8}, replicates=3)
    assert again.start("b")
    again.report("b", failure=Failure(reason="the loss was nan"))
    again.scheduler.ended("b")
    assert again.start("c")
    again.finish("c")
    assert again.states() == ["complete"], "two of three are"
