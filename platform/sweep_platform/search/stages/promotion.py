"""Trials that are paused at a rung: they free their places, and are promoted later or never."""

from collections.abc import Iterator

from sweep_platform.plan.budget import Budget, Limit
from sweep_platform.search.recovery import NEVER
from sweep_platform.search.search import Search
from sweep_platform.search.stages.jobs import OpenTrial
from sweep_platform.search.stages.live import Job
from sweep_platform.store.messages import Decision
from sweep_platform.store.trial import TrialRecord


class Promotion:
    """Holds trials back that are paused at a rung, and lets those go on that are promoted.

    The decisions are those of the rungs, which keep them; here is what follows from them for jobs
    and budget. Of a trial that is paused nothing is to be paid; it is promoted if the budget pays
    for the rest of it. Trials that were to be promoted were `short_of` a limit, None if none was.
    """

    def __init__(self, search: Search, budget: Budget) -> None:
        self._search, self._budget = search, budget
        self.short_of: Limit | None = None
        for opened in search.jobs.held:
            self.hold(opened.record)

    def hold(self, record: TrialRecord) -> None:
        """Hand out no job of a trial, until it is let go."""
        self._search.jobs.hold(record)
        for job in self._jobs(record):
            self._budget.spending.pause(job.key)

    def let_go(self, record: TrialRecord) -> None:
        """Let the jobs of a trial have their turns again, if they were held back."""
        self._search.jobs.let_go(record)
        for job in self._jobs(record):
            self._budget.spending.resume(job.key)

    @property
    def due(self) -> bool:
        """Whether a paused trial is to be promoted now."""
        return next(self._search.rungs.paused.promotable(), None) is not None

    def next(self, *, later: int, at_once: int, more: int = 0, last: bool = False) -> Job | None:
        """A job of the best paused trial that may go on; None where none may, or can be paid for.

        What jobs `later` take is left, so many `at_once`, and what `more` of trials under way do.
        With `last`, no other trial will come to a rung. One that saves its checkpoint yet has its
        turn later.
        """
        self.short_of = None
        if not self._search.jobs.holds_back:
            return None
        held = {one.record.number: one for one in self._search.jobs.held if not one.running}
        for number in self._search.rungs.paused.promotable(last):
            if (opened := held.get(number)) is None:
                continue
            if (limit := self._forbids(opened, later, at_once, more)) is not None:
                self.short_of = limit
                continue
            self._search.rungs.end_pause(opened.record, Decision.CONTINUE)
            self._search.tell()
            self.let_go(opened.record)
            return opened.take()
        return None

    def never(self) -> Iterator[tuple[OpenTrial, str]]:
        """The trials that are paused at the end of the search, each with why it ends."""
        for opened in self._search.jobs.held:
            self._search.rungs.end_pause(opened.record, Decision.STOP)
            yield opened, NEVER
        self._search.tell()

    def _forbids(self, opened: OpenTrial, later: int, at_once: int, more: int) -> Limit | None:
        flops, spending = float(opened.record.training_flops), self._budget.spending
        rest = [spending.rest(job.key, flops) for job in opened.jobs]
        more += self._search.screening.may_come([opened.record])
        return self._budget.forbids_rest(rest, later=later, at_once=at_once, more=more)

    def _jobs(self, record: TrialRecord) -> list[Job]:
        opened = self._search.jobs.of_search(record.number)
        return [] if opened is None else opened.jobs
