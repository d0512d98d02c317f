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

from hrm.progress import Progress
from sweep_platform.driver.display import ProgressDisplay
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.trial import Outcome, TrialRecord, TrialState

MakeSweep = Callable[..., SweepFolder]


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def record_and_reports(sweep: SweepFolder, number: int) -> tuple[TrialRecord, list[Progress]]:
    folder = sweep.trials()[number]
    return folder.record(), [m.progress for m in folder.measurements()]


def display_on(stream: TextIO, *, trials: int, clock: Clock | None = None, **given: Any) -> Any:
    """A display of trials of 100 MFLOP each, whose time stands still unless it has a clock."""
    settings = {"training_flops_per_trial": 100_000_000, "time_limit": None, **given}
    return ProgressDisplay(trials=trials, stream=stream, clock=clock or Clock(), **settings)


def end(state: TrialState, reason: str) -> Outcome:
    return Outcome(state=state, reason=reason, ended=1_790_000_000.0)


def test_a_line_for_each_event(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(TrialState.COMPLETE, TrialState.STOPPED, TrialState.FAILED)
    first, reports = record_and_reports(sweep, 0)
    second, few_reports = record_and_reports(sweep, 1)
    third, _ = record_and_reports(sweep, 2)
    stream, clock = io.StringIO(), Clock()
    display = display_on(stream, trials=3, clock=clock)
    with display:
        display.trial_started(first)
        display.trial_started(second, resumed=True)
        for progress in reports[:2]:
            clock.now += 30
            display.trial_measured(first, progress)
        display.trial_measured(second, few_reports[-1])
        display.trial_ended(
            second, end(TrialState.STOPPED, "beaten at the rung at 50% of the training budget")
        )
        clock.now += 65
        display.trial_measured(first, reports[-1])
        display.trial_ended(first, end(TrialState.COMPLETE, "the training budget was spent"))
        display.trial_started(third)
        display.trial_ended(third, end(TrialState.FAILED, "the loss was nan\nat step 3"))
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
            record, reports = record_and_reports(sweep, number)
            display.trial_started(record)
            for progress in reports[:2]:
                display.trial_measured(record, progress)
            if number != 2:
                outcome = sweep.trials()[number].outcome()
                assert outcome
                display.trial_ended(record, outcome)
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
    record, reports = record_and_reports(make_sweep(None), 0)
    clock = Clock()
    with display_on(terminal.stream, trials=2, clock=clock) as display:
        display.trial_started(record)
        clock.now += 60
        display.trial_measured(record, reports[1])
        display.trial_ended(record, end(TrialState.PAUSED, "others come first"))
    *_, last = terminal.screens().rsplit("trials", 1)
    lines = terminal_lines(last)
    assert lines[0] == "0 complete, 0 running, 0 stopped, 0 failed, 1 paused of 2"
    assert lines[-1] == "time 1 min, about 3 min left", "half a trial and a whole one"


def test_failures_and_notes_stay_above_the_block(
    make_sweep: MakeSweep, terminal: Terminal
) -> None:
    sweep = make_sweep(TrialState.FAILED)
    record, _ = record_and_reports(sweep, 0)
    display = display_on(terminal.stream, trials=1, time_limit=60)
    with display:
        display.trial_started(record)
        display.note("a word [in brackets]")
        display.trial_ended(record, end(TrialState.FAILED, "the loss was nan"))
    lines = terminal_lines(terminal.screens())
    assert "a word [in brackets]" in lines
    assert any(line.endswith("trial 0 failed: the loss was nan") for line in lines)
    assert "time 0.0 s, about 1 min left" in lines


def test_many_running_trials_stay_few_lines(make_sweep: MakeSweep, terminal: Terminal) -> None:
    record, _ = record_and_reports(make_sweep(None), 0)
    display = display_on(terminal.stream, trials=50)
    with display:
        for number in range(50):
            display.trial_started(replace(record, number=number))
    lines = terminal_lines(terminal.screens())
    assert lines[-1] == "and 42 more"


def test_events_from_many_threads(make_sweep: MakeSweep, terminal: Terminal) -> None:
    record, reports = record_and_reports(make_sweep(None), 0)
    display = display_on(terminal.stream, trials=8)

    def trial(number: int) -> None:
        mine = replace(record, number=number)
        display.trial_started(mine)
        for progress in reports:
            display.trial_measured(mine, progress)
            display.note(f"note of {number}")
            time.sleep(0.05)  # so that the block is drawn meanwhile
        display.trial_ended(mine, end(TrialState.FAILED, "it broke"))

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
    record, reports = record_and_reports(make_sweep(TrialState.COMPLETE), 0)
    plain = replace(reports[0], curve=None)
    stream, clock = io.StringIO(), Clock()
    display = display_on(stream, trials=1, clock=clock)
    for passed in (30, 29, 1, 30, 31):
        clock.now += passed
        display.trial_measured(record, plain)
    lines = stream.getvalue().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["[1 min", "[2 min 1 s"]
    assert "trial 0 at 45.0 %: loss" in lines[0]
