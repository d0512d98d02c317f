"""The search of one sweep, opened: what to try next, who goes on, how trials end."""

import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from hrm.evaluation.answer_file import AnswerFile
from puzzle_datasets.common.exit_status import say
from sweep_platform.common.text import redact
from sweep_platform.search.convergence import Convergence
from sweep_platform.search.earlier.forked import Fork
from sweep_platform.search.earlier.reuse import Reuse
from sweep_platform.search.earlier.warm_start import WarmStart
from sweep_platform.search.inheritance.ancestors import Ancestors
from sweep_platform.search.micro_batches import MicroBatches
from sweep_platform.search.outcomes import Outcomes, complete_replicates, verdict
from sweep_platform.search.proposer import Proposer, TrialFactory
from sweep_platform.search.recovery import WAITS, recover, reopen
from sweep_platform.search.rungs.entries import Entries, paused_at, read_entries
from sweep_platform.search.rungs.ledger import RungLedger
from sweep_platform.search.rungs.rule import SuccessiveHalving
from sweep_platform.search.rungs.screening import Screened, Screening, read_screened
from sweep_platform.search.stages.jobs import JobQueue, Standings
from sweep_platform.search.stages.live import Job
from sweep_platform.search.stages.tuning import TUNING_REPLICATES, Point, Tuning, point_of
from sweep_platform.search.studies.opening import open_study
from sweep_platform.search.studies.study import Study
from sweep_platform.space.knobs import Shape
from sweep_platform.space.rules.counting import size
from sweep_platform.space.rules.sampling import chosen_sampler
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.spec.settings import BUDGET_KNOB
from sweep_platform.store.checkpoints import CheckpointStore, open_checkpoints
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.pruning.told import write_rungs
from sweep_platform.store.replicate import Purpose, Replicate, replicates
from sweep_platform.store.steering.course import course_of
from sweep_platform.store.trial import Outcome, TrialFolder, TrialRecord, TrialState


@dataclass(frozen=True)
class Search:
    """The parts of a search; they share one study, which one process at a time may hold.

    `replicates` are those that measure each trial; its space has at most so many `points_there`;
    `task_names` name the tasks of the puzzles.
    `settled` are the numbers of trials that were seen to have ended: they stay so. `withdrawn` is
    why trials were stopped by a person, by their numbers.
    """

    folder: SweepFolder
    spec: SweepSpec
    study: Study
    proposer: Proposer
    rungs: RungLedger
    screening: Screening
    outcomes: Outcomes
    jobs: JobQueue
    tuning: Tuning
    replicates: tuple[Replicate, ...]
    points_there: float
    convergence: Convergence
    reuse: Reuse
    micro_batches: MicroBatches = field(default_factory=MicroBatches)
    task_names: Sequence[str] = ()
    files: dict[Path, AnswerFile] = field(default_factory=dict)
    settled: set[int] = field(default_factory=set)
    withdrawn: dict[int, str] = field(default_factory=dict)

    def answers(self, trial: TrialFolder) -> AnswerFile:
        """The file of a trial's answers, which this process alone writes."""
        if trial.answers not in self.files:
            self.files[trial.answers] = AnswerFile(trial.answers, self.task_names)
        return self.files[trial.answers]

    def of_point(self, record: TrialRecord) -> list[TrialFolder]:
        """The trials of the point that a trial belongs to: those of all its nuisance values."""
        records = self.proposer.of_point(record)
        return [self.folder.trial(one.number, one.signature) for one in records]

    def tell(self) -> None:
        """Keep for reports what rungs and screening did, if that has changed."""
        if not self.spec.rungs.at and self.spec.screening is None:
            return
        told = self.rungs.told()
        if self.spec.screening is not None:
            every = (one for point in self.proposer.points for one in point)
            left = sorted(one.number for one in every if self.screening.leaves(one))
            told = replace(told, screened=tuple(left))
        write_rungs(self.folder.root, told)

    @property
    def over(self) -> str | None:
        """Why no new point is searched for any more, by `stop_when`; None while there is."""
        return self.convergence.reason(self.proposer.known())

    @property
    def may_propose(self) -> bool:
        """Whether all trials have ended that the next point is proposed by."""
        if not self.spec.deterministic:
            return True
        for one in self.proposer.known():
            if one.number not in self.settled:
                if self.folder.trial(one.number, one.signature).outcome() is None:
                    return False
                self.settled.add(one.number)
        return True

    def advance(self, point: list[TrialFolder]) -> list[tuple[TrialFolder, Outcome]]:
        """Let the next round of a point's trials wait; returns those that end without it."""
        out = [
            (trial, self._screen_out(trial)) for trial in point if self.is_to_be_screened(trial)
        ]
        found = self.tuning.next(point)
        for trial, some in found.train:
            measures = some[0].purpose is Purpose.MEASURE
            self.jobs.add(trial, some, len(self.replicates) if measures else TUNING_REPLICATES)
        lost = [(trial, self.outcomes.end(trial, *end)) for trial, end in found.lost]
        return [*lost, *((trial, end) for trial, end in out if end is not None)]

    def is_to_be_screened(self, trial: TrialFolder) -> bool:
        """Whether it is to be decided now if a trial gets more replicates than its first."""
        record = trial.record()
        ended = record.number in self.withdrawn or self.rungs.stopped(record)
        if ended or not self.screening.is_open(record) or trial.outcome() is not None:
            return False
        ends = [trial.replicate(one.label).outcome() for one in self.screening.wanted(record)]
        if not all(one is not None and one.state.is_final for one in ends):
            return False
        found = verdict(ends)
        return found is not None and found[0] is TrialState.COMPLETE

    def _screen_out(self, trial: TrialFolder) -> Outcome | None:
        """End a trial that gets no more replicates; None where it gets them."""
        if self.screening.decide(trial.record(), self.outcomes.values(trial)):
            return None
        of = f"{len(complete_replicates(trial))} of {len(self.replicates)} replicates complete"
        reason = f"{of}: not among the best by these"
        return self.outcomes.end(trial, TrialState.COMPLETE, reason)


