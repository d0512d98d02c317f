"""The display, line by line and in a terminal."""

import io
import os
import pty
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TextIO

import pytest
from sweep_builders import begun

from hrm.progress import Progress
from sweep_platform.driver.display.display import ProgressDisplay
from sweep_platform.driver.display.load import load
from sweep_platform.execution.cluster import Hardware, Node
from sweep_platform.plan.budget import Budget
from sweep_platform.search.stages.live import Job
from sweep_platform.spec.schema import BudgetSpec, ResourceSpec
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.trial import Outcome, TrialState

MakeSweep = Callable[..., SweepFolder]


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def job_and_reports(
    sweep: SweepFolder, number: int, replicate: int = 0, of: int = 1
) -> tuple[Job, list[Progress]]:
    trial = sweep.trials()[number]
    folder = begun(trial, replicate)
    job = Job(trial=trial, record=trial.record(), replicate=folder.replicate(), of=of)
    return job, [m.progress for m in folder.measurements()]


def ended(display: Any, job: Job, outcome: Outcome) -> None:
    """The one replicate of a trial ends, and the trial with it unless it pauses."""
    display.job_ended(job, outcome)
    if outcome.state.is_final:
        display.trial_ended(job.record, outcome)


def numbered(job: Job, number: int) -> Job:
    """The same job, of a trial of another number."""
    return replace(job, record=replace(job.record, number=number))


def display_on(stream: TextIO, *, trials: int, clock: Clock | None = None, **given: Any) -> Any:
    """A display of jobs of 100 MFLOP, one a trial, whose time stands still without a clock."""
    settings = {"jobs": trials, "training_flops_per_job": 100_000_000, "time_limit": None}
    return ProgressDisplay(
        trials=trials, stream=stream, clock=clock or Clock(), **{**settings, **given}
    )


def end(state: TrialState, reason: str) -> Outcome:
    return Outcome(state=state, reason=reason, ended=1_790_000_000.0)


