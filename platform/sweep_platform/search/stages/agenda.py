"""What a session runs next: the jobs of the search, then those that confirm what it found."""

import math
from collections.abc import Callable, Iterable

from sweep_platform.plan.budget import Budget, Limit
from sweep_platform.search.outcomes import verdict
from sweep_platform.search.recovery import BEATEN
from sweep_platform.search.search import Search
from sweep_platform.search.stages.confirmation import confirmations
from sweep_platform.search.stages.jobs import OpenTrial
from sweep_platform.search.stages.live import Display, Job
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.trial import TrialFolder, TrialState

TIME_UP = "the sweep's time was up"


class Agenda:
    """Hands out jobs as budget and time allow, and ends trials of which nothing is left to run.

    `capacity` says how many jobs may run at the same time, `say` tells a person a sentence, once.
    It was `short_of_time` if a job did not start for want of it.
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
        self._confirming = False
        self.short_of_time = False

    def next(self, running: Iterable[Job]) -> Job | None:
        """The next job; None where budget, time or space have no more, or it waits for others."""
        searches = any(job.replicate.purpose is not Purpose.CONFIRM for job in running)
        return self._search_job() or self._confirming_job(searches)

    def _search_job(self) -> Job | None:
        """The next job of the search, which leaves the time that confirmation needs.

        Poor trials wait for new points, but only as many as jobs may run: the study learns of a
        trial when that ends.
        """
        if self._confirming or self._time_forbids(reserve=self._reserve()):
            return None
        return (
            self._jobs.next(any_trial=False)
            or self._jobs.overdue(max(1, self._capacity()))
            or self._of_new_point()
            or self._jobs.next(any_trial=True)
        )

    def _of_new_point(self) -> Job | None:
        """The first job of a new point; None where the budget or the space has no more."""
        if self._budget.forbids(new=True, reserve=self._reserve()) is not None:
            return None
        point = self._search.proposer.propose() if self._search.may_propose else []
        if not point:
            return None
        self._budget.begin_trial()
        self._advance(point)
        return self._jobs.next(any_trial=False)

    def _confirming_job(self, searches: bool) -> Job | None:
        """The next job that confirms, once nothing of the search waits or runs any more."""
        confirm = self._search.spec.confirm
        late = self._budget.forbids(new=False, reserve=self._reserve()) is Limit.TIME
        waits = searches or (self._jobs.searching and not late)
        if confirm is None or waits or self._time_forbids():
            return None
        if not self._confirming:
            self._confirming = True
            for trial, lacking in confirmations(self._search.folder, self._search.spec):
                self._jobs.add(trial, lacking, confirm.replicates)
        return self._jobs.next(any_trial=True, confirms=True)

    def _reserve(self) -> float:
        """Seconds that confirmation is expected to take, at the pace of the jobs so far."""
        confirm = self._search.spec.confirm
        if confirm is None:
            return 0.0
        trials = confirm.top + self._search.spec.names_base
        jobs = min(trials, self._budget.trials + self._budget.trials_left) * confirm.replicates
        return math.ceil(jobs / max(1, self._capacity())) * self._budget.job_seconds

    def _time_forbids(self, reserve: float = 0.0) -> bool:
        if self._budget.forbids(new=False, reserve=reserve) is not Limit.TIME:
            return False
        self.short_of_time = True
        if reserve:
            self._say("the time that is left is for confirmation; see budget.minutes")
        else:
            self._say("no trial starts that would not end in time; see budget.minutes")
        return True

    def _advance(self, point: list[TrialFolder]) -> None:
        """Let the next round of a point's trials wait; some may end without it."""
        for trial, outcome in self._search.advance(point):
            self._display.trial_ended(trial.record(), outcome)

    def end(self, opened: OpenTrial) -> None:
        """Settle a trial of which no replicate of a purpose waits or runs any more."""
        self._search.answers(opened.trial).merge()
        if opened.purpose is Purpose.TUNE:
            point = self._search.of_point(opened.record)
            if not self._jobs.holds(point):
                self._advance(point)
        elif opened.purpose is Purpose.MEASURE:
            self._end_measured(opened)

    def _end_measured(self, opened: OpenTrial) -> None:
        """End a trial, but for one that some replicates speak for and too few as yet."""
        trial = opened.trial
        ends = [trial.replicate(one.label).outcome() for one in self._search.replicates]
        pruned = self._search.rungs.stopped(opened.record)
        why = next((o.reason for o in ends if o and o.state is TrialState.STOPPED), None)
        found = verdict(ends, (why or BEATEN) if pruned else None) or (TrialState.STOPPED, TIME_UP)
        begun = any(one and one.state is TrialState.COMPLETE for one in ends)
        if begun and not pruned and found[0] is TrialState.STOPPED:
            return  # the time is up; the rest goes on at resume
        outcome = self._search.outcomes.end(trial, *found)
        self._display.trial_ended(opened.record, outcome)