def open_search(
    folder: SweepFolder,
    spec: SweepSpec,
    shape: Shape,
    dataset: Mapping[str, str],
    retry_failed: bool = False,
    concurrency: int = 1,
    task_names: Sequence[str] = (),
    extends: Callable[[Container[int]], bool] = lambda paused: True,
    reuse: Reuse | None = None,
    checkpoints: Callable[[], CheckpointStore] | None = None,
) -> Search:
    """The search of a sweep, after what a former driver left undone was made up for.

    `shape` has the sizes that the puzzles fix for a model, `dataset` their folder and fingerprint.
    With `retry_failed`, replicates that failed are to run again; `concurrency` is the number of
    jobs that run at the same time, `task_names` those of the puzzles' tasks, if they have any.
    Complete trials get the replicates that they lack only if the search `extends` them, which may
    depend on which trials are paused at rungs, by their numbers; `reuse`
    finds trainings of earlier sweeps that stand for those of this one; `checkpoints` opens the
    store of this sweep's, which is its folder by itself.
    Raises `InputError`: the study cannot be opened, or is not the one of the folder's trials.
    """
    study = open_study(folder, spec)
    store = checkpoints or partial(open_checkpoints, folder.checkpoints)
    ancestors, lag = Ancestors(folder, spec, store), _lag(study, spec, concurrency)
    factory = TrialFactory(folder, spec, shape, dataset, ancestors, lag)
    outcomes = Outcomes(study, spec.objectives, spec.targets, spec.evaluation.at_flops)
    wanted = replicates(spec.seed, Purpose.MEASURE, spec.replicates)
    start = WarmStart(study, spec, shape, dataset["fingerprint"], factory, outcomes)
    learned = [str(one) for one in start.learn(folder.root)]
    for words in learned:
        say(words)
    _record(folder, spec, learned)
    if (source := folder.record().forked) is not None:
        fork = Fork(spec, study, factory, outcomes, _entries(study, folder, spec))
        taken = fork.take_over(SweepFolder(Path(source)))
        if taken is not None:
            say(str(taken))
    course = course_of(folder.messages.history())
    entries = _entries(study, folder, spec)
    screening = Screening(study, spec, wanted, _screened(study, folder, spec, outcomes))
    recover(folder, study, factory, outcomes, screening, entries, course.stopped)
    measured = {
        point_of(one.record(), spec) for one in folder.trials() if one.replicates(Purpose.MEASURE)
    }
    whole = {one.record().number for one in folder.trials() if _is_complete(one)}
    goes_on = extends(_paused(folder, entries))
    for trial in folder.trials():
        tunes = point_of(trial.record(), spec) not in measured
        reopen(trial, study, screening, retry_failed, goes_on, tunes)
    # Some have other numbers now.
    factory = TrialFactory(folder, spec, shape, dataset, ancestors, lag)
    proposer = Proposer(study, factory, spec)
    kept = _screened(study, folder, spec, outcomes)
    screening = Screening(study, spec, wanted, kept, proposer.peers)
    rungs = RungLedger(
        study,
        SuccessiveHalving(spec.rungs),
        spec.objectives,
        _entries(study, folder, spec),
        spec.targets,
        proposer.peers,
        spec.rungs,
        spec.evaluation.at_flops,
    )
    search = Search(
        folder=folder,
        spec=spec,
        study=study,
        proposer=proposer,
        rungs=rungs,
        outcomes=outcomes,
        jobs=JobQueue(Standings(budgets=BUDGET_KNOB in spec.space)),
        screening=screening,
        tuning=Tuning(spec, screening.wanted),
        replicates=wanted,
        points_there=size(spec.scientific, shape).count,
        convergence=Convergence(folder, spec, study, rungs.is_paused),
        reuse=reuse or Reuse(),
        task_names=task_names,
        # One that was complete before it could be stopped may get more replicates.
        withdrawn={n: why for n, why in course.stopped.items() if n not in whole},
    )
    _take_up(search)
    return search


