"""Which puzzles each replicate solved reaches the trial's file, once."""

import shutil
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sweep_builders import TOTAL, answers, measurement, tell_answers
from sweep_driver import Driver

from hrm.evaluation.answer_file import AnswerFile
from sweep_platform.api import Sweep
from sweep_platform.common.errors import InputError
from sweep_platform.report.analysis.answers import answered
from sweep_platform.report.analysis.evidence import evidence_of
from sweep_platform.report.data import answers as answers_table
from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.summary import summarize
from sweep_platform.store.trial import TrialState

SWEEP: dict[str, Any] = {
    "replicates": 2,
    "budget": {"trials": 1, "flops_per_trial": 1e8},
    "confirm": {"top": 1, "replicates": 1},
}
HALF, END = answers(50, [True, False, False]), answers(TOTAL, [True, True, False])


def table(driver: Driver) -> pa.Table:
    trial = driver.folder.trials()[0]
    return driver.search.answers(trial).read()


def owners(driver: Driver) -> set[tuple[str, int, int]]:
    rows = table(driver).select(["purpose", "replicate", "step"]).to_pylist()
    return {(row["purpose"], row["replicate"], row["step"]) for row in rows}


def test_each_evaluation_of_each_replicate_is_kept(drive) -> None:
    driver = drive(capacity=2, **SWEEP)
    for key in "ab":
        driver.start(key)
        driver.report(key, measurement(50, 1 / 3), answers=(HALF,))
        driver.report(key, measurement(TOTAL, 2 / 3), answers=(END,))
        driver.scheduler.ended(key)
    driver.start("c")
    driver.report("c", measurement(TOTAL, 2 / 3), answers=(END,))
    driver.scheduler.ended("c")
    measured = {("measure", number, step) for number in range(2) for step in (50, TOTAL)}
    assert owners(driver) == measured | {("confirm", 0, TOTAL)}
    assert len(table(driver)) == 5 * 3
    file = driver.folder.trials()[0].answers
    found = answered(AnswerFile(file).read(), file)
    _, last = found[Purpose.MEASURE]
    assert last.solved.tolist() == [[1, 1, 0]] * 2, "of the last evaluation"
    assert last.of_replicates.tolist() == [2 / 3] * 2
    [confirmed] = found[Purpose.CONFIRM]
    assert confirmed.replicates.tolist() == [0]
    assert found[Purpose.TUNE] == ()


def test_what_is_sent_again_after_a_resume_changes_nothing(drive) -> None:
    driver = drive(capacity=2, **SWEEP)
    driver.start("a")
    driver.report("a", measurement(50, 1 / 3), answers=(HALF,))
    before = driver.folder.trials()[0].answers.read_bytes()
    again = drive(capacity=2, **SWEEP)
    again.start("a")
    again.report("a", measurement(50, 1 / 3), answers=(HALF,), session={"host": "other"})
    assert again.folder.trials()[0].answers.read_bytes() == before
    again.report("a", measurement(TOTAL, 2 / 3), answers=(HALF, END))
    assert owners(again) == {("measure", 0, 50), ("measure", 0, TOTAL)}
    assert len(table(again)) == 2 * 3


def test_what_a_dead_driver_did_not_write_is_made_up_for(drive) -> None:
    """The first report after a resume has all answers that the checkpoint kept."""
    driver = drive(capacity=2, **SWEEP)
    driver.start("a")
    driver.report("a", measurement(50, 1 / 3))  # its answers were not written any more
    again = drive(capacity=2, **SWEEP)
    again.start("a")
    again.report("a", measurement(50, 1 / 3), answers=(HALF,))
    assert owners(again) == {("measure", 0, 50)}
    steps = [m.progress.step for m in again.first().measurements()]
    assert steps == [50], "the report itself was there"


def test_tasks_of_several_puzzles_weigh_as_many(drive) -> None:
    driver = drive(capacity=2, **SWEEP)
    driver.start("a")
    one = answers(TOTAL, [True, True, False, True, False], each=2)
    driver.report("a", measurement(TOTAL, 0.6), answers=(one,))
    file = driver.folder.trials()[0].answers
    [found] = answered(AnswerFile(file).read(), file)[Purpose.MEASURE]
    assert found.tasks.tolist() == [0, 1, 2]
    assert found.weights.tolist() == [2, 2, 1]
    assert found.solved.tolist() == [[1, 0.5, 0]]
    assert found.of_replicates.tolist() == [0.6]


@pytest.fixture
def told(make_sweep: Callable[..., SweepFolder]) -> SweepFolder:
    """Two trials whose answers are as accurate as their curves say, the first less so."""
    sweep = make_sweep(TrialState.COMPLETE, TrialState.COMPLETE)
    for trial, solved in zip(sweep.trials(), ([True, False], [True, True]), strict=True):
        tell_answers(trial, "measure-0", answers(100, solved))
    sweep.session_ended(SessionEnd.DONE)
    return sweep


def test_answers_of_another_trial_are_refused(told: SweepFolder) -> None:
    Sweep.open(told.root).answers()
    one, two = (trial.answers for trial in told.trials())
    shutil.copy(one, two)
    summary = summarize(told)
    for read in (
        lambda: list(answers_table(summarize(told))),
        lambda: evidence_of(summary).accuracy(summary.trials[1], Purpose.MEASURE),
    ):
        with pytest.raises(InputError, match="tells other accuracies of measure-0") as caught:
            read()
        assert caught.value.field == str(two)


@pytest.mark.parametrize("change", ["count", "unlike", "late", "stranger"])
def test_answers_that_no_report_tells_of_are_refused(told: SweepFolder, change: str) -> None:
    trial = told.trials()[0]
    rows = AnswerFile(trial.answers).read()
    lists = rows["solved"].to_pylist()
    if change == "count":
        lists[1][0] = True
    elif change == "unlike":
        lists[1] = lists[1][:1]
    columns = {
        "late": ("training_flops", pa.array([9e9, 9e9])),
        "stranger": ("replicate", pa.array([1, 1], pa.int32())),
    }
    name, column = columns.get(change, ("solved", pa.array(lists, rows["solved"].type)))
    pq.write_table(rows.set_column(rows.column_names.index(name), name, column), trial.answers)
    with pytest.raises(InputError, match="tells other accuracies"):
        list(answers_table(summarize(told)))


def test_answers_may_be_ahead_of_the_reports_of_a_replicate_that_goes_on(
    make_sweep: Callable[..., SweepFolder],
) -> None:
    sweep = make_sweep(None)
    [trial] = sweep.trials()
    tell_answers(trial, "measure-0", answers(100, [True, False]))
    lines = trial.replicate("measure-0").metrics.read_text().splitlines(keepends=True)
    trial.replicate("measure-0").metrics.write_text("".join(lines[:-1]))
    assert sum(len(table) for table in answers_table(summarize(sweep))) == 2
