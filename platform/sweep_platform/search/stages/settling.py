"""What becomes of a job that ended: in the records first, then in what runs next."""

from collections.abc import Callable

from sweep_platform.plan.budget import Budget
from sweep_platform.search.losses import WORKER_RETRIES, Losses
from sweep_platform.search.recovery import WAITS
from sweep_platform.search.search import Search
from sweep_platform.search.stages.agenda import SPENT, Agenda
from sweep_platform.search.stages.halt import Halt
from sweep_platform.search.stages.jobs import OpenTrial
from sweep_platform.search.stages.live import Display, Live
from sweep_platform.search.stages.resting import Resting
from sweep_platform.store.messages import Decision, Failure, Fault
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.trial import TrialState


class Settling:
    """Ends jobs, lets them go on later, and ends the trials of which nothing is left.

    `decide` lets the worker of a job know of a decision. Where the session `stores` checkpoints
    away from the folder, the last one of a worker that broke off may be missing, though its last
    report is there. Trials were `cut_short` if they ended for want of time.
    """

    def __init__(
        self,
        search: Search,
        budget: Budget,
        display: Display,
        agenda: Agenda,
        losses: Losses,
        resting: Resting,
        halt: Halt,
        decide: Callable[[Live, Decision, str], None],
        *,
        stores: bool = False,
    ) -> None:
        self.cut_short = False
        self._search, self._budget, self._display = search, budget, display
        self._agenda, self._losses, self._resting = agenda, losses, resting
        self._halt, self._decide, self._stores = halt, decide, stores

    def as_reported(self, live: Live, *, whole: bool) -> bool:
        """End a job by its own reports and what was decided on it; False if they do not tell.

        `whole` is whether its worker came to its own end. One that broke off after its last report
        goes on where its checkpoint may be missing, unless it was to stop.
        """
        unsaved = self._stores and not whole and live.decision is not Decision.STOP
        if live.failure is not None:
            self.settle(live, TrialState.FAILED, live.failure.reason)
        elif live.spent and unsaved:
            return False
        elif live.spent:
            self.settle(live, TrialState.COMPLETE, SPENT)
        elif live.late and live.decision is Decision.STOP:
            self.cut(live)
        elif live.decision is Decision.STOP:
            self.settle(live, TrialState.STOPPED, live.reason)
        else:
            return False
        return True

    def settle(self, live: Live, state: TrialState, reason: str) -> None:
        """End or pause a job, and its trial with the last one."""
        outcome = self._search.outcomes.end_replicate(live.folder, state, reason)
        if state.is_final:
            self._budget.spending.ended(live.job.key, complete=state is TrialState.COMPLETE)
        self._display.job_ended(live.job, outcome)
        if state is TrialState.PAUSED:
            self._search.jobs.requeue(live.job)
        elif (opened := self._search.jobs.ended(live.job)) is not None:
            self._agenda.end(opened)

    def cut(self, live: Live) -> None:
        """End a replicate for want of time; one that tunes or confirms goes on at resume."""
        self.cut_short = True
        measures = live.job.replicate.purpose is Purpose.MEASURE
        state = TrialState.STOPPED if measures else TrialState.PAUSED
        self.settle(live, state, self._agenda.why.words)

    def cut_waiting(self, opened: OpenTrial) -> None:
        """End a trial whose last replicates have no time left to go on or to begin.

        One of which nothing was measured yet, or that was to be confirmed, goes on at resume; one
        that is paused at a rung stays so.
        """
        self.cut_short = True
        if self._search.jobs.is_held(opened.record):
            return
        if opened.purpose is not Purpose.MEASURE or not opened.trial.replicates(Purpose.MEASURE):
            return
        self._agenda.end_waiting(opened.drop_waiting(), self._agenda.why.words)
        self._agenda.end(self._search.jobs.close(opened))

    def fail(self, live: Live, failure: Failure) -> None:
        """Take note of why a job's work breaks off; it is settled when its worker has ended."""
        if failure.fault is not Fault.TRIAL:
            live.loss = failure
            if failure.fault is Fault.MACHINE and not self._losses.elsewhere(live.place):
                self._halt(failure.reason)
                self._decide(live, Decision.PAUSE, failure.reason)
            return
        live.failure = failure
        if failure.traceback is not None:
            try:
                live.folder.write_error(failure.traceback)
            except OSError as error:  # the reason is recorded all the same
                self._display.note(f"the traceback of {live.job.words} is lost: {error}")

    def lose(self, live: Live, lost: Failure) -> None:
        """Let a job whose work broke off go on, but not for ever where it may be at fault."""
        job, loss = live.job.key, live.loss or lost
        if self._halt.halted:
            self.requeue(live, loss.reason)
            return
        if live.loss is not None and loss.fault is Fault.MACHINE:
            self._losses.lacked(job, live.place, loss.reason)
        elif (times := self._losses.ended(job, live.place, loss)) > WORKER_RETRIES:
            where = f", last on host {live.place.host}" if live.place else ""
            reason = f"{loss.reason}, {times} times over{where}"
            if loss.fault is Fault.WORKER:
                end = (TrialState.COMPLETE, SPENT) if live.spent else (TrialState.FAILED, reason)
                self.settle(live, *end)
                return
            self._halt(reason)
        self.requeue(live, loss.reason, self._losses.rest(job))

    def requeue(self, live: Live, reason: str, rest: float = 0.0) -> None:
        """Let a job go on when its turn comes, after a rest of so many seconds.

        One whose trial is paused at a rung pauses: nothing that it lost is needed before.
        """
        if self._search.jobs.is_held(live.job.record):
            self.settle(live, TrialState.PAUSED, WAITS)
            return
        when = " at the next --resume" if self._halt.ending else ""
        self._display.note(f"{live.job.words} goes on{when}: {reason}")
        if rest and not self._halt.ending:
            self._resting.add(live.job, rest)
        else:
            self._agenda.put_back(live.job)
