"""What a session runs next: the jobs of the search, then those that confirm what it found."""

from collections.abc import Callable, Iterable

from puzzle_datasets.common.text import counted
from sweep_platform.plan.budget import Budget, Limit
from sweep_platform.plan.jobs import planned_confirmations, planned_jobs
from sweep_platform.search.inheritance.controls import ControlsToCome
from sweep_platform.search.outcomes import verdict
from sweep_platform.search.recovery import BEATEN
from sweep_platform.search.search import Search
from sweep_platform.search.stages.confirmation import after_the_search
from sweep_platform.search.stages.jobs import OpenTrial
from sweep_platform.search.stages.live import Display, Job
from sweep_platform.search.stages.promotion import Promotion
from sweep_platform.store.messages import Decision
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.trial import (
    Outcome,
    ReplicateFolder,
    TrialFolder,
    TrialRecord,
    TrialState,
)

SPENT = "the training budget was spent"


class Agenda:
    """Hands out jobs as budget and time allow, and ends trials of which nothing is left to run.

    `capacity` says how many jobs may run at the same time, `say` tells a person a sentence, once.
    It is `short_of` the limit for which a job did not start, None if there was none, and
    `exhausted` once there was no job to hand out, until one is put back or ends. Trials were
    `cut_short` if a limit kept them from being promoted.
    """

    def __init__(
        self,
        search: Search,
        budget: Budget,
        display: Display,
        capacity: Callable[[], int],
        say: Callable[[str], None],
    ) -> None:
        self._search, self._budget, self._display = search, budget, display
        self._jobs, self._capacity, self._say = search.jobs, capacity, say
        self._confirming = self.cut_short = False
        self.promotion = Promotion(search, budget)
        self._controls = ControlsToCome(search.folder, search.spec)
        of_one = planned_jobs(search.spec, 1)
        self._of_a_point = of_one.tune + of_one.measure
        self.short_of: Limit | None = None
        self.exhausted = False

    def next(self, running: Iterable[Job]) -> Job | None:
        """The next job; None where budget, time or space have no more, or it waits for others."""
        searches = any(job.replicate.purpose.of_search for job in running)
        job = self._search_job() or self._last_promoted(searches) or self._confirming_job(searches)
        self.exhausted = job is None
        return job

    def put_back(self, *jobs: Job) -> None:
        """Let jobs wait for their turn."""
        for job in jobs:
            self._jobs.requeue(job)
            self.exhausted = False

    def _search_job(self) -> Job | None:
        """The next job of the search, which leaves the time that confirmation needs.

        Poor trials wait for new points, but only as many as jobs may run: the study learns of a
        trial when that ends. Those that are promoted come before new points.
        """
        if self._confirming:
            return None
        if self._is_short(later=self._later()):
            return self._paid_for() or self._promoted()
        return (
            self._jobs.next(any_trial=False)
            or self._jobs.overdue(max(1, self._capacity()))
            or self._promoted()
            or self._of_new_point()
            or self._jobs.next(any_trial=True)
        )

    def _promoted(self, *, last: bool = False) -> Job | None:
        """A job of a paused trial that goes on; see `Promotion.next`."""
        at_once, more = max(1, self._capacity()), self._may_come
        return self.promotion.next(later=self._later(), at_once=at_once, more=more, last=last)

    def _last_promoted(self, searches: bool) -> Job | None:
        """A job of a trial that goes on when no other will come to its rung; others end then.

        Where a limit ends the search before its last point, or before all are promoted that are to
        be, the others stay paused: the limit may be raised.
        """
        if self._confirming or searches or not self._jobs.holds_back:
            return None
        if (job := self._promoted(last=True)) is not None:
            return job
        if (limit := self.promotion.short_of or self._cuts_search()) is not None:
            self.cut_short = True
            self._tell_of(limit)
            held = counted(len(self._jobs.held), "trial")
            self._say(f"{held} stay paused at rungs, and may be promoted once {limit} is raised")
            return None
        for opened, reason in self.promotion.never():
            self.end_waiting(opened.drop_waiting(), reason)
            self.end(self._jobs.close(opened))
        return None

    def _of_new_point(self) -> Job | None:
        """The first job of a new point; None where the budget or the space has no more."""
        if self._forbidden(new=True, later=self._later()) is not None:
            return None
        if (limit := self._lacks_for_a_point()) is not None:
            self._tell_of(limit)
            return None
        if not self._search.may_propose:  # nor is it told yet whether the search is over
            return None
        if (over := self._search.over) is not None:
            self._say(f"no new trial begins: {over}")
            return None
        point = self._search.proposer.propose()
        if not point:
            return None
        self.begin(point)
        return self._jobs.next(any_trial=False)

    def begin(self, point: list[TrialFolder]) -> None:
        """Begin with the trials of a new point; their jobs wait."""
        self._budget.begin_trial()
        self.search_on()
        self._advance(point)

    def search_on(self) -> None:
        """Look anew for work of the search, also where confirmation had begun.

        What waits to be confirmed is chosen anew, once nothing of the search is left.
        """
        self.exhausted = False
        self._controls.forget()
        if self._confirming:
            self._confirming = False
            for purpose in (Purpose.CONFIRM, Purpose.CONTROL):
                self._jobs.set_aside(purpose)

    def forbids(self, *, new: bool) -> Limit | None:
        """The limit that leaves nothing for one job more of the search; None if none does."""
        return self._forbidden(new=new, later=self._later())

    def _confirming_job(self, searches: bool) -> Job | None:
        """The next job that confirms or controls, once nothing of the search waits or runs."""
        spec = self._search.spec
        late = self._forbidden(later=self._later()) is not None
        waits = searches or (self._jobs.searching and not late)
        if waits or (spec.confirm is None and spec.inherit is None):
            return None
        if self._is_short():
            return self._paid_for(confirms=True)
        if not self._confirming:
            self._confirming = True
            for trial, lacking in after_the_search(self._search.folder, spec):
                confirms = lacking[0].purpose is Purpose.CONFIRM
                of = spec.confirm if confirms and spec.confirm is not None else spec
                self._jobs.add(trial, lacking, of.replicates)
        return self._jobs.next(any_trial=True, confirms=True)

    @property
    def why(self) -> Limit:
        """The limit for which trials end that nothing else has ended."""
        return self._budget.exhausted or self.short_of or Limit.TIME

    def _later(self) -> int:
        """The number of jobs that confirmation and controls may need."""
        search, more = self._search, self._points_left
        later = planned_confirmations(search.spec, self._budget.trials + more)
        if search.spec.inherit is not None:
            heirs = max(0, more - (not self._budget.trials))  # the first has no ancestor
            later += self._controls.most(search.proposer.points, heirs)
        return later

    @property
    def _points_left(self) -> int:
        """The number of points that may yet be begun."""
        if self._search.convergence.told is not None:
            return 0
        there = self._search.points_there - self._budget.trials
        return int(max(0, min(self._budget.trials_left, there)))

    def _forbidden(self, *, new: bool = False, later: int = 0) -> Limit | None:
        return self._budget.forbids(new=new, later=later, at_once=max(1, self._capacity()))

    def _lacks_for_a_point(self) -> Limit | None:
        """The limit that does not pay for a new point's jobs beside all that are to be run."""
        waiting = self._jobs.count(lambda key: not self._budget.spending.is_open(key))
        waiting += self._may_come
        return self._budget.forbids_jobs(self._later() + waiting + self._of_a_point)

    def _cuts_search(self) -> Limit | None:
        """The limit for which a point does not begin that is yet to; None where none does."""
        if not self._points_left:
            return None
        return self._forbidden(later=self._later()) or self._lacks_for_a_point()

    @property
    def _may_come(self) -> int:
        """The number of jobs that trials under way may get, by their first replicates."""
        found = (one.record for one in self._jobs if one.purpose.of_search)
        under_way = (record for record in found if not self._jobs.is_held(record))
        return self._search.screening.may_come(under_way)

    def _is_short(self, later: int = 0) -> bool:
        """Whether time, or what else is limited, has nothing left for a new job; says so."""
        limit = self._forbidden(later=later)
        if limit is None:
            return False
        if later:
            self.short_of = limit
            self._say(f"what is left is for confirmation; see {limit}")
        else:
            self._tell_of(limit)
        return True

    def _tell_of(self, limit: Limit) -> None:
        self.short_of = limit
        if limit is Limit.TIME:
            self._say(f"no trial starts that would not end in time; see {limit}")
        else:
            self._say(f"no trial starts that could not be paid for to its end; see {limit}")

    def _paid_for(self, *, confirms: bool = False) -> Job | None:
        """A job that waits and had begun, for which all but time was kept."""
        if self.short_of is Limit.TIME:
            return None
        return self._jobs.next_of(self._budget.spending.is_open, confirms=confirms)

    def _advance(self, point: list[TrialFolder]) -> None:
        """Let the next round of a point's trials wait; some may end without it."""
        for trial, outcome in self._search.advance(point):
            if trial.replicates(Purpose.MEASURE):
                self._learn(trial.record(), trial, outcome)
            self._display.trial_ended(trial.record(), outcome)

    def end_waiting(self, waiting: Iterable[ReplicateFolder], reason: str) -> None:
        """End replicates that had begun and do not run: stopped, but for a spent budget."""
        for folder in waiting:
            spent = any(one.progress.spent for one in folder.measurements())
            end = (TrialState.COMPLETE, SPENT) if spent else (TrialState.STOPPED, reason)
            self._search.outcomes.end_replicate(folder, *end)
            if self._budget.spending.is_open(folder.key):
                self._budget.spending.ended(folder.key, complete=spent)

    def end(self, opened: OpenTrial) -> None:
        """Settle a trial of which no replicate of a purpose waits or runs any more."""
        self._search.answers(opened.trial).merge()
        if opened.purpose is Purpose.TUNE:
            self._end_tuned(opened.trial, opened.record)
        elif opened.purpose is Purpose.MEASURE:
            self._end_measured(opened)

    def withdraw(self, trial: TrialFolder) -> None:
        """End a trial that a person stopped, of which nothing waits or runs."""
        self._end_tuned(trial, trial.record())

    def _end_tuned(self, trial: TrialFolder, record: TrialRecord) -> None:
        """Go on with the point of a trial that no replicate tunes any more, if it is the last."""
        if (reason := self._search.withdrawn.get(record.number)) is not None:
            outcome = self._search.outcomes.end(trial, TrialState.STOPPED, reason)
            self._display.trial_ended(record, outcome)
        point = self._search.of_point(record)
        if not self._jobs.holds(point):
            self._advance(point)

    def _end_measured(self, opened: OpenTrial) -> None:
        """End a trial, but for one that some replicates speak for and too few as yet."""
        trial, rungs = opened.trial, self._search.rungs
        wanted = self._search.screening.wanted(opened.record)
        ends = [trial.replicate(one.label).outcome() for one in wanted]
        withdrawn = self._search.withdrawn.get(opened.record.number)
        if all(one and one.state is TrialState.COMPLETE for one in ends):
            withdrawn = None  # it was done before it could be stopped, or could pause
            if rungs.is_paused(opened.record):
                rungs.end_pause(opened.record, Decision.CONTINUE)
        if self._search.is_to_be_screened(trial):
            self._advance(self._search.of_point(opened.record))
            return
        pruned = rungs.stopped(opened.record) or withdrawn is not None
        why = next((o.reason for o in ends if o and o.state is TrialState.STOPPED), withdrawn)
        found = verdict(ends, (why or BEATEN) if pruned else None) or (
            TrialState.STOPPED,
            self.why.words,
        )
        begun = any(one and one.state is TrialState.COMPLETE for one in ends)
        if begun and not pruned and found[0] is TrialState.STOPPED:
            return  # the time is up; the rest goes on at resume
        outcome = self._search.outcomes.end(trial, *found)
        self._learn(opened.record, trial, outcome)
        self._display.trial_ended(opened.record, outcome)

    def _learn(self, record: TrialRecord, trial: TrialFolder, outcome: Outcome) -> None:
        """Let rungs learn from a trial that was trained to the end what foretells that."""
        rungs = self._search.rungs
        if outcome.state is TrialState.COMPLETE and rungs.learns:
            for news in rungs.ended(record, self._search.outcomes.values(trial)):
                self._say(news)
            self._search.tell()
