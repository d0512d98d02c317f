"""What a person sees while a sweep runs: a live block in a terminal, else one line per event."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hrm.progress import Curve, Progress
from puzzle_datasets.common.text import flops, percent, seconds
from sweep_platform.common.text import knobs
from sweep_platform.store.trial import Outcome, TrialFolder, TrialRecord, TrialState

_SHOWN = 8
"""Running trials that get a line of their own."""


@dataclass(kw_only=True)
class _Trial:
    record: TrialRecord
    state: TrialState | None = None
    """None for a trial of an earlier session that does not run yet."""
    last: Progress | None = None
    curve: Curve | None = None
    spent: int = 0
    """Most training FLOPs told of: a trial that repeats steps after a loss spends them once."""

    @property
    def accuracy(self) -> float:
        """Exact accuracy in the last evaluation, after all segments; -1 before the first."""
        return self.curve.exact_accuracy[-1] if self.curve else -1.0

    def measured(self, progress: Progress) -> None:
        self.last = progress
        self.spent = max(self.spent, progress.training_flops)
        self.curve = progress.curve or self.curve


class ProgressDisplay:
    """Counts, best accuracy, budget and time left of a sweep; told by events, from any thread.

    Args:
        trials: trials the sweep will run in all.
        training_flops_per_trial: FLOPs one trial may spend on training.
        time_limit: seconds this session may take, None for no limit.
        stream: where to write; standard output by default.
        clock: seconds from any starting point.
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
        self._total = trials
        self._budget = trials * training_flops_per_trial
        self._time_limit = time_limit
        self._stream = stream or sys.stdout
        self._clock = clock
        self._began = clock()
        self._spent_before = 0
        self._trials: dict[int, _Trial] = {}
        self._lock = threading.RLock()
        self._exit = ExitStack()
        self._console: Console | None = None

    def __enter__(self) -> Self:
        self._began = self._clock()
        if self._stream.isatty():
            self._console = Console(file=self._stream)
            live = Live(console=self._console, get_renderable=self._block, refresh_per_second=4)
            self._exit.enter_context(live)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._exit.close()

    def restore(self, folder: TrialFolder) -> None:
        """Count, without a line, what a trial did in an earlier session."""
        with self._lock:
            outcome = folder.outcome()
            trial = _Trial(record=folder.record(), state=outcome.state if outcome else None)
            for measurement in folder.measurements():
                trial.measured(measurement.progress)
            self._trials[trial.record.number] = trial
            self._spent_before += trial.spent

    def trial_started(self, record: TrialRecord, resumed: bool = False) -> None:
        """A trial began to run, or goes on where it was left."""
        with self._lock:
            self._trial(record).state = TrialState.RUNNING
            word = "resumed" if resumed else "started"
            self._line(f"trial {record.number} {word}: {knobs(record.knobs)}")

    def trial_measured(self, record: TrialRecord, progress: Progress) -> None:
        """A trial reported; an evaluation gets a line."""
        with self._lock:
            self._trial(record).measured(progress)
            if curve := progress.curve:
                done = percent(progress.step / progress.total_steps)
                self._line(
                    f"trial {record.number} at {done}: loss {progress.loss:.3g}, exact accuracy"
                    f" {percent(curve.exact_accuracy[-1])} at {flops(curve.inference_flops[-1])}"
                )

    def trial_ended(self, record: TrialRecord, outcome: Outcome) -> None:
        """A trial has an outcome. In a terminal only failures stay on the screen."""
        with self._lock:
            self._trial(record).state = outcome.state
            text = f"trial {record.number} {outcome.state}: {outcome.reason}"
            self._line(text)
        if outcome.state is TrialState.FAILED:
            self._print(text)

    def note(self, text: str) -> None:
        """Say something that is no event of a trial, on one line."""
        with self._lock:
            self._line(text)
        self._print(text)

    def _trial(self, record: TrialRecord) -> _Trial:
        return self._trials.setdefault(record.number, _Trial(record=record))

    def _line(self, text: str) -> None:
        """One line with the running totals, where there is no terminal."""
        if self._console is None:
            totals = f"{self._ended}/{self._total} trials, {self._used} of the budget"
            if (best := self._best) and best.curve:
                cost = flops(best.curve.inference_flops[-1])
                totals += f", best {percent(best.accuracy)} at {cost}"
            if left := self._time_left():
                totals += f", {seconds(left)} left"
            line = f"[{seconds(self._elapsed)}, {totals}] {_one_line(text)}"
            print(line, file=self._stream, flush=True)

    def _print(self, text: str) -> None:
        """A line above the live block. Never under our lock: the block is drawn under rich's."""
        if self._console is not None:
            self._console.print(Text(_one_line(text)))

    @property
    def _elapsed(self) -> float:
        return self._clock() - self._began

    @property
    def _counts(self) -> Counter[TrialState | None]:
        return Counter(trial.state for trial in self._trials.values())

    @property
    def _ended(self) -> int:
        return sum(self._counts.values()) - self._counts[None] - self._counts[TrialState.RUNNING]

    @property
    def _spent(self) -> int:
        return sum(trial.spent for trial in self._trials.values())

    @property
    def _used(self) -> str:
        return percent(self._spent / self._budget if self._budget else 0.0)

    @property
    def _best(self) -> _Trial | None:
        evaluated = [trial for trial in self._trials.values() if trial.curve]
        return max(evaluated, key=lambda trial: trial.accuracy, default=None)

    def _time_left(self) -> float | None:
        """By this session's pace or by the time limit, whichever is less; None before a pace."""
        spans = []
        if self._time_limit is not None:
            spans.append(self._time_limit - self._elapsed)
        if (spent := self._spent - self._spent_before) > 0:
            spans.append(self._elapsed * self._to_spend() / spent)
        return max(0.0, min(spans)) if spans else None

    def _to_spend(self) -> int:
        """FLOPs still to come: none from trials that ended early."""
        each = self._budget // self._total if self._total else 0
        unstarted = max(0, self._total - len(self._trials))
        going_on = [t for t in self._trials.values() if t.state in (None, TrialState.RUNNING)]
        return each * unstarted + sum(max(0, each - trial.spent) for trial in going_on)

    def _block(self) -> Group:
        with self._lock:
            table = Table.grid(padding=(0, 2))
            for name, text in self._rows():
                table.add_row(Text(name, style="bold"), Text(text))
            running = [t for t in self._trials.values() if t.state is TrialState.RUNNING]
            lines = [_trial_line(trial) for trial in running[:_SHOWN]]
            if len(running) > _SHOWN:
                lines.append(f"  and {len(running) - _SHOWN} more")
            return Group(table, *(Text(x, no_wrap=True, overflow="ellipsis") for x in lines))

    def _rows(self) -> list[tuple[str, str]]:
        counts, best, left = self._counts, self._best, self._time_left()
        states = (TrialState.COMPLETE, TrialState.RUNNING, TrialState.STOPPED, TrialState.FAILED)
        trials = ", ".join(f"{counts[state]} {state}" for state in states)
        accuracy = "none yet"
        if best and best.curve:
            cost = flops(best.curve.inference_flops[-1])
            where = knobs(best.record.knobs)
            accuracy = f"{percent(best.accuracy)} exact at {cost} per puzzle, {where}"
        budget = f"{flops(self._spent)} of {flops(self._budget)} for training, {self._used}"
        remaining = "" if left is None else f", about {seconds(left)} left"
        return [
            ("trials", f"{trials} of {self._total}"),
            ("best", accuracy),
            ("budget", budget),
            ("time", f"{seconds(self._elapsed)}{remaining}"),
        ]


def _trial_line(trial: _Trial) -> str:
    text = f"  trial {trial.record.number}  {knobs(trial.record.knobs)}"
    if trial.last:
        text += f"  {percent(trial.last.step / trial.last.total_steps)}"
        text += f"  loss {trial.last.loss:.3g}"
    if trial.curve:
        text += f"  accuracy {percent(trial.accuracy)}"
    return text


def _one_line(text: str) -> str:
    return " ".join(text.split())
