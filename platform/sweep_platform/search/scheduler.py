"""The driver's decisions, free of Ray: what runs next, who goes on, when all is over.

Ray calls in through the adapters of `bridge`; what happens is told to the display and kept in the
study and the folder. All calls come from the driver's one thread, but for `interrupt`.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hrm.progress import Progress
from sweep_platform.search.study import SweepStudy
from sweep_platform.store.folder import Outcome, TrialFolder, TrialRecord, TrialState

WORKER_RETRIES = 3
"""How often a trial whose worker was lost goes on from its checkpoint."""


class Display(Protocol):
    """Who is told of events, in the order in which they happen."""

    def trial_started(self, record: TrialRecord, resumed: bool = False) -> None:
        """A trial begins, or goes on after an interruption."""

    def trial_measured(self, record: TrialRecord, progress: Progress) -> None:
        """A trial reported."""

    def trial_ended(self, record: TrialRecord, outcome: Outcome) -> None:
        """A trial has its outcome."""

    def note(self, text: str) -> None:
        """Something else that a person wants to know."""


@dataclass
class _Live:
    trial: TrialFolder
    record: TrialRecord
    stopped: str | None = None
    failed: str | None = None


class TrialScheduler:
    """Conducts one session of a sweep.

    Attributes:
        interrupted: whether a person or the system asked to stop.
        out_of_time: whether the sweep's minutes were up.
    """

    def __init__(
        self,
        study: SweepStudy,
        display: Display,
        capacity: Callable[[], int],
        seconds_left: float | None = None,
    ) -> None:
        self.interrupted = False
        self.out_of_time = False
        self._study = study
        self._display = display
        self._capacity = capacity
        self._deadline = None if seconds_left is None else time.monotonic() + seconds_left
        self._live: dict[str, _Live] = {}
        self._losses: Counter[int] = Counter()
        self._warned: set[str] = set()
        self._exhausted = False

    @property
    def exhausted(self) -> bool:
        """Whether no trial is left to start; one that runs may be lost and wait to go on."""
        return self.interrupted or self.out_of_time or (self._exhausted and not self._live)

    def start(self, key: str) -> TrialFolder | None:
        """The next trial to run under Ray's name `key`, None if none can start now.

        None with `exhausted` means that none ever will.
        """
        if self.exhausted or self._exhausted or len(self._live) >= self._capacity():
            return None
        in_time = self._time_for_another()
        trial = self._study.propose() if in_time else None
        if not in_time:
            self._display.note("no trial starts that would not end in time; see budget.minutes")
        if trial is None:
            self._exhausted = True
            return None
        record = trial.record()
        self._live[key] = _Live(trial, record)
        self._display.trial_started(record, resumed=trial.last_step() > 0)
        return trial

    def goes_on(self, key: str, progress: Progress) -> bool:
        """Take a report; False stops the trial."""
        live = self._live[key]
        self._display.trial_measured(live.record, progress)
        if not self._study.goes_on(live.trial, progress):
            share = progress.step / progress.total_steps
            live.stopped = f"beaten at the rung at {share:.0%} of the training budget"
        return live.stopped is None

    def failed(self, key: str, reason: str) -> None:
        """Take a trial's own word that it broke."""
        self._live[key].failed = reason

    def warned(self, text: str) -> None:
        """Pass on, once, what trials warn of."""
        if text not in self._warned:
            self._warned.add(text)
            self._display.note(text)

    def ended(self, key: str, lost: bool) -> None:
        """Settle a trial that Ray is done with; `lost` if its worker is gone."""
        live = self._live.pop(key)
        if live.failed:
            self._settle(live, TrialState.FAILED, live.failed)
        elif live.stopped:
            self._settle(live, TrialState.STOPPED, live.stopped)
        elif lost:
            self._lost(live, "its worker was lost")
        else:
            self._settle(live, TrialState.COMPLETE, "the training budget was spent")

    def all_lost(self, reason: str) -> None:
        """Take note that every worker is gone."""
        for key in list(self._live):
            self._lost(self._live.pop(key), reason)

    def _lost(self, live: _Live, reason: str) -> None:
        """Let a trial whose worker is gone go on, but not for ever."""
        number = live.record.number
        self._losses[number] += 1
        if self._losses[number] > WORKER_RETRIES:
            self._settle(live, TrialState.FAILED, f"{reason}, {self._losses[number]} times over")
            return
        self._study.requeue(live.trial)
        self._exhausted = False
        self._display.note(f"trial {number} goes on from its checkpoint: {reason}")

    def interrupt(self) -> None:
        """End the session soon; what runs goes on at resume. Safe in a signal handler."""
        self.interrupted = True

    def should_end(self) -> bool:
        """Whether everything is to stop now."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self.out_of_time = True
        return self.interrupted or self.out_of_time

    def close(self) -> None:
        """Settle what Ray left behind: trials cut by the clock end, interrupted ones do not."""
        if not self.interrupted:
            waiting = [_Live(trial, trial.record()) for trial in self._study.unfinished()]
            for live in (*self._live.values(), *waiting):
                self._settle(live, TrialState.STOPPED, "the sweep's time was up")
        self._live.clear()

    def _settle(self, live: _Live, state: TrialState, reason: str) -> None:
        outcome = self._study.end(live.trial, state, reason)
        self._display.trial_ended(live.record, outcome)

    def _time_for_another(self) -> bool:
        """Whether a trial as long as those before it would end before the deadline."""
        if self._deadline is None:
            return True
        lengths = self._study.trial_seconds()
        usual = statistics.median(lengths) if lengths else 0.0
        return time.monotonic() + usual < self._deadline
