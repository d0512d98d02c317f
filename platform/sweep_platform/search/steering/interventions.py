"""What a person may change in a session that runs: its trials, and whether it goes on."""

from collections.abc import Callable, Mapping
from pathlib import Path

from sweep_platform.plan.budget import Budget, Limit
from sweep_platform.search.search import Search
from sweep_platform.search.stages.agenda import Agenda
from sweep_platform.search.stages.jobs import OpenTrial
from sweep_platform.search.stages.live import Live
from sweep_platform.search.stages.resting import Resting
from sweep_platform.search.stages.settling import Settling
from sweep_platform.search.studies.study import PROMOTED, TAKEN_UP
from sweep_platform.store.messages import Decision
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.trial import ReplicateFolder, TrialFolder, TrialState


class Interventions:
    """Carries out what was asked for, each so that the records alone tell of it.

    All calls come from the driver's one thread. `decide` lets the worker of a live job know of a
    decision, whatever was decided before. `paused` is why no job starts, None where they do.
    """

    def __init__(
        self,
        search: Search,
        budget: Budget,
        live: Mapping[str, Live],
        agenda: Agenda,
        settling: Settling,
        resting: Resting,
        decide: Callable[[Live, Decision, str], None],
    ) -> None:
        self.paused: str | None = None
        self._search, self._budget, self._live = search, budget, live
        self._agenda, self._settling, self._resting = agenda, settling, resting
        self._decide = decide

    def pause(self, reason: str) -> None:
        """Let running jobs save a checkpoint and rest; nothing begins until the sweep goes on.

        Its time stands still meanwhile.
        """
        self.paused = reason
        self._budget.hold()
        for live in self._live.values():
            if live.decision is Decision.CONTINUE:
                self._decide(live, Decision.PAUSE, reason)

    def go_on(self) -> None:
        """Let jobs start again."""
        self.paused = None
        self._budget.go_on()

    def reconsider(self) -> None:
        """Look anew for what may start: a limit was raised."""
        self._agenda.search_on()

    def forbids(self, *, new: bool) -> Limit | None:
        """The limit that leaves nothing for one job more of the search; None if none does."""
        return self._agenda.forbids(new=new)

    def stop(self, trial: TrialFolder, reason: str) -> None:
        """End a trial that has not ended: what runs saves a checkpoint, what waits is dropped."""
        number = trial.record().number
        self._search.withdrawn[number] = reason
        opened = self._search.jobs.of_search(number)
        if opened is None:
            self._agenda.withdraw(trial)
            return
        self._agenda.put_back(*self._resting.woken(opened.trial))
        self._agenda.end_waiting(opened.drop_waiting(), reason)
        for live in self._live.values():
            if live.job.trial is opened.trial:
                self._decide(live, Decision.STOP, reason)
        if opened.done:
            self._agenda.end(self._search.jobs.close(opened))

    def promote(self, trial: TrialFolder, message: int) -> None:
        """Let a trial go on to its full budget: no rung stops it, and it comes before others.

        One that was stopped is taken up as another trial of the study, which cannot be told of the
        same one twice. Raises `OSError`.
        """
        search, record = self._search, trial.record()
        search.jobs.favour(record.number)
        if trial.outcome() is None:
            search.study.note(record.study_number, PROMOTED, message)
            search.rungs.promote(record)
            if search.jobs.is_held(record):
                self._agenda.promotion.let_go(record)
                self._agenda.search_on()
            self.taken_up(trial, message)
            return
        number = search.study.again(
            record.parameters, record.signature, record.study_number, promoted=message
        )
        trial.begin_again(number)
        self._take_up(trial, record.study_number)
        self.taken_up(trial, message)
        if search.jobs.of_search(record.number) is None:
            self._conclude(trial)

    def taken_up(self, trial: TrialFolder, message: int) -> None:
        """Note that a trial was promoted, so that its next end counts."""
        self._search.study.note(trial.record().study_number, TAKEN_UP, message)

    def _take_up(self, trial: TrialFolder, before: int) -> None:
        """Let the replicates of a promoted trial wait that lack something of their training."""
        search, record = self._search, trial.record()
        search.withdrawn.pop(record.number, None)
        search.settled.discard(record.number)
        search.rungs.promote(record, before)
        search.proposer.renumber(record)
        search.jobs.favour(record.number)
        for one in stopped_replicates(trial):
            one.begin_again()
            last, flops = one.last_measurement(), float(record.training_flops)
            spent = last.progress if last else None
            self._budget.spending.goes_on(one.key, flops, spent, one.reused())
        wanted = search.screening.wanted(record)
        lacking = [one for one in wanted if not _ended(trial.replicate(one.label))]
        if lacking and search.jobs.of_search(record.number) is None:
            search.jobs.add(trial, lacking, len(search.replicates))
        self._agenda.search_on()

    def _conclude(self, trial: TrialFolder) -> None:
        """End a promoted trial that lacks nothing: it was trained whole before it was stopped."""
        self._agenda.end(
            OpenTrial(
                trial=trial,
                record=trial.record(),
                purpose=Purpose.MEASURE,
                wanted=len(self._search.replicates),
                waiting=[],
            )
        )

    def begin(self, point: list[TrialFolder]) -> None:
        """Let the trials of a point that was added run next."""
        for trial in point:
            self._search.jobs.favour(trial.record().number)
        self._agenda.begin(point)


def stopped_replicates(trial: TrialFolder) -> list[ReplicateFolder]:
    """The replicates that measure a trial and were stopped."""
    ends = [(one, one.outcome()) for one in trial.replicates(Purpose.MEASURE)]
    return [one for one, end in ends if end is not None and end.state is TrialState.STOPPED]


def lost_checkpoint(trial: TrialFolder, kept: Callable[[str], bool]) -> Path | None:
    """The folder of a stopped replicate that trained and whose checkpoint is not kept."""
    for one in stopped_replicates(trial):
        if one.last_step and not kept(f"{trial.root.name}/{one.label}"):
            return one.root
    return None


def _ended(folder: ReplicateFolder) -> bool:
    end = folder.outcome() if folder.exists() else None
    return end is not None and end.state.is_final
