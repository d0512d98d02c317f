"""Trials that pause at rungs are promoted once they are among the best there, or never."""

import random
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweep_builders import SHAPE, TOTAL, measurement, progress
from sweep_driver import WRITES, Driver, Killed, die_at

from sweep_platform.common.errors import InputError
from sweep_platform.plan.budget import Budget, Limit
from sweep_platform.plan.spending import Amounts, Spending, spending_of
from sweep_platform.search.recovery import NEVER
from sweep_platform.search.search import open_search
from sweep_platform.spec.schema import BudgetSpec, SweepSpec
from sweep_platform.store.messages import Decision, Failure, Fault
from sweep_platform.store.pruning.told import Paused, read_rungs
from sweep_platform.store.steering.messages import Verb
from sweep_platform.store.trial import TrialState

RUNGS: dict[str, Any] = {"rule": "promotion", "at": [0.25, 0.5], "keep": 0.5, "minimum": 2}
SWEEP: dict[str, Any] = {
    "objectives": ["exact_accuracy"],
    "space": {"N": {"low": 1, "high": 60}},
    "search": {"sampler": "random"},
    "rungs": RUNGS,
    "budget": {"trials": 4, "flops_per_trial": 1e8},
}
STEPS = (TOTAL // 4, TOTAL // 2, TOTAL)
STATES = {"complete": "COMPLETE", "stopped": "PRUNED", "failed": "FAIL"}


def train(driver: Driver, key: str, accuracy: float) -> Decision:
    """Train a job from where it stands until it is held back, or to its end."""
    job = driver.running[key]
    for step in STEPS:
        if step > job.folder.last_step:
            driver.report(key, measurement(step, accuracy))
            if (told := driver.told(job.record.number, job.replicate.number)) != "continue":
                break
    driver.scheduler.ended(key)
    return told


def begin(driver: Driver, *accuracies: float) -> list[tuple[int, Decision]]:
    """Start one job for each accuracy; of which trial it was, and what became of it."""
    found = []
    for accuracy in accuracies:
        job = driver.start("a")
        assert job is not None
        found.append((job.record.number, train(driver, "a", accuracy)))
    return found


def finish(driver: Driver) -> None:
    assert driver.start("end") is None
    assert driver.scheduler.exhausted
    driver.scheduler.close()


def test_the_weak_pause_and_the_best_of_them_goes_on_when_others_have_come(drive: Any) -> None:
    driver = drive(capacity=1, **SWEEP)
    assert begin(driver, 0.5) == [(0, Decision.PAUSE)], "one is too few to tell"
    assert begin(driver, 0.25) == [(1, Decision.PAUSE)]
    assert driver.states() == ["paused", "paused"]
    assert begin(driver, 0.5) == [(0, Decision.PAUSE)], "it was promoted, before a new point"
    assert driver.first(0).last_step == STEPS[1], "to the next rung"
    assert begin(driver, 0.75) == [(2, Decision.CONTINUE)], "the best of three, and of two"
    assert begin(driver, 0.125) == [(3, Decision.PAUSE)]
    assert driver.states() == ["paused", "paused", "complete", "paused"]
    finish(driver)
    assert driver.states() == ["stopped", "stopped", "complete", "stopped"]
    reasons = {trial.outcome().reason for trial in driver.folder.trials()}
    assert NEVER in reasons
    told = [trial.state.name for trial in driver.search.study.trials()]
    assert told == ["PRUNED", "PRUNED", "COMPLETE", "PRUNED"]
    assert driver.search.study.trials()[0].intermediate_values == {25: 0.5, 50: 0.5}


def test_what_is_told_of_the_rungs_counts_them(drive: Any) -> None:
    driver = drive(capacity=1, **SWEEP)
    begin(driver, 0.5, 0.25, 0.5, 0.75, 0.125)
    finish(driver)
    told = read_rungs(driver.folder.root)
    assert told.paused == (
        Paused(rung=0.25, trials=3, promoted=1),
        Paused(rung=0.5, trials=1, promoted=0),
    )
    assert told.stopped == (0, 1, 3)


def test_at_the_end_the_best_of_a_rung_goes_on_though_few_came(drive: Any) -> None:
    driver = drive(capacity=1, **{**SWEEP, "rungs": {**RUNGS, "minimum": 9}})
    assert begin(driver, 0.5, 0.25, 0.75, 0.125) == [(n, Decision.PAUSE) for n in range(4)]
    assert [number for number, _ in begin(driver, 0.75)] == [2]
    assert driver.states()[2] == "paused", "at the next rung, where it is alone"
    assert [number for number, _ in begin(driver, 0.5, 0.75)] == [2, 0]


def test_a_paused_trial_frees_its_place_and_waits_for_the_end_of_no_other(drive: Any) -> None:
    driver = drive(capacity=2, **SWEEP)
    assert driver.start("a")
    assert driver.start("b")
    driver.report("a", measurement(25, 0.5))
    assert driver.start("c") is None, "it saves its checkpoint yet"
    driver.scheduler.ended("a")
    assert driver.start("c").record.number == 2
    assert driver.scheduler.wanted(points=4) == 3, "of those that run, and the last point"
    assert driver.start("d") is None
    driver.capacity = 3
    assert driver.start("d").record.number == 3
    assert driver.start("e") is None
    driver.capacity = 4
    assert driver.start("e") is None
    driver.report("b", measurement(25, 0.25))
    assert driver.start("e").record.number == 0, "b came to the rung, though it has not ended"


def test_of_several_replicates_the_mean_is_compared_and_all_pause(drive: Any) -> None:
    driver = drive(capacity=3, **{**SWEEP, "replicates": 2})
    for key in "abc":
        driver.start(key)
    driver.report("a", measurement(25, 0.5))
    assert [driver.told(0, replicate) for replicate in (0, 1)] == [Decision.PAUSE] * 2
    driver.report("b", measurement(10, None))
    for key in "ab":
        driver.scheduler.ended(key)
    assert driver.of_replicates() == ["paused", "paused"]
    driver.report("c", measurement(25, 0.25))
    assert driver.told(1) is Decision.PAUSE
    jobs = [driver.start(key) for key in "ab"]
    assert [(job.record.number, job.replicate.number) for job in jobs] == [(0, 1), (0, 0)]
    driver.report("a", measurement(25, 0.0))
    assert driver.told(0) is Decision.CONTINUE, "the mean of two is level with the other"


def test_a_worker_that_is_lost_while_it_pauses_leaves_its_trial_paused(drive: Any) -> None:
    driver = drive(capacity=1, **SWEEP)
    driver.start("a")
    driver.report("a", measurement(25, 0.5))
    driver.lose("a", Failure(reason="its worker was lost", fault=Fault.WORKER))
    assert driver.states() == ["paused"]
    assert driver.start("b").record.number == 1


def test_a_trial_that_was_done_before_it_could_pause_is_complete(drive: Any) -> None:
    driver = drive(capacity=1, **SWEEP)
    driver.start("a")
    driver.report("a", measurement(25, 0.5))
    driver.finish("a")
    assert driver.states() == ["complete"]
    assert not driver.search.rungs.is_paused(driver.folder.trials()[0].record())
    begin(driver, 0.25, 0.125, 0.0)
    while driver.start("a"):
        train(driver, "a", 0.25)
    finish(driver)
    assert all(state in ("complete", "stopped") for state in driver.states())


def test_an_interruption_keeps_who_is_paused(drive: Any) -> None:
    driver = drive(capacity=1, **SWEEP)
    begin(driver, 0.5, 0.25)
    driver.start("a")
    driver.scheduler.interrupt()
    driver.scheduler.should_end()
    driver.scheduler.ended("a")
    driver.scheduler.close()
    again = drive(capacity=1, **SWEEP)
    assert again.states() == ["paused", "paused"]
    assert again.start("a").record.number == 0, "its promotion was decided"
    again.capacity = 2
    assert again.start("b").record.number == 2, "trial 1 stays where it is"


def test_when_time_is_up_what_runs_ends_and_the_paused_stay(drive: Any) -> None:
    driver = drive(capacity=1, minutes=1, **SWEEP)
    begin(driver, 0.5)
    driver.start("a")
    driver.clock.now = 61.0
    driver.scheduler.should_end()
    driver.scheduler.ended("a")
    driver.scheduler.close()
    assert driver.states() == ["paused", "stopped"]
    assert driver.scheduler.cut_short
    assert driver.scheduler.short_of is Limit.TIME


def test_a_person_promotes_and_stops_what_is_paused(drive: Any) -> None:
    driver = drive(capacity=1, **SWEEP)
    begin(driver, 0.5, 0.25)
    begin(driver, 0.5)
    assert driver.ask(Verb.PROMOTE, trial=1).accepted
    assert begin(driver, 0.25) == [(1, Decision.CONTINUE)], "to its end, and before all others"
    assert driver.ask(Verb.STOP, trial=0).accepted
    assert driver.states() == ["stopped", "complete"]
    again = drive(capacity=1, **SWEEP)
    assert again.start("a").record.number == 2


def test_samplers_take_the_paused_for_pruned(drive: Any) -> None:
    driver = drive(capacity=1, **SWEEP)
    begin(driver, 0.5, 0.25)
    seen = driver.search.study._seen
    assert [one.state.name for one in driver.search.study.trials()] == ["RUNNING"] * 2
    assert [one.state.name for one in seen.get_trials()] == ["PRUNED"] * 2
    assert [one.last_step for one in seen.get_trials()] == [25, 25]
    driver.start("a")
    assert [one.state.name for one in seen.get_trials()] == ["RUNNING", "PRUNED"]


@pytest.mark.parametrize("name", ["tpe", "gp", "nsga2", "cma-es", "front"])
def test_every_sampler_proposes_while_trials_are_paused(drive: Any, name: str) -> None:
    search = {"search": {"sampler": name, "startup_trials": 2}}
    space = {"space": {"N": {"low": 1, "high": 60}, "T": {"low": 1, "high": 60}}}
    budget = {"budget": {"trials": 8, "flops_per_trial": 1e8}}
    driver = drive(capacity=1, **{**SWEEP, **search, **space, **budget})
    while driver.start("a"):
        train(driver, "a", driver.running["a"].record.number / 10)
    assert len(driver.states()) == 8
    assert set(driver.states()) == {"complete", "stopped"}


def test_the_paused_count_as_ended_to_stop_when_until_they_are_promoted(drive: Any) -> None:
    stop = {"stop_when": {"hypervolume_gain": 0.01, "patience": 3}}
    budget = {"budget": {"trials": 30, "flops_per_trial": 1e8}}
    changed = {**SWEEP, **stop, **budget, "rungs": {**RUNGS, "at": [0.25], "keep": 0.01}}
    driver = drive(capacity=1, **changed)
    begin(driver, 0.5, 0.625)
    assert driver.states() == ["paused", "complete"]
    begin(driver, *[0.25] * 2)
    assert not driver.search.over, "two that paused gained nothing since"
    begin(driver, 0.25)
    assert driver.search.over
    again = drive(capacity=1, **changed)
    assert again.search.over, "after a restart as well"
    finish(again)
    assert again.states() == ["stopped", "complete", *["stopped"] * 3]


def test_nothing_is_to_come_of_the_paused() -> None:
    spending = Spending(each=100.0)
    for job in "ab":
        spending.began(job, 100.0)
        spending.measured(job, progress(25))
    spending.pause("a")
    assert spending.to_come == Amounts(75.0, 0.0)
    assert spending.rest("a", 100.0) == Amounts(75.0, 0.0)
    assert spending.rest("new", 100.0) == Amounts(100.0, 0.0)
    budget = Budget(BudgetSpec(trials=9, flops=225.0), spending=spending)
    assert budget.forbids_rest([spending.rest("a", 100.0)], later=0, at_once=1) is None
    assert budget.forbids(new=True) is None, "nothing is kept for it"
    assert budget.forbids_rest([Amounts(101.0)], later=0, at_once=1) is Limit.FLOPS
    assert budget.forbids_rest([Amounts(75.0)], later=1, at_once=1) is Limit.FLOPS
    spending.began("a", 100.0)
    assert spending.to_come == Amounts(150.0, 0.0)


def test_a_promotion_that_is_not_paid_for_waits_for_a_higher_limit(
    drive: Any,
) -> None:
    """Jobs here spend next to no FLOPs of the 1e8 each that are planned."""
    limits = {"trials": 2, "flops_per_trial": 1e8, "device_hours": 1.0}
    driver = drive(capacity=1, **{**SWEEP, "budget": limits})
    driver.start("a")
    driver.report("a", measurement(25, 0.75, seconds=1.0))
    driver.scheduler.ended("a")
    driver.start("b")
    driver.report("b", measurement(25, 0.75, seconds=1.0), measurement(TOTAL, 0.75, seconds=3500))
    driver.scheduler.ended("b")
    assert driver.states() == ["paused", "complete"]
    finish(driver)
    assert driver.states() == ["paused", "complete"]
    assert driver.scheduler.cut_short
    assert driver.scheduler.short_of is Limit.DEVICE
    assert told(driver, "stay paused at rungs")
    again = drive(capacity=1, **{**SWEEP, "budget": {**limits, "device_hours": 3.0}})
    assert [number for number, _ in begin(again, 0.75, 0.75)] == [0, 0], "rung after rung"
    finish(again)
    assert again.states() == ["complete", "complete"]
    assert not again.scheduler.cut_short


def told(driver: Driver, words: str) -> bool:
    return any(words in event[1] for event in driver.display.events if event[0] == "note")


def test_a_limit_that_ends_the_search_leaves_the_paused_for_what_comes_later(drive: Any) -> None:
    """Trial 0 is promoted by a point that the limit kept from beginning; a job takes 10 s."""
    limits = {"trials": 4, "flops_per_trial": 1e8, "device_hours": 20 / 3600}
    one_rung = {**SWEEP, "rungs": {**RUNGS, "at": [0.25]}}
    driver = drive(capacity=1, **{**one_rung, "budget": limits})
    begin(driver, 0.25, 0.5)
    finish(driver)
    assert driver.states() == ["paused", "complete"]
    assert driver.scheduler.short_of is Limit.DEVICE
    assert driver.scheduler.cut_short
    told = [trial.state.name for trial in driver.search.study.trials()]
    assert told == ["RUNNING", "COMPLETE"]
    again = drive(capacity=1, **{**one_rung, "budget": {**limits, "device_hours": 1.0}})
    begun = [number for number, _ in begin(again, 0.125, 0.25, 0.0)]
    assert begun == [2, 0, 3], "two of three are among the best share"
    finish(again)
    assert again.states() == ["complete", "complete", "stopped", "stopped"]


def test_what_is_confirmed_does_not_wait_for_the_paused(drive: Any) -> None:
    limits = {"trials": 4, "flops_per_trial": 1e8, "device_hours": 27 / 3600}
    changed = {"confirm": {"top": 1, "replicates": 1}, "rungs": {**RUNGS, "at": [0.25]}}
    driver = drive(capacity=1, **{**SWEEP, **changed, "budget": limits})
    labels = []
    while job := driver.start("a"):
        labels.append(job.replicate.label)
        train(driver, "a", (0.25, 0.5, 0.0, 0.0)[job.record.number])
    finish(driver)
    assert labels == ["measure-0", "measure-0", "confirm-0"]
    assert driver.states() == ["paused", "complete"]


def test_time_that_is_up_leaves_the_paused_paused(drive: Any) -> None:
    driver = drive(capacity=1, minutes=1, **SWEEP)
    begin(driver, 0.5, 0.25)
    driver.clock.now = 61.0
    assert driver.scheduler.should_end()
    driver.scheduler.close()
    assert driver.states() == ["paused", "paused"]
    assert driver.scheduler.cut_short, "the sweep is incomplete"
    assert drive(capacity=1, **SWEEP).start("a").record.number == 0


def test_a_resumed_budget_keeps_nothing_for_the_paused(drive: Any) -> None:
    driver = drive(capacity=1, **SWEEP)
    begin(driver, 0.5, 0.25)
    trials = driver.folder.trials()
    whole = trials[0].record().training_flops
    assert spending_of(trials, 100.0, {0, 1}).to_come == Amounts()
    assert spending_of(trials, 100.0, {1}).to_come.flops == whole - 25
    found = []
    open_search(
        driver.folder,
        driver.search.spec,
        SHAPE,
        {"fingerprint": "data"},
        extends=lambda paused: bool(found.append(set(paused))),
    )
    assert found == [{0, 1}], "and whether complete trials get more goes by that"


def test_an_audit_tells_at_the_end_of_those_alone_that_would_have_stayed(drive: Any) -> None:
    """Fewer than the minimum have come, so that the best of them go on at the end."""
    rungs = {**RUNGS, "at": [0.25], "minimum": 9, "audit": 1.0}
    driver = drive(capacity=1, **{**SWEEP, "rungs": rungs})
    begin(driver, 0.75, 0.5, 0.25, 0.125)
    finish(driver)
    assert driver.states() == ["complete"] * 4
    assert [one.trial for one in read_rungs(driver.folder.root).audited] == [2, 3]


@pytest.mark.parametrize(
    ("search", "field"),
    [({"deterministic": True}, "rungs.rule"), ({"lag": 2}, "search.lag")],
)
def test_promotion_is_no_matter_of_the_seed(search: dict[str, Any], field: str) -> None:
    from sweep_platform.space.space_file import SpaceFile

    space = {
        "name": "toy",
        "dataset": {"name": "sudoku", "side": 4, "train": 10, "test": 10},
        "space": {"N": {"choices": [1, 2]}},
        "model": {"hidden_size": 32, "head_dim": 16},
        "budget": {"trials": 4, "flops_per_trial": 1e9},
        "rungs": {"at": [0.5], "rule": "promotion"},
        "search": search,
    }
    with pytest.raises(InputError) as found:
        SpaceFile.of(space).resolve(None)
    assert found.value.field == field


class Sweep:
    """A whole sweep whose jobs end in any order, and whose driver dies every now and then."""

    def __init__(self, root: Path, spec: SweepSpec, at_once: int, chance: random.Random) -> None:
        self.root, self.spec, self.at_once, self.chance = root, spec, at_once, chance
        self.driver, self.keys = Driver(root, spec, at_once), count()
        self.live: list[str] = []

    def accuracy(self, number: int, step: int) -> float:
        """What a trial solves, the same in all sweeps: equal ones are frequent."""
        return random.Random(f"{number} {step}").randrange(6) / 8

    def run(self) -> Driver:
        while True:
            while (key := self.start()) is not None:
                self.live.append(key)
            if not self.live:
                break
            self.go_on(self.live[self.chance.randrange(len(self.live))])
            if self.chance.random() < 0.05:
                self.driver, self.live = Driver(self.root, self.spec, self.at_once), []
        self.driver.scheduler.close()
        return self.driver

    def go_on(self, key: str) -> None:
        """Let a job come to its next rung or its end, where one that is to pause may be late."""
        job = self.driver.running[key]
        step = next(one for one in STEPS if one > job.folder.last_step)
        self.driver.report(key, measurement(step, self.accuracy(job.record.number, step)))
        told = self.driver.told(job.record.number)
        if step == TOTAL or (told is not Decision.CONTINUE and self.chance.random() < 0.9):
            self.driver.scheduler.ended(key)
            self.live.remove(key)

    def start(self) -> str | None:
        """Start a job; of a trial that was paused, it is among the best share at its rung."""
        before, key = self.paused(), str(next(self.keys))
        if (job := self.driver.start(key)) is None:
            return None
        number = job.record.study_number
        if number in before:
            assert among_the_best(self.driver, number, before[number])
        return key

    def paused(self) -> dict[int, float]:
        """The rung at which each paused trial is, by its number in the study."""
        rungs = {
            one.number: [
                float(rung)
                for rung, entry in one.user_attrs.get("rungs", {}).items()
                if entry["decision"] == "pause"
            ]
            for one in self.driver.search.study.trials()
        }
        return {number: max(at) for number, at in rungs.items() if at}


def among_the_best(driver: Driver, number: int, rung: float) -> bool:
    table = driver.search.rungs.table(rung)
    better = sum(other[0] > table[number][0] for other in table.values())
    return better < max(1.0, RUNGS["keep"] * len(table))


@settings(deadline=None, max_examples=25)
@given(
    chance=st.randoms(use_true_random=False),
    at_once=st.integers(1, 4),
    minimum=st.integers(1, 5),
    trials=st.integers(1, 12),
)
def test_whoever_comes_first_all_of_the_top_share_go_on_and_each_trial_ends_once(
    make_spec: Any, chance: random.Random, at_once: int, minimum: int, trials: int
) -> None:
    rungs = {**RUNGS, "minimum": minimum}
    budget = {"trials": trials, "flops_per_trial": 1e8}
    spec = make_spec(**{**SWEEP, "rungs": rungs, "budget": budget})
    with TemporaryDirectory() as root:
        driver = Sweep(Path(root) / "toy", spec, at_once, chance).run()
        study = driver.search.study.trials()
        assert len(driver.folder.trials()) == trials
        assert "complete" in driver.states()
        for trial, state in zip(driver.folder.trials(), driver.states(), strict=True):
            record = trial.record()
            assert study[record.study_number].state.name == STATES[str(state)]
            assert len(list(trial.replicates())) == 1
            kept = study[record.study_number].user_attrs["rungs"]
            left = [float(rung) for rung, entry in kept.items() if entry["decision"] == "stop"]
            assert bool(left) == (state == "stopped")
            if left:  # one that was late to pause may have come to the next rung
                assert not among_the_best(driver, record.study_number, max(left))
            steps = [one.progress.step for one in driver.first(record.number).measurements()]
            assert steps == sorted(set(steps)), "at each rung once"


def solo(driver: Driver) -> Iterator[int]:
    """Train all that there is, one job after another."""
    while (job := driver.start("a")) is not None:
        train(driver, "a", (0.5, 0.25, 0.75, 0.375)[job.record.number])
        yield job.record.number
    finish(driver)


@pytest.mark.parametrize("nth", [1, 2, 5])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("kind", "method"), WRITES)
def test_a_death_at_any_step_is_made_up_for(
    drive: Any, monkeypatch: pytest.MonkeyPatch, kind: type, method: str, when: str, nth: int
) -> None:
    with monkeypatch.context() as patch:
        called = die_at(patch, kind, method, when, nth)
        with suppress(Killed):
            list(solo(drive(capacity=1, **SWEEP)))
        assert called() >= min(nth, 4)
    driver = drive(capacity=1, **SWEEP)
    list(solo(driver))
    assert driver.states()[2] == "complete"
    assert set(driver.states()) <= {"complete", "stopped"}
    study = driver.search.study.trials()
    numbers = [trial.record().study_number for trial in driver.folder.trials()]
    told = [study[number].state.name for number in numbers]
    assert told == [STATES[state] for state in driver.states()]
    for trial in driver.folder.trials():
        ends = [one.outcome() for one in trial.replicates()]
        assert all(end and end.state.is_final for end in ends)
        assert trial.outcome().state in (TrialState.COMPLETE, TrialState.STOPPED)
