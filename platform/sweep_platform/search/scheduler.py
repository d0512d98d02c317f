"""The driver's decisions, free of Ray: what runs next, who goes on, when the session is over.

Ray calls in through the adapters of `sweep_platform.execution.ray_tune`. Here reports become
records: nobody else writes to a trial's folder.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hrm.progress import Measurement
from sweep_platform.plan.budget import Budget, Limit
from sweep_platform.search.live import Display, Live
from sweep_platform.search.patience import StudyLostError
from sweep_platform.search.search import Search
from sweep_platform.store.messages import Decision, Failure, Fault, TrialReport
from sweep_platform.store.trial import TrialFolder, TrialState

WORKER_RETRIES = 3
"""Times that a trial whose worker was lost goes on from its checkpoint.

Then it has failed if its workers end by themselves; for want of memory or of a host, the session
ends.
"""

GRACE_SECONDS = 60.0
"""Time that trials which are to end have for saving a checkpoint."""

_EARLY = Failure(reason="its worker ended early")
_TIME_UP = "the sweep's time was up"

WAITING_SECONDS = 30.0
"""Time without a running trial after which it is said what is waited for."""


class TrialScheduler:
    """Runs one session of a sweep. All calls come from the driver's one thread, but `interrupt`.

    `capacity` says how many trials may run at the same time, which may change; `send` lets the
    worker of a trial, by its number, know of a decision; `needs` are a trial's resources in
    words. `interrupted` tells whether a person or the system wants the session to end,
    `cut_short` whether trials ended for want of time.
    """

    def __init__(
        self,
        search: Search,
        budget: Budget,
        display: Display,
        capacity: Callable[[], int],
        send: Callable[[int, Decision], None] = lambda trial, decision: None,
        *,
        needs: str = "its resources",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.interrupted = self.cut_short = False
        self._needs, self._clock = needs, clock
        self._stirred = clock()
        self._search, self._budget, self._display = search, budget, display
        self._capacity, self._send = capacity, send
        self._live: dict[str, Live] = {}
        self._losses: Counter[int] = Counter()
        self._all_losses = 0
        self._noted: set[str] = set()
        self._exhausted = self._halted = False
        self._grace_ends: float | None = None

    @property
    def ending(self) -> bool:
        """Whether the session is to end before its work is done."""
        return self.interrupted or self._budget.expired

    @property
    def exhausted(self) -> bool:
        """Whether no trial is left to start; one that runs may be lost and wait to go on."""
        return self.ending or (self._exhausted and not self._live)

    def start(self, key: str) -> TrialFolder | None:
        """The next trial to run under Ray's name `key`, None if none can start now.

        None with `exhausted` means that none ever will.
        """
        with self._withstanding():
            return self._start(key)
        return None

    def _start(self, key: str) -> TrialFolder | None:
        if self.exhausted or self._exhausted or len(self._live) >= self._capacity():
            return None
        trial = self._next()
        if trial is None:
            self._exhausted = True
            return None
        record = trial.record()
        trial.resume()
        self._live[key] = Live(trial, record)
        self._send(record.number, Decision.CONTINUE)
        self._display.trial_started(record, resumed=trial.last_step > 0)
        return trial

    def report(self, key: str, report: TrialReport) -> None:
        """Record what a worker reported, and decide on its trial."""
        with self._withstanding():
            self._take(self._live[key], report)

    def _take(self, live: Live, report: TrialReport) -> None:
        live.began = True
        for warning in {*report.warnings} - self._noted:
            self._noted.add(warning)
            self._display.note(warning)
        if report.failure is not None:
            self._fail(live, report.failure)
        if report.session is not None:
            live.trial.begin_session(report.session)
        for measurement in live.trial.append(report.measurements):
            self._display.trial_measured(live.record, measurement.progress)
        for measurement in report.measurements:
            self._judge(live, measurement)

    def ended(self, key: str, lost: Failure | None = None) -> None:
        """Settle a trial that Ray is done with; `lost` says why, if its worker is gone.

        A trial that was settled before stays so: Ray tells of a lost one twice.
        """
        if (live := self._live.pop(key, None)) is None:
            return
        self._send(live.record.number, Decision.CONTINUE)
        with self._withstanding():
            if live.decision is Decision.PAUSE and not (lost or live.spent or live.failure):
                self._settle(live, TrialState.PAUSED, live.reason)
            elif not self._settle_as_reported(live):
                self._lose(live, lost or _EARLY)

    def all_lost(self, loss: Failure) -> None:
        """Take note that every worker is gone; it counts once, against the machine."""
        self._all_losses += 1
        if self._all_losses > WORKER_RETRIES:
            self.halt(f"{loss.reason}, {self._all_losses} times over")
        for key in list(self._live):
            live = self._live.pop(key)
            with self._withstanding():
                if not self._settle_as_reported(live):
                    self._requeue(live, loss.reason)

    def interrupt(self) -> None:
        """End the session soon; what runs goes on at resume. Safe in a signal handler."""
        self.interrupted = True
        self._search.study.hurry()

    def halt(self, reason: str) -> None:
        """End the session as an interruption would: the machine failed, not the trials."""
        if not self._halted:
            self._display.note(f"the session ends, and --resume goes on: {reason}")
        self._halted = self.interrupted = True

    @contextmanager
    def _withstanding(self) -> Iterator[None]:
        """Halt where no record can be written; what is missing is made up for at resume."""
        try:
            yield
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            self.halt(f"{place}{error.strerror or error}")
        except StudyLostError as error:
            self.halt(str(error))

    def should_end(self) -> bool:
        """Whether Ray is to end everything now.

        When the session has to end, running trials hear of it, and get some time to save.
        """
        if not self.ending:
            self._note_waiting()
            return False
        if self._grace_ends is None:
            self._grace_ends = time.monotonic() + GRACE_SECONDS
            decision = (Decision.STOP, _TIME_UP)
            if self.interrupted:
                decision = (Decision.PAUSE, "the session was interrupted")
            for live in self._live.values():
                live.late = not self.interrupted and live.decision is Decision.CONTINUE
                self._decide(live, *decision)
        saving = any(live.began for live in self._live.values())
        return not saving or time.monotonic() >= self._grace_ends

    def _note_waiting(self) -> None:
        """Say what is waited for when nothing has run for a while, and again ever so often."""
        if any(live.began for live in self._live.values()):
            self._stirred = self._clock()
        elif self._clock() - self._stirred > WAITING_SECONDS:
            self._stirred = self._clock()
            self._display.note(
                f"nothing runs: Ray has no place yet for a trial's {self._needs}, "
                "or is still starting its worker"
            )

    def close(self) -> None:
        """Settle what Ray left behind: trials cut by the clock end, interrupted ones do not."""
        with self._withstanding():
            for live in self._live.values():
                if not self._settle_as_reported(live) and not self.interrupted:
                    self._cut(live)
            for trial in () if self.interrupted else self._search.proposer.unfinished:
                waiting = Live(trial, trial.record())
                self._cut(waiting)
        self._live.clear()

    def _cut(self, live: Live) -> None:
        """End a trial for want of time."""
        self.cut_short = True
        self._settle(live, TrialState.STOPPED, _TIME_UP)

    def _settle_as_reported(self, live: Live) -> bool:
        """End a trial by its own reports and what was decided on it; False if they do not tell."""
        if live.failure is not None:
            self._settle(live, TrialState.FAILED, live.failure.reason)
        elif live.spent:
            self._settle(live, TrialState.COMPLETE, "the training budget was spent")
        elif live.late and live.decision is Decision.STOP:
            self._cut(live)
        elif live.decision is Decision.STOP:
            self._settle(live, TrialState.STOPPED, live.reason)
        else:
            return False
        return True

    def _next(self) -> TrialFolder | None:
        """The next trial to run; None where the budget or the space has no more."""
        new = not self._search.proposer.unfinished
        limit = self._budget.forbids(new=new)
        if limit is Limit.TIME:
            self._display.note("no trial starts that would not end in time; see budget.minutes")
        if limit is not None:
            return None
        if not new:
            return self._search.proposer.resume()
        trial = self._search.proposer.propose()
        if trial is not None:
            self._budget.begin_trial()
        return trial

    def _judge(self, live: Live, measurement: Measurement) -> None:
        live.last = measurement.progress
        decision = self._search.rungs.decide(live.trial, live.last)
        if decision is not Decision.CONTINUE:
            share = f"{live.last.step / live.last.total_steps:.0%}"
            self._decide(live, decision, f"beaten at the rung at {share} of the training budget")

    def _decide(self, live: Live, decision: Decision, reason: str) -> None:
        """Let a trial end, unless that was decided before."""
        if live.decision is Decision.CONTINUE:
            live.decision, live.reason = decision, reason
            self._send(live.record.number, decision)

    def _fail(self, live: Live, failure: Failure) -> None:
        if failure.fault is Fault.MACHINE:
            self.halt(failure.reason)
            self._decide(live, Decision.PAUSE, failure.reason)
            return
        live.failure = failure
        if failure.traceback is not None:
            try:
                live.trial.write_error(failure.traceback)
            except OSError as error:  # the reason is recorded all the same
                self._display.note(f"the traceback of trial {live.record.number} is lost: {error}")

    def _lose(self, live: Live, loss: Failure) -> None:
        """Let a trial whose worker is gone go on, but not for ever."""
        number = live.record.number
        self._losses[number] += not self._halted
        if self._losses[number] > WORKER_RETRIES:
            reason = f"{loss.reason}, {self._losses[number]} times over"
            if loss.fault is Fault.TRIAL:
                self._settle(live, TrialState.FAILED, reason)
                return
            self.halt(reason)
        self._requeue(live, loss.reason)

    def _requeue(self, live: Live, reason: str) -> None:
        """Let a trial go on when its turn comes."""
        self._search.proposer.requeue(live.trial)
        self._exhausted = False
        when = " at the next --resume" if self.ending else ""
        how = "goes on from its checkpoint" if live.trial.checkpoint.exists() else "begins anew"
        self._display.note(f"trial {live.record.number} {how}{when}: {reason}")

    def _settle(self, live: Live, state: TrialState, reason: str) -> None:
        outcome = self._search.outcomes.end(live.trial, state, reason)
        if state is TrialState.COMPLETE and live.last is not None:
            self._budget.complete_trial(live.last.device_seconds)
        self._display.trial_ended(live.record, outcome)