def test_a_line_for_each_event(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(TrialState.COMPLETE, TrialState.STOPPED, TrialState.FAILED)
    first, reports = job_and_reports(sweep, 0)
    second, few_reports = job_and_reports(sweep, 1)
    third, _ = job_and_reports(sweep, 2)
    stream, clock = io.StringIO(), Clock()
    display = display_on(stream, trials=3, clock=clock)
    with display:
        display.job_started(first)
        display.job_started(second, resumed=True)
        for progress in reports[:2]:
            clock.now += 30
            display.job_measured(first, progress)
        display.job_measured(second, few_reports[-1])
        ended(
            display,
            second,
            end(TrialState.STOPPED, "beaten at the rung at 50% of the training budget"),
        )
        clock.now += 65
        display.job_measured(first, reports[-1])
        ended(display, first, end(TrialState.COMPLETE, "the training budget was spent"))
        display.job_started(third)
        ended(display, third, end(TrialState.FAILED, "the loss was nan\nat step 3"))
        display.note("MLflow is away\nfor now")
    first_knobs, second_knobs = "N=1 T=2 hidden_size=32 M_max=2", "N=2 T=2 hidden_size=64 M_max=4"
    assert stream.getvalue().splitlines() == [
        f"[0.0 s, 0/3 trials, 0.0 % of the budget] trial 0 started: {first_knobs}",
        f"[0.0 s, 0/3 trials, 0.0 % of the budget] trial 1 resumed: {second_knobs}",
        "[1 min, 0/3 trials, 16.7 % of the budget, best 5.0 % at 6 MFLOP, 5 min left]"
        " trial 0 at 50.0 %: loss 0.06, exact accuracy 5.0 % at 6 MFLOP",
        "[1 min, 0/3 trials, 33.3 % of the budget, best 10.0 % at 24 MFLOP, 2 min left]"
        " trial 1 at 50.0 %: loss 0.06, exact accuracy 10.0 % at 24 MFLOP",
        "[1 min, 1/3 trials, 33.3 % of the budget, best 10.0 % at 24 MFLOP, 1 min 30 s left]"
        " trial 1 stopped: beaten at the rung at 50% of the training budget",
        "[2 min 5 s, 1/3 trials, 50.0 % of the budget, best 15.0 % at 6 MFLOP, 1 min 23 s left]"
        " trial 0 at 100.0 %: loss 0.03, exact accuracy 15.0 % at 6 MFLOP",
        "[2 min 5 s, 2/3 trials, 50.0 % of the budget, best 15.0 % at 6 MFLOP, 1 min 23 s left]"
        " trial 0 complete: the training budget was spent",
        "[2 min 5 s, 2/3 trials, 50.0 % of the budget, best 15.0 % at 6 MFLOP, 1 min 23 s left]"
        " trial 2 started: N=2 T=4 hidden_size=32 M_max=2",
        "[2 min 5 s, 3/3 trials, 50.0 % of the budget, best 15.0 % at 6 MFLOP]"
        " trial 2 failed: the loss was nan at step 3",
        "[2 min 5 s, 3/3 trials, 50.0 % of the budget, best 15.0 % at 6 MFLOP]"
        " MLflow is away for now",
    ]


def test_a_line_for_each_event_of_replicates(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(TrialState.COMPLETE, replicates=2)
    (one, reports), (other, more) = (job_and_reports(sweep, 0, n, of=2) for n in range(2))
    stream = io.StringIO()
    display = display_on(stream, trials=1, jobs=2)
    with display:
        display.job_started(one)
        display.job_started(other)
        display.job_measured(one, reports[-1])
        display.job_ended(one, end(TrialState.COMPLETE, "the training budget was spent"))
        display.job_measured(other, more[1])
        display.job_ended(other, end(TrialState.FAILED, "the loss was nan"))
        display.trial_ended(one.record, end(TrialState.FAILED, "1 of 2 replicates failed"))
    knobs = "N=1 T=2 hidden_size=32 M_max=2"
    lines = [line.partition("0.0 s, ")[2] for line in stream.getvalue().splitlines()]
    assert lines == [
        f"0/1 trials, 0.0 % of the budget] trial 0 replicate 0 started: {knobs}",
        f"0/1 trials, 0.0 % of the budget] trial 0 replicate 1 started: {knobs}",
        "0/1 trials, 50.0 % of the budget, best 15.0 % at 6 MFLOP] "
        "trial 0 replicate 0 at 100.0 %: loss 0.03, exact accuracy 15.0 % at 6 MFLOP",
        "0/1 trials, 50.0 % of the budget, best 15.0 % at 6 MFLOP] "
        "trial 0 replicate 0 complete: the training budget was spent",
        "0/1 trials, 75.0 % of the budget, best 11.0 % at 6 MFLOP] "
        "trial 0 replicate 1 at 50.0 %: loss 0.06, exact accuracy 7.0 % at 6 MFLOP",
        "0/1 trials, 75.0 % of the budget, best 11.0 % at 6 MFLOP] "
        "trial 0 replicate 1 failed: the loss was nan",
        "1/1 trials, 75.0 % of the budget, best 11.0 % at 6 MFLOP] "
        "trial 0 failed: 1 of 2 replicates failed",
    ]


def test_earlier_sessions_count(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(TrialState.COMPLETE, None)
    stream = io.StringIO()
    display = display_on(stream, trials=4)
    with display:
        for folder in sweep.trials():
            display.restore(folder)
        assert stream.getvalue() == ""
        display.note("on we go")
    assert (
        "1/4 trials, 50.0 % of the budget, best 30.0 % at 24 MFLOP] on we go" in stream.getvalue()
    )


@pytest.mark.parametrize(("state", "left"), [(TrialState.STOPPED, 5.0), (None, 25.0)])
def test_no_time_is_needed_for_replicates_that_never_begin(
    make_sweep: MakeSweep, state: TrialState | None, left: float
) -> None:
    sweep, clock = make_sweep(TrialState.COMPLETE), Clock()
    job, reports = job_and_reports(sweep, 0, of=5)
    display = display_on(io.StringIO(), trials=1, jobs=6, replicates=5, clock=clock)
    with display:
        display.job_started(job)
        display.job_measured(job, reports[-1])
        display.job_ended(job, end(TrialState.COMPLETE, "the training budget was spent"))
        clock.now += 5.0
        if state is not None:
            display.trial_ended(job.record, end(state, "beaten at a rung"))
        assert display._sweep.time_left() == left, "one job of six took 5 s"


def test_no_trials_at_all() -> None:
    stream = io.StringIO()
    with display_on(stream, trials=0, time_limit=0.0) as display:
        display.note("nothing to do")
    assert stream.getvalue() == "[0.0 s, 0/0 trials, 0.0 % of the budget] nothing to do\n"


class Terminal:
    """A pseudo-terminal, with what was written to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.setenv("LINES", "40")
        self._master, slave = pty.openpty()
        self.stream = os.fdopen(slave, "w")
        self._read = bytearray()
        self._reader = threading.Thread(target=self._copy)
        self._reader.start()

    def _copy(self) -> None:
        try:
            while chunk := os.read(self._master, 65_536):
                self._read += chunk
        except OSError:
            pass  # the other end was closed

    def screens(self) -> str:
        """All that was written, without colours and cursor movements."""
        self.stream.close()
        self._reader.join()
        os.close(self._master)
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._read.decode())
        return text.replace("\r", "")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(monkeypatch)


@pytest.mark.parametrize(("time_limit", "left"), [(None, "15 min"), (600.0, "6 min 40 s")])
def test_the_block_in_a_terminal(
    make_sweep: MakeSweep, terminal: Terminal, time_limit: float | None, left: str
) -> None:
    sweep = make_sweep(TrialState.COMPLETE, TrialState.STOPPED, None, TrialState.FAILED)
    clock = Clock()
    display = display_on(terminal.stream, trials=8, clock=clock, time_limit=time_limit)
    with display:
        display.restore(sweep.trials()[0])
        for number in (1, 2, 3):
            job, reports = job_and_reports(sweep, number)
            display.job_started(job)
            for progress in reports[:2]:
                display.job_measured(job, progress)
            if number != 2:
                outcome = sweep.trials()[number].outcome()
                assert outcome
                ended(display, job, outcome)
        clock.now += 200
    *_, last = terminal.screens().rsplit("trials", 1)
    screens = terminal_lines(last)
    assert screens == [
        "1 complete, 1 running, 1 stopped, 1 failed of 8",
        "best 15.0 % exact at 6 MFLOP per puzzle, N=1 T=2 hidden_size=32 M_max=2",
        "budget 200 MFLOP of 800 MFLOP for training, 25.0 %",
        f"time 3 min 20 s, about {left} left",
        "trial 2 N=2 T=4 hidden_size=32 M_max=2 50.0 % loss 0.06 accuracy 15.0 %",
    ]


def terminal_lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_a_paused_trial_may_go_on(make_sweep: MakeSweep, terminal: Terminal) -> None:
    job, reports = job_and_reports(make_sweep(None), 0)
    clock = Clock()
    with display_on(terminal.stream, trials=2, clock=clock) as display:
        display.job_started(job)
        clock.now += 60
        display.job_measured(job, reports[1])
        ended(display, job, end(TrialState.PAUSED, "others come first"))
    *_, last = terminal.screens().rsplit("trials", 1)
    lines = terminal_lines(last)
    assert lines[0] == "0 complete, 0 running, 0 stopped, 0 failed, 1 paused of 2"
    assert lines[-1] == "time 1 min, about 3 min left", "half a trial and a whole one"


def test_a_trial_is_paused_where_none_of_its_replicates_runs(
    make_sweep: MakeSweep, terminal: Terminal
) -> None:
    sweep = make_sweep(None, None, replicates=2)
    jobs = [job_and_reports(sweep, trial, n, of=2)[0] for trial in range(2) for n in range(2)]
    with display_on(terminal.stream, trials=2) as display:
        for job in jobs:
            display.job_started(job)
        for job in jobs[:3]:
            display.job_ended(job, end(TrialState.PAUSED, "others come first"))
    *_, last = terminal.screens().rsplit("trials", 1)
    counts = "0 complete, 1 running, 0 stopped, 0 failed, 1 paused of 2"
    assert terminal_lines(last)[0] == counts


def test_failures_and_notes_stay_above_the_block(
    make_sweep: MakeSweep, terminal: Terminal
) -> None:
    sweep = make_sweep(TrialState.FAILED)
    job, _ = job_and_reports(sweep, 0)
    display = display_on(terminal.stream, trials=1, time_limit=60)
    with display:
        display.job_started(job)
        display.note("a word [in brackets]")
        ended(display, job, end(TrialState.FAILED, "the loss was nan"))
    lines = terminal_lines(terminal.screens())
    assert "a word [in brackets]" in lines
    assert any(line.endswith("trial 0 failed: the loss was nan") for line in lines)
    assert "time 0.0 s, about 1 min left" in lines


def test_many_running_trials_stay_few_lines(make_sweep: MakeSweep, terminal: Terminal) -> None:
    job, _ = job_and_reports(make_sweep(None), 0)
    display = display_on(terminal.stream, trials=50)
    with display:
        for number in range(50):
            display.job_started(numbered(job, number))
    lines = terminal_lines(terminal.screens())
    assert lines[-1] == "and 42 more"


def test_events_from_many_threads(make_sweep: MakeSweep, terminal: Terminal) -> None:
    job, reports = job_and_reports(make_sweep(None), 0)
    display = display_on(terminal.stream, trials=8)

    def trial(number: int) -> None:
        mine = numbered(job, number)
        display.job_started(mine)
        for progress in reports:
            display.job_measured(mine, progress)
            display.note(f"note of {number}")
            time.sleep(0.05)  # so that the block is drawn meanwhile
        ended(display, mine, end(TrialState.FAILED, "it broke"))

    with display:
        threads = [threading.Thread(target=trial, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
        assert not any(thread.is_alive() for thread in threads)
    written = terminal.screens()
    assert "0 complete, 0 running, 0 stopped, 8 failed of 8" in written
    assert len(re.findall(r"note of \d", written)) == 8 * len(reports)


def test_a_long_silence_is_broken_by_any_report(make_sweep) -> None:
    job, reports = job_and_reports(make_sweep(TrialState.COMPLETE), 0)
    plain = replace(reports[0], curve=None)
    stream, clock = io.StringIO(), Clock()
    display = display_on(stream, trials=1, clock=clock)
    for passed in (30, 29, 1, 30, 31):
        clock.now += passed
        display.job_measured(job, plain)
    lines = stream.getvalue().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["[1 min", "[2 min 1 s"]
    assert "trial 0 at 45.0 %: loss" in lines[0]


def test_a_cluster_is_shown_where_there_is_one(make_sweep: MakeSweep) -> None:
    job, _ = job_and_reports(make_sweep(None), 0)
    stream = io.StringIO()
    with display_on(stream, trials=1) as display:
        display.job_started(job)
        display.load = lambda: ["2 nodes, 3 of 8 GPUs busy", "one 2, two 1"]
        display.note("so it goes")
        rows = display._block().renderables[0]
        cells = [str(cell) for column in rows.columns for cell in column.cells]
    alone, together = stream.getvalue().splitlines()
    assert "node" not in alone
    assert (
        together
        == "[0.0 s, 0/1 trials, 0.0 % of the budget, 2 nodes, 3 of 8 GPUs busy] so it goes"
    )
    assert "2 nodes, 3 of 8 GPUs busy; trials: one 2, two 1" in cells


def test_most_nodes_are_counted_not_named() -> None:
    nodes = tuple(Node(8, 0, str(number), f"host{number}") for number in range(20))
    busy, named = load(Hardware(nodes), {"13": 5}, ResourceSpec(cpus=0.5))
    assert busy == "20 nodes, 2.5 of 160 CPU cores busy"
    assert named.startswith("host13 5, host0 0, ")
    assert named.endswith(", 12 others")
    assert load(Hardware(nodes[:1]), {}, ResourceSpec()) == []


def test_what_is_left_follows_the_budget(make_sweep: MakeSweep) -> None:
    """A quarter of the work takes 200 s, and so the rest ten minutes, or what the limit leaves."""
    clock, limits = Clock(), {"trials": 4, "flops_per_trial": 1e8, "flops": 1e9}
    budget = Budget(BudgetSpec.model_validate({**limits, "minutes": 5}), clock=clock)
    display = display_on(io.StringIO(), trials=4, clock=clock, time_limit=300.0)
    display.follow(budget)
    job, reports = job_and_reports(make_sweep(TrialState.COMPLETE), 0)
    display.job_started(job)
    for progress in reports:
        display.job_measured(job, progress)
    clock.now += 200
    assert display._sweep.time_left() == pytest.approx(100)
    budget.hold()
    clock.now += 1000
    assert display._sweep.time_left() == pytest.approx(100), "a pause takes no time"
    budget.go_on()
    budget.limits = budget.limits.model_copy(update={"minutes": 60})
    assert display._sweep.time_left() == pytest.approx(600), "by its pace, without the pause"
    assert display.bill() == "0 FLOP of 1 GFLOP of training"
