"""Only trials that are among the best by their first replicates get all of them."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_builders import SHAPE, TOTAL, measurement, sweep_record
from sweep_driver import WRITES, Driver, Killed, die_at

from sweep_platform.common.errors import InputError
from sweep_platform.plan.budget import Limit
from sweep_platform.plan.jobs import planned_jobs
from sweep_platform.plan.plan import make_plan, summary
from sweep_platform.report.pages import report_as_markdown
from sweep_platform.report.sections import outline
from sweep_platform.report.sections.searched.screening import screened
from sweep_platform.search.studies.study import SCREENED
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.messages import Decision, Failure
from sweep_platform.store.steering.messages import Verb
from sweep_platform.store.summary import summarize

SWEEP: dict[str, Any] = {
    "objectives": ["exact_accuracy"],
    "replicates": 3,
    "screening": {"replicates": 1, "keep": 0.5, "minimum": 2},
    "budget": {"trials": 4, "flops_per_trial": 1e8},
}
SOLVED = (0.5, 0.25, 0.75, 0.375)


def run(driver: Driver, accuracies: tuple[float, ...] = SOLVED) -> None:
    """Train all that there is, one job after another; further replicates solve a little less."""
    while (job := driver.start("a")) is not None:
        driver.finish("a", accuracies[job.record.number] - job.replicate.number / 16)
    assert driver.scheduler.exhausted
    driver.scheduler.close()


def counts(driver: Driver) -> list[int]:
    """How many replicates each trial has."""
    return [len(trial.replicates()) for trial in driver.folder.trials()]


def test_the_best_by_their_first_replicates_get_all(drive: Any) -> None:
    driver = drive(capacity=1, **SWEEP)
    run(driver)
    assert counts(driver) == [3, 1, 3, 1], "of the first nobody knows better"
    assert driver.states() == ["complete"] * 4
    values = [trial.values for trial in driver.search.study.trials()]
    assert values == [[0.4375], [0.25], [0.6875], [0.375]], "means over those that are there"
    assert "not among the best by these" in driver.folder.trials()[1].outcome().reason


@pytest.mark.parametrize("rule", ["stopping", "promotion"])
def test_no_rung_holds_a_trial_back_that_was_let_on(drive: Any, rule: str) -> None:
    """Its first replicate was the best of all; the others solve nothing by the rung."""
    rungs = {"at": [0.25], "keep": 0.5, "minimum": 1, "rule": rule}
    driver = drive(capacity=1, **SWEEP, rungs=rungs)
    while (job := driver.start("a")) is not None:
        last, further = job.record.number == 3, job.replicate.number > 0
        solved = (0.0 if further else 0.75) if last else 0.5
        if job.folder.last_step == 0:
            driver.report("a", measurement(TOTAL // 4, solved))
        if driver.told(job.record.number, job.replicate.number) is Decision.CONTINUE:
            driver.finish("a", solved)
        else:
            driver.scheduler.ended("a")
    driver.scheduler.close()
    assert driver.states()[3] == "complete"
    assert counts(driver)[3] == 3


def test_a_sweep_that_is_resumed_leaves_it_at_that(drive: Any) -> None:
    run(drive(capacity=1, **SWEEP))
    again = drive(capacity=1, **SWEEP)
    assert again.start("a") is None
    assert counts(again) == [3, 1, 3, 1]
    more = drive(capacity=1, **{**SWEEP, "replicates": 4})
    run(more)
    assert counts(more) == [4, 1, 4, 1], "the best get more"
    kept = [
        more.search.study.attribute(trial.record().study_number, SCREENED, {})
        for trial in more.folder.trials()
    ]
    assert [one["goes_on"] for one in kept] == [True, False, True, False]


def test_the_others_of_a_trial_wait_for_the_first(drive: Any) -> None:
    driver = drive(capacity=3, **SWEEP)
    jobs = [driver.start(key) for key in "abc"]
    assert [(job.record.number, job.replicate.number) for job in jobs] == [(0, 0), (1, 0), (2, 0)]
    assert not any(job.is_all for job in jobs)
    driver.finish("a", 0.5)
    job = driver.start("a")
    assert (job.record.number, job.replicate.number) == (0, 1)


def test_a_first_replicate_that_fails_fails_its_trial(drive: Any) -> None:
    driver = drive(capacity=1, **SWEEP)
    driver.start("a")
    driver.report("a", failure=Failure(reason="the loss was nan at step 3"))
    driver.scheduler.ended("a")
    assert driver.states() == ["failed"]
    assert driver.start("b").record.number == 1
    again = drive(capacity=1, retry_failed=True, **SWEEP)
    run(again)
    assert again.states() == ["complete"] * 4


def test_several_first_replicates_are_compared_by_their_mean(drive: Any) -> None:
    screening = {"replicates": 2, "keep": 0.5, "minimum": 2}
    driver = drive(capacity=1, **{**SWEEP, "screening": screening})
    run(driver)
    assert counts(driver) == [3, 2, 3, 2]
    assert driver.search.study.trials()[1].values == [0.21875]


def test_a_person_stops_what_is_not_screened_yet(drive: Any) -> None:
    driver = drive(capacity=1, **SWEEP)
    driver.start("a")
    assert driver.ask(Verb.STOP, trial=0).accepted
    driver.finish("a")
    assert driver.states() == ["complete"], "its first replicate was done before"
    assert counts(driver) == [1]
    assert driver.start("b").record.number == 1


def test_the_record_says_who_was_screened_out(drive: Any) -> None:
    """A person stopped trial 0 once its first replicate was done; trial 3 alone was weaker."""
    driver = drive(capacity=1, **SWEEP)
    driver.start("a")
    assert driver.ask(Verb.STOP, trial=0).accepted
    driver.finish("a", 0.5)
    run(driver, (0.5, 0.5, 0.75, 0.25))
    assert counts(driver) == [1, 3, 3, 1]
    sweep = summarize(driver.folder)
    assert sweep.rungs.screened == (3,)
    spec = {**sweep.record.spec, **driver.search.spec.model_dump(mode="json")}
    sweep = replace(sweep, record=replace(sweep.record, spec=spec))
    assert [one.number for one in screened(sweep)] == [3]
    older = replace(sweep, rungs=replace(sweep.rungs, screened=None))
    assert [one.number for one in screened(older)] == [0, 3]


def test_rungs_stop_the_first_replicates_of_some(drive: Any) -> None:
    rungs = {"at": [0.5], "minimum": 2, "keep": 0.5}
    driver = drive(capacity=1, **{**SWEEP, "rungs": rungs})
    for accuracy in (0.5, 0.25):
        job = driver.start("a")
        while job.record.number == 0 and job.replicate.number < 2:
            driver.report("a", measurement(TOTAL // 2, accuracy))
            driver.finish("a", accuracy)
            job = driver.start("a")
        driver.report("a", measurement(TOTAL // 2, accuracy))
        if driver.told(job.record.number, job.replicate.number) is Decision.CONTINUE:
            driver.finish("a", accuracy)
        else:
            driver.scheduler.ended("a")
    assert driver.states() == ["complete", "stopped"]
    assert counts(driver) == [3, 1]


def test_with_a_fixed_order_trials_are_compared_with_those_they_were_proposed_by(
    drive: Any,
) -> None:
    search = {"search": {"deterministic": True, "sampler": "random"}}
    driver = drive(capacity=2, **{**SWEEP, **search})
    assert driver.start("a").record.number == 0
    assert driver.start("b").record.number == 1
    driver.finish("a", 0.5)
    driver.finish("b", 0.25)
    driver.capacity = 3
    jobs = [driver.start(key) for key in "cde"]
    found = [(job.record.number, job.replicate.number) for job in jobs]
    assert found == [(0, 1), (0, 2), (1, 1)], "0 was not known when 1 was proposed"


def test_a_trial_is_begun_only_if_all_its_replicates_can_be_paid_for(drive: Any) -> None:
    limits = {"trials": 4, "flops_per_trial": 1e8, "flops": 5e8}
    driver = drive(capacity=4, **{**SWEEP, "budget": limits})
    assert driver.start("a").record.number == 0
    assert driver.start("b") is None, "two of three that may yet come are to be paid for"
    assert driver.scheduler.short_of is Limit.FLOPS
    driver.finish("a", 0.5)
    assert [driver.start(key).replicate.number for key in "bc"] == [1, 2]


def test_for_a_trial_that_is_paused_no_further_replicates_are_kept(drive: Any) -> None:
    rungs = {"rule": "promotion", "at": [0.5], "minimum": 9}
    limits = {"trials": 4, "flops_per_trial": 1e8, "flops": 5e8}
    driver = drive(capacity=4, **{**SWEEP, "budget": limits, "rungs": rungs})
    for number in range(3):
        assert driver.start("a").record.number == number, "those before it are paused"
        driver.report("a", measurement(TOTAL // 2, 0.5))
        driver.scheduler.ended("a")
    assert driver.states() == ["paused"] * 3


def test_the_plan_tells_the_least_and_the_most(make_spec: Any) -> None:
    jobs = planned_jobs(make_spec(**SWEEP), 4)
    assert (jobs.measure, jobs.unsure) == (12, 6)
    assert planned_jobs(make_spec(**{**SWEEP, "screening": None}), 4).unsure == 0
    said = summary(make_plan(make_spec(**SWEEP), SHAPE, 2, calibrated=False))
    assert "6 to measure, 6 more at most for those among the best by their first" in said
    assert "600 MFLOP to 1.2 GFLOP of training in all" in said
    few = {**SWEEP, "screening": {"minimum": 9}}
    assert planned_jobs(make_spec(**few), 4).unsure == 0, "all get all"


def test_the_report_counts_who_stayed_at_the_first(drive: Any) -> None:
    driver = drive(capacity=1, **SWEEP)
    run(driver)
    folder = driver.folder
    record = folder.record()
    changed = {"replicates": 3, "screening": SWEEP["screening"]}
    folder.create(replace(record, spec={**record.spec, **changed}))
    told = report_as_markdown(outline(summarize(folder), written=1.8e9))
    assert "of 4 complete trials 2 went on to 3 replicates" in told
    assert "2 stayed with their first replicate, which spared" in told
    assert "replicates of complete trials" not in told, "none is lacking"


def test_the_trials_that_a_fork_begins_with_are_compared_with(
    drive: Any, make_spec: Any, tmp_path: Path
) -> None:
    source = drive(capacity=1, **SWEEP)
    run(source)
    SweepFolder(tmp_path / "fork").create(sweep_record(forked=str(source.folder.root)))
    budget = {"trials": 6, "flops_per_trial": 1e8}
    fork = Driver(tmp_path / "fork", make_spec(**{**SWEEP, "budget": budget}), 1)
    assert counts(fork) == [3, 1, 3, 1]
    run(fork, (*SOLVED, 0.3, 0.6))
    assert counts(fork) == [3, 1, 3, 1, 1, 3]


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ({"screening": {"replicates": 1}}, "screening.replicates"),
        ({"replicates": 2, "screening": {"keep": 2}}, "screening.keep"),
        ({"replicates": 2, "screening": {}, "objectives": ["inference_flops"]}, "screening"),
    ],
)
def test_what_screens_nothing_is_refused(lines: dict[str, Any], field: str) -> None:
    space = {
        "name": "toy",
        "dataset": {"name": "sudoku", "side": 4, "train": 10, "test": 10},
        "space": {"N": {"choices": [1, 2]}},
        "model": {"hidden_size": 32, "head_dim": 16},
        "budget": {"trials": 4, "flops_per_trial": 1e9},
    }
    with pytest.raises(InputError) as found:
        SpaceFile.of({**space, **lines}).resolve(None)
    assert found.value.field == field


def test_what_the_study_keeps_of_it_is_checked(drive: Any) -> None:
    driver = drive(capacity=1, **SWEEP)
    driver.start("a")
    driver.finish("a", 0.5)
    number = driver.folder.trials()[0].record().study_number
    for damage in ({"values": [0.5, 1.0], "goes_on": True}, {"values": "x"}, 3):
        driver.search.study.note(number, SCREENED, damage)
        with pytest.raises(InputError, match=f"its trial {number}"):
            drive(capacity=1, **SWEEP)


@pytest.mark.parametrize("nth", [1, 2, 4])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("kind", "method"), WRITES)
def test_a_death_at_any_step_is_made_up_for(
    drive: Any, monkeypatch: pytest.MonkeyPatch, kind: type, method: str, when: str, nth: int
) -> None:
    with monkeypatch.context() as patch:
        called = die_at(patch, kind, method, when, nth)
        with suppress(Killed):
            run(drive(capacity=1, **SWEEP))
        assert called() == nth
    driver = drive(capacity=1, **SWEEP)
    run(driver)
    assert counts(driver) == [3, 1, 3, 1]
    study = driver.search.study.trials()
    numbers = [trial.record().study_number for trial in driver.folder.trials()]
    assert [study[number].values for number in numbers] == [[0.4375], [0.25], [0.6875], [0.375]]


@given(st.lists(st.integers(0, 8), min_size=1, max_size=6), st.sampled_from([0.1, 0.5, 1.0]))
def test_the_best_of_all_always_has_all_replicates(
    tmp_path_factory: pytest.TempPathFactory, make_spec: Any, solved: list[int], keep: float
) -> None:
    budget = {"trials": len(solved), "flops_per_trial": 1e8}
    screening = {"replicates": 1, "keep": keep, "minimum": 1}
    spec = make_spec(**{**SWEEP, "budget": budget, "screening": screening, "replicates": 2})
    root: Path = tmp_path_factory.mktemp("screened")
    driver = Driver(root / "toy", spec, 1)
    run(driver, tuple((8 + one) / 16 for one in solved))
    found = counts(driver)
    for number, one in enumerate(solved):
        if one == max(solved):
            assert found[number] == 2
        better = sum(other > one for other in solved[:number])
        assert (found[number] == 2) == (better < max(1.0, keep * (number + 1)))