def _record(folder: SweepFolder, spec: SweepSpec, learned: Sequence[str]) -> None:
    """Keep with the sweep what proposes, and what was learned before its first trial.

    What `auto` chooses goes by rules that may be others in a later version, and by a budget that
    may be extended: only the record can tell what it was.
    """
    if not folder.exists():
        return
    before = folder.record()
    chosen = () if spec.ablation is not None else (str(chosen_sampler(spec)),)
    samplers = before.samplers if before.samplers[-1:] == chosen else before.samplers + chosen
    after = replace(before, samplers=samplers, learned=tuple(learned) or before.learned)
    if after != before:
        folder.create(after)


def _is_complete(trial: TrialFolder) -> bool:
    end = trial.outcome()
    return end is not None and end.state is TrialState.COMPLETE


def _paused(folder: SweepFolder, entries: Entries) -> set[int]:
    """The numbers of the trials that are paused at rungs, by what the study keeps."""
    records = (trial.record() for trial in folder.trials() if trial.outcome() is None)
    at = {one.number: paused_at(entries.get(one.study_number, {})) for one in records}
    return {number for number, rung in at.items() if rung is not None}


def _entries(study: Study, folder: SweepFolder, spec: SweepSpec) -> Entries:
    return read_entries(study, spec.objectives, _place(folder, spec))


def _screened(
    study: Study, folder: SweepFolder, spec: SweepSpec, outcomes: Outcomes
) -> dict[int, Screened]:
    """What came of screening, and what the trials that a fork began with would have come to."""
    kept = read_screened(study, len(spec.objectives), _place(folder, spec))
    for trial in folder.trials() if spec.screening is not None else ():
        number, count = trial.record().study_number, len(trial.replicates(Purpose.MEASURE))
        if number not in kept and count and _is_complete(trial):
            values = outcomes.values(trial, first=spec.first_replicates)
            kept[number] = Screened(values=values, goes_on=count > spec.first_replicates)
    return kept


def _place(folder: SweepFolder, spec: SweepSpec) -> object:
    storage = spec.search.storage
    return folder.journal if storage is None else redact(storage)


def _lag(study: Study, spec: SweepSpec, concurrency: int) -> int | None:
    """How many trials beside the next one may have a job that runs; None where nobody waits."""
    if not spec.deterministic:
        return None
    beside = math.ceil((concurrency - 1) / spec.first_replicates)
    return study.lag(beside if spec.search.lag is None else spec.search.lag)


def _take_up(search: Search) -> None:
    """Let the jobs of trials wait that a former driver left unfinished, and compare as it did."""
    for trial in search.folder.trials():
        search.answers(trial).merge()
        _remember(search, trial)
    taken: set[Point] = set()
    for trial in search.folder.trials():
        record = trial.record()
        point = point_of(record, search.spec)
        if trial.outcome() is None and point not in taken:
            taken.add(point)
            search.proposer.complete(record.parameters)
            search.advance(search.of_point(record))
    for trial in search.folder.trials():
        if search.rungs.is_paused(trial.record()) and trial.outcome() is None:
            _pause(search, trial)


def _pause(search: Search, trial: TrialFolder) -> None:
    """Hold a paused trial back; its replicates say so, also where a driver died before."""
    search.jobs.hold(trial.record())
    for one in trial.replicates(Purpose.MEASURE):
        if one.outcome() is None:
            search.outcomes.end_replicate(one, TrialState.PAUSED, WAITS)


def _remember(search: Search, trial: TrialFolder) -> None:
    """Take note of what a trial's replicates reported in former sessions."""
    record = trial.record()
    for folder in trial.replicates(Purpose.TUNE, Purpose.MEASURE):
        job = Job(trial=trial, record=record, replicate=folder.replicate())
        for measurement in folder.measurements():
            search.jobs.measured(job, measurement.progress)
            search.micro_batches.measured(record, measurement.progress)
