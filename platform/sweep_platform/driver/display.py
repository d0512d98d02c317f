"""The display of a sweep while it runs: a live block in a terminal, else one line per event."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hrm.progress import Progress
from puzzle_datasets.common.page import printable
from puzzle_datasets.common.text import flops, percent, seconds
from sweep_platform.common.text import knobs
from sweep_platform.driver.progress import SweepProgress, TrialProgress
from sweep_platform.store.trial import Outcome, TrialFolder, TrialRecord, TrialState

_MOST_LINES = 8
"""Running trials that get a line of their own."""

_QUIET_SECONDS = 60.0
"""Time without a line after which any report gets one."""

_STATES = (TrialState.COMPLETE, TrialState.RUNNING, TrialState.STOPPED, TrialState.FAILED)
"""States that are counted in the block also where no trial is in them."""


class ProgressDisplay:
    """Counts, best accuracy, budget and time left of a sweep; events may come from any thread.

    The arguments are those of `SweepProgress`, and where to write: standard output by default.
    """

    def __init__(
        self,
        *,
        trials: int,
        training_flops_per_trial: int,
        time_limit: float | None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        each = training_flops_per_trial
        self._sweep = SweepProgress(trials, each, time_limit, clock, began=clock())
        self._stream = stream or sys.stdout
        self._lock = threading.RLock()
        self._exit = ExitStack()
        self._console: Console | None = None
        self._spoke = clock()

    def __enter__(self) -> Self:
        self._sweep.began = self._sweep.clock()
        if self._stream.isatty():
            self._console = Console(file=self._stream)
            live = Live(console=self._console, get_renderable=self._block, refresh_per_second=4)
            self._exit.enter_context(live)
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was found."""
        self._exit.close()

    def restore(self, folder: TrialFolder) -> None:
        """Count, without a line, what a trial did in an earlier session."""
        with self._lock:
            self._sweep.restore(folder)

    def trial_started(self, record: TrialRecord, resumed: bool = False) -> None:
        """A trial began to run, or goes on where it was left."""
        with self._lock:
            self._sweep.trial(record).state = TrialState.RUNNING
            word = "resumed" if resumed else "started"
            self._line(f"trial {record.number} {word}: {knobs(record.knobs)}")

    def trial_measured(self, record: TrialRecord, progress: Progress) -> None:
        """A trial reported; an evaluation gets a line, any report after a minute without one."""
        with self._lock:
            self._sweep.trial(record).measured(progress)
            quiet = self._sweep.clock() - self._spoke >= _QUIET_SECONDS
            if progress.curve or quiet:
                done = percent(progress.step / progress.total_steps)
                found = f"trial {record.number} at {done}: loss {progress.loss:.3g}"
                if curve := progress.curve:
                    found += f", exact accuracy {percent(curve.exact_accuracy[-1])}"
                    found += f" at {flops(curve.inference_flops[-1])}"
                self._line(found)

    def trial_ended(self, record: TrialRecord, outcome: Outcome) -> None:
        """A trial ended or paused. In a terminal only failures stay on the screen."""
        with self._lock:
            self._sweep.trial(record).state = outcome.state
            text = f"trial {record.number} {outcome.state}: {outcome.reason}"
            self._line(text)
        if outcome.state is TrialState.FAILED:
            self._print(text)

    def note(self, text: str) -> None:
        """Say something that is no event of a trial, on one line."""
        with self._lock:
            self._line(text)
        self._print(text)

    def _line(self, text: str) -> None:
        """One line with the running totals, where there is no terminal."""
        if self._console is None:
            line = f"[{', '.join(_totals(self._sweep))}] {_one_line(text)}"
            print(line, file=self._stream, flush=True)
            self._spoke = self._sweep.clock()

    def _print(self, text: str) -> None:
        """A line above the live block. Never under our lock: the block is drawn under rich's."""
        if self._console is not None:
            self._console.print(Text(_one_line(text)))

    def _block(self) -> Group:
        with self._lock:
            table = Table.grid(padding=(0, 2))
            for name, text in _rows(self._sweep).items():
                table.add_row(Text(name, style="bold"), Text(text))
            running = [t for t in self._sweep.trials.values() if t.state is TrialState.RUNNING]
            lines = [_trial_line(trial) for trial in running[:_MOST_LINES]]
            if len(running) > _MOST_LINES:
                lines.append(f"  and {len(running) - _MOST_LINES} more")
            return Group(table, *(Text(x, no_wrap=True, overflow="ellipsis") for x in lines))


def _totals(sweep: SweepProgress) -> list[str]:
    """The totals that go with each line."""
    totals = [
        seconds(sweep.elapsed),
        f"{len(sweep.trials) - len(sweep.going_on)}/{sweep.total} trials",
        f"{percent(sweep.share)} of the budget",
    ]
    if (best := sweep.best) and best.curve:
        totals.append(f"best {percent(best.accuracy)} at {flops(best.curve.inference_flops[-1])}")
    if left := sweep.time_left():
        totals.append(f"{seconds(left)} left")
    return totals


def _rows(sweep: SweepProgress) -> dict[str, str]:
    """The totals of the block, by their names."""
    counts = Counter(trial.state for trial in sweep.trials.values())
    left, accuracy = sweep.time_left(), "none yet"
    states = [*_STATES, *([TrialState.PAUSED] if counts[TrialState.PAUSED] else [])]
    if (best := sweep.best) and best.curve:
        cost = flops(best.curve.inference_flops[-1])
        accuracy = f"{percent(best.accuracy)} exact at {cost} per puzzle, "
        accuracy += knobs(best.record.knobs)
    spent = f"{flops(sweep.spent)} of {flops(sweep.budget)} for training"
    remaining = "" if left is None else f", about {seconds(left)} left"
    return {
        "trials": f"{', '.join(f'{counts[s]} {s}' for s in states)} of {sweep.total}",
        "best": accuracy,
        "budget": f"{spent}, {percent(sweep.share)}",
        "time": f"{seconds(sweep.elapsed)}{remaining}",
    }


def _trial_line(trial: TrialProgress) -> str:
    text = f"  trial {trial.record.number}  {knobs(trial.record.knobs)}"
    if trial.last:
        text += f"  {percent(trial.last.step / trial.last.total_steps)}"
        text += f"  loss {trial.last.loss:.3g}"
    if trial.curve:
        text += f"  accuracy {percent(trial.accuracy)}"
    return text


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))
