"""The display of a sweep while it runs: a live block in a terminal, else one line per event."""

import sys
import threading
import time
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
from sweep_platform.driver.display.progress import SweepProgress, TrialProgress
from sweep_platform.plan.budget import Budget
from sweep_platform.search.stages.live import Job
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
    `load` says in words how busy a cluster is, and how many trials each node has; `bill` says what
    is spent of limits. Both may be called from any thread.
    """

    def __init__(
        self,
        *,
        trials: int,
        jobs: int,
        training_flops_per_job: int,
        time_limit: float | None,
        replicates: int = 1,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sweep = SweepProgress(
            trials,
            jobs,
            training_flops_per_job,
            time_limit,
            clock,
            began=clock(),
            replicates=replicates,
        )
        self._stream = stream or sys.stdout
        self._lock = threading.RLock()
        self.load: Callable[[], list[str]] = list
        self.bill: Callable[[], str] = str
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

    def planned(self, trials: int, jobs: int) -> None:
        """Count on another number of trials, and of their replicates, from now on."""
        with self._lock:
            self._sweep.total, self._sweep.jobs = trials, jobs

    def follow(self, budget: Budget) -> None:
        """Tell what is left by a budget, which may be extended and stands still in pauses."""
        with self._lock:
            before = budget.seconds
            self._sweep.budget_left = lambda: budget.seconds_left
            self._sweep.worked = lambda: budget.seconds - before
            self.bill = budget.words

    def restore(self, folder: TrialFolder) -> None:
        """Count, without a line, what a trial did in an earlier session."""
        with self._lock:
            self._sweep.restore(folder)

    def job_started(self, job: Job, resumed: bool = False) -> None:
        """A replicate began to run, or goes on where it was left."""
        with self._lock:
            with self._sweep.changing(job.record) as trial:
                if job.replicate.purpose.of_search:
                    trial.state = TrialState.RUNNING
                state = trial.job(job.replicate.label)
                state.running, state.ended = True, False
            word = "resumed" if resumed else "started"
            self._line(f"{job.words} {word}: {knobs(job.record.knobs)}")

    def job_measured(self, job: Job, progress: Progress) -> None:
        """A replicate reported; evaluations get a line, any report after a minute without one."""
        with self._lock:
            with self._sweep.changing(job.record) as trial:
                trial.job(job.replicate.label).measured(progress)
            quiet = self._sweep.clock() - self._spoke >= _QUIET_SECONDS
            if progress.curve or quiet:
                done = percent(progress.step / progress.total_steps)
                found = f"{job.words} at {done}: loss {progress.loss:.3g}"
                if curve := progress.curve:
                    found += f", exact accuracy {percent(curve.exact_accuracy[-1])}"
                    found += f" at {flops(curve.inference_flops[-1])}"
                self._line(found)

    def job_ended(self, job: Job, outcome: Outcome) -> None:
        """A replicate ended or paused. In a terminal only failures stay on the screen."""
        text = f"{job.words} {outcome.state}: {outcome.reason}"
        with self._lock:
            with self._sweep.changing(job.record) as trial:
                state = trial.job(job.replicate.label)
                state.running, state.ended = False, outcome.state.is_final
                runs = any(one.running for one in trial.jobs.values())
                if outcome.state is TrialState.PAUSED and not runs:
                    trial.state = TrialState.PAUSED
            if not job.is_all or not outcome.state.is_final:  # the trial ends with it
                self._line(text)
        if outcome.state is TrialState.FAILED and not job.is_all:
            self._print(text)

    def trial_ended(self, record: TrialRecord, outcome: Outcome) -> None:
        """All replicates of a trial ended."""
        with self._lock:
            with self._sweep.changing(record) as trial:
                trial.state = outcome.state
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
            totals = [*_totals(self._sweep), *filter(None, [self.bill()]), *self.load()[:1]]
            line = f"[{', '.join(totals)}] {_one_line(text)}"
            print(line, file=self._stream, flush=True)
            self._spoke = self._sweep.clock()

    def _print(self, text: str) -> None:
        """A line above the live block. Never under our lock: the block is drawn under rich's."""
        if self._console is not None:
            self._console.print(Text(_one_line(text)))

    def _block(self) -> Group:
        with self._lock:
            table = Table.grid(padding=(0, 2))
            rows = _rows(self._sweep)
            if bill := self.bill():
                rows["bill"] = bill
            if load := self.load():
                rows["cluster"] = "; trials: ".join(load)
            for name, text in rows.items():
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
        f"{sweep.ended}/{sweep.total} trials",
        f"{percent(sweep.share)} of the budget",
    ]
    if best := sweep.best:
        cost = flops(best.curves[0].inference_flops[-1])
        totals.append(f"best {percent(best.accuracy)} at {cost}")
    if left := sweep.time_left():
        totals.append(f"{seconds(left)} left")
    return totals


def _rows(sweep: SweepProgress) -> dict[str, str]:
    """The totals of the block, by their names."""
    counts, left, accuracy = sweep.states, sweep.time_left(), "none yet"
    states = [*_STATES, *([TrialState.PAUSED] if counts[TrialState.PAUSED] else [])]
    if best := sweep.best:
        cost = flops(best.curves[0].inference_flops[-1])
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
    reports = [job.last for job in trial.jobs.values() if job.last and job.running]
    if reports:
        share = min(one.step / one.total_steps for one in reports)
        text += f"  {percent(share)}  loss {max(one.loss for one in reports):.3g}"
    if trial.curves:
        text += f"  accuracy {percent(trial.accuracy)}"
    return text


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))
