"""One session's work on a sweep: create it or take it up, run, record, report."""

import os
import uuid
from collections.abc import Callable, Collection, Container
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.exit_status import INTERRUPTED, say, stop_on_signal
from sweep_platform.common.environment import git_commit
from sweep_platform.common.text import redact, root_cause
from sweep_platform.driver.display.display import ProgressDisplay
from sweep_platform.driver.display.load import load
from sweep_platform.driver.ending import Once, last_words
from sweep_platform.driver.puzzles import prepare_puzzles, require_evaluable
from sweep_platform.driver.record import record_experiment, record_sweep, tracking_uri
from sweep_platform.driver.request import Request, ResolvedSweep
from sweep_platform.driver.room import needs, require_a_slot, require_meters
from sweep_platform.driver.storage import open_storage, puzzle_source
from sweep_platform.execution.cluster import Hardware, Resources
from sweep_platform.execution.decisions import DecisionChannel
from sweep_platform.execution.environment import hand_down, take_back
from sweep_platform.execution.probe import ALIVE, HeadWatch, asked, encrypted
from sweep_platform.plan.budget import Budget, Limit
from sweep_platform.plan.jobs import planned_jobs
from sweep_platform.plan.spending import Rates, spending_of
from sweep_platform.report import write_report
from sweep_platform.search.earlier.reuse import Reuse
from sweep_platform.search.losses import Losses
from sweep_platform.search.scheduler import TrialScheduler
from sweep_platform.search.search import open_search
from sweep_platform.search.stages.confirmation import after_the_search
from sweep_platform.search.stages.live import Job
from sweep_platform.search.stages.silence import Silence
from sweep_platform.search.stages.tuning import point_of
from sweep_platform.search.steering.extending import Extending
from sweep_platform.search.steering.steering import Steering
from sweep_platform.space.rules.counting import size
from sweep_platform.space.training_budget import expected_flops
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.checkpoints import CheckpointStore, open_checkpoints
from sweep_platform.store.folder import SessionEnd
from sweep_platform.store.messages import TrialJob
from sweep_platform.store.summary import clock_seconds
from sweep_platform.store.trial import TrialState, training_of
from sweep_platform.tracking.machine import MachineLoad
from sweep_platform.tracking.mlflow_store import open_store
from sweep_platform.tracking.mlflow_tracker import MlflowTracker
from sweep_platform.tracking.tracker import TrackerThread

FLUSH_SECONDS, HURRY_SECONDS = 60.0, 10.0
"""Time for the last records of a session to be mirrored; less after an interruption."""


class SweepSession:
    """One session's work on a sweep whose folder this process owns; needs no Ray before `run`.

    The clock of its `budget` runs from here on. Construction raises `InputError` or `DatasetError`
    where the puzzles, the store or the study refuse.
    """

    _limit: Limit | None = None
    _over: str | None = None
    _began: float | None = None

    def __init__(self, sweep: ResolvedSweep, request: Request, hardware: Hardware) -> None:
        self.folder, self.spec = sweep.folder, sweep.spec
        require_a_slot(hardware, sweep.spec.resources, request.address)
        require_meters(sweep.spec, request.address)
        self._storage = open_storage(sweep)  # before the store, which may be made anew
        self.tracking_uri = tracking_uri(request, sweep.folder)
        open_store(self.tracking_uri)
        self.puzzles = prepare_puzzles(sweep, request.data)
        self._source = puzzle_source(sweep, self.puzzles, self._storage, request.data)
        require_evaluable(sweep.spec, self.puzzles)
        record_sweep(sweep, request, self.puzzles, self.tracking_uri)
        dataset = asdict(self.puzzles.address)
        self._search = open_search(
            self.folder,
            self.spec,
            self.puzzles.shape,
            dataset,
            request.retry_failed,
            max(1, hardware.slots(self.spec.resources)),
            self.puzzles.task_names,
            extends=lambda paused: self._budget(paused).forbids(new=False) is None,
            reuse=self._reuse(),
            checkpoints=self._checkpoints,
        )
        held = {one.record.number for one in self._search.jobs.held}
        self.budget = self._budget(held)  # the search may have made a trial up
        self._tracker = MlflowTracker(self.folder, self.tracking_uri, MachineLoad())
        self._tracker.check()
        record_experiment(self.folder, self._tracker.experiment)
        self._resources = Resources()
        self._demand: Callable[[int], None] = lambda jobs: None
        by_hand = bool(request.resume) and not request.start_or_resume
        self._goes_on = "by --resume" if by_hand else None
        self._channel = DecisionChannel(uuid.uuid4().hex)

    def _budget(self, paused: Container[int]) -> Budget:
        """The budget, less what former sessions spent of it; some trials are paused at rungs."""
        return Budget(
            self.spec.budget,
            trials=self._points(),
            seconds=self._seconds_before,
            spending=spending_of(self.folder.trials(), expected_flops(self.spec), paused),
            rates=Rates.from_spec(self.spec),
        )

    @cached_property
    def _seconds_before(self) -> float:
        """Time on the clock that former sessions took."""
        return clock_seconds(self.folder)

    def _reuse(self) -> Reuse:
        """The trainings of earlier sweeps that are taken over."""
        sweeps = () if self.spec.repeat else self.spec.reuse
        own = self.folder.root.absolute()
        others = [Path(one) for one in sweeps if Path(one) != own]
        return Reuse(others, self._checkpoints, self.spec.needs_energy)

    def _checkpoints(self) -> CheckpointStore:
        """The store that keeps the checkpoints of this sweep."""
        storage = self._storage
        address = storage.checkpoints if storage else self.folder.checkpoints
        return open_checkpoints(address, storage.keep if storage else None)

    def run(self, display: ProgressDisplay, ray: AbstractContextManager[None]) -> SessionEnd:
        """Run trials until the budget is spent or someone interrupts; then report.

        `ray` holds the connection to Ray. It is entered before anything is recorded, and not at
        all where no trial is left to run.
        """
        losses = Losses(lambda: self._resources.hosts(self.spec.resources), display.note)
        scheduler = TrialScheduler(
            self._search,
            self.budget,
            display,
            lambda: self._slots(losses.avoided),
            self._channel.send,
            losses=losses,
            silence=self._silence(),
            needs=needs(self.spec.resources),
            stores=self._storage is not None,
            look=lambda: self._look(scheduler, steering),
        )
        steering = self._steering(scheduler, display)
        display.load = lambda: load(
            self._resources.last_known, scheduler.running(), self.spec.resources
        )
        display.follow(self.budget)
        tracker = TrackerThread(self._tracker, display.note)
        for trial in self.folder.trials():
            display.restore(trial)
        self._note_other_code(display)
        if self._tracker.trouble:
            display.note(self._tracker.trouble)

        def finishing(end: SessionEnd) -> None:
            self._finish(end, tracker, display, lambda: scheduler.interrupted)

        finish = Once(finishing)
        steering.begin(self._goes_on)
        with stop_on_signal(scheduler.interrupt), ExitStack() as connection:
            if work := self._work_is_left():
                connection.enter_context(ray)
                self._hand_down(connection)
            if self._storage is not None:
                sweep, stop = self.folder.record().id, lambda: scheduler.interrupted
                self._storage.begin(sweep, self.puzzles, display.note, stop)
            self.folder.session_started()
            self._began = self.budget.seconds
            tracker.start()
            end = SessionEnd.FAILED
            try:
                watch = self._watched(display, finish) if work else nullcontext()
                with watch, connection.pop_all():
                    self._run_trials(scheduler, work)
                end = self._end(scheduler)
            except KeyboardInterrupt:
                end = SessionEnd.INTERRUPTED
            finally:
                finish(end)
        return end

    def _hand_down(self, connection: ExitStack) -> None:
        """Let workers know how a storage is reached, while the connection to Ray is held."""
        if not self._source["urls"]:
            return
        hand_down(self._channel.name)
        connection.callback(take_back, self._channel.name)

    def last_words(self, end: SessionEnd) -> str:
        """What is said last of a session: where its report is, what lacks, and how to go on."""
        return last_words(self.folder, self.spec, self._planned, end, self._limit, self._over)

    def _work_is_left(self) -> bool:
        """Whether there is a trial to run; where that is not certain, Ray has to start."""
        if len(self._search.jobs):
            return True
        if self.budget.forbids(new=False) is not None:
            return False
        return self._lacks()

    def _lacks(self) -> bool:
        """Whether a point that the sweep plans was not begun, one not confirmed, or a control."""
        self._over = self._search.over
        searches = self._over is None and self._points() < self._planned
        return searches or bool(after_the_search(self.folder, self.spec))

    def _points(self) -> int:
        """Points that were begun: trials, those of several nuisance values counted once."""
        return len({point_of(trial.record(), self.spec) for trial in self.folder.trials()})

    def _run_trials(self, scheduler: TrialScheduler, work: bool) -> None:
        """Run trials, again where Ray gives up on its workers, or a late message brings work."""
        if work:
            from sweep_platform.execution.placement import Demand
            from sweep_platform.execution.ray_tune import WorkersLost, run_trials

            storage = self.folder.root.absolute() / "ray"
            resources = self.spec.resources
            with Demand(resources) as demand:
                self._demand = demand.ask
                while True:
                    try:
                        run_trials(scheduler, self._job, resources, storage)
                    except WorkersLost as lost:
                        scheduler.all_lost(lost.loss)
                    if scheduler.should_end() or scheduler.exhausted:
                        break
        scheduler.close()

    def _watched(self, display: ProgressDisplay, finish: "Once") -> AbstractContextManager[None]:
        """A watch over the cluster's head, at whose loss Ray would end this process in silence.

        None where the head can't be asked: behind TLS, and through the port of Ray's clients.
        """
        from ray import get_runtime_context
        from ray.util.client import ray as client

        if encrypted() or client.is_connected():
            return nullcontext()
        head = get_runtime_context().gcs_address
        return HeadWatch(lambda: asked(head) in ALIVE, lambda: self._lost(display, finish))

    def _lost(self, display: ProgressDisplay, finish: "Once") -> None:
        """End this process, whose main thread waits for a lost head and can't be woken."""
        try:
            display.note("Ray's head does not answer any more: the session ends")
            finish(SessionEnd.INTERRUPTED)
            display.close()
            say(self.last_words(SessionEnd.INTERRUPTED))
        finally:
            os._exit(INTERRUPTED)

    def _finish(
        self,
        end: SessionEnd,
        tracker: TrackerThread,
        display: ProgressDisplay,
        in_a_hurry: Callable[[], bool] = lambda: False,
    ) -> None:
        """Record the end, report, and let MLflow know, each as far as it can be done."""
        over = self._over if end is SessionEnd.DONE else None
        took = None if self._began is None else self.budget.seconds - self._began
        steps = (
            lambda: self.folder.session_ended(end, over, took),
            lambda: write_report(self.folder),
        )
        for step in steps:
            try:
                step()
            except Exception as error:  # the step that follows is tried all the same
                place = f"{getattr(error, 'filename', None) or self.folder.root}: "
                said = isinstance(error, UserError)
                display.note(str(error) if said else f"{place}{root_cause(error)}")
        self._stop(tracker, display, in_a_hurry)
        if self._storage is not None:
            seconds = HURRY_SECONDS if in_a_hurry() else FLUSH_SECONDS
            if self._storage.end(display.note, seconds):
                with suppress(OSError, UserError):  # else the next session mirrors it again
                    self.folder.session_mirrored()

    def _note_other_code(self, display: ProgressDisplay) -> None:
        before, now = self.folder.record().environment.get("git_commit"), git_commit()
        if before != now:
            display.note(f"this sweep began with the code of {before} and goes on with {now}")

    def _job(self, job: Job) -> TrialJob:
        record, resources, storage = job.record, self.spec.resources, self._storage
        inherited = record.inherited(job.replicate)
        return TrialJob(
            trial=record.number,
            model=record.model,
            training=training_of(record, job.replicate),
            replicates=(job.replicate,),
            dataset=asdict(self.puzzles.address),
            device=resources.device,
            threads=max(1, int(resources.cpus / resources.together)),
            processes=resources.together,
            device_share=min(1.0, resources.gpus) or 1.0,
            micro_batch=self._search.micro_batches.of(record),
            energy=self.spec.needs_energy,
            ancestor=None if inherited is None else inherited.address,
            checkpoints=storage.checkpoints if storage else self.folder.checkpoints,
            keep=storage.keep if storage else None,
            puzzles=self._source,
            key=job.trial.root.name,
            channel=self._channel.name,
        )

    def _steering(self, scheduler: TrialScheduler, display: ProgressDisplay) -> Steering:
        def changed(spec: SweepSpec) -> None:
            self.spec = spec
            jobs = planned_jobs(spec, self._planned)
            display.planned(jobs.trials, jobs.total)

        budget, storage = self.budget, self._storage
        extending = Extending(self.folder, self.spec, budget, self._points_there, changed)
        return Steering(
            self._search,
            budget,
            scheduler.interventions,
            display.note,
            extend=extending.plan,
            extended=extending.take,
            kept=storage.keeps if storage else self.folder.keeps,
            goes_on=self._tracker.go_on,
        )

    def _look(self, scheduler: TrialScheduler, steering: Steering) -> str | None:
        """Take messages, tell how many places are wanted, and mirror the folder.

        Returns why the session has to end.
        """
        steering.look()
        self._demand(scheduler.wanted(self._planned))
        return None if self._storage is None else self._storage.look()

    def _silence(self) -> Silence:
        minutes = self.spec.resources.patience
        return Silence(None if minutes is None else 60 * minutes, self._channel.pulse)

    def _slots(self, avoided: Collection[str]) -> int:
        return self._resources.hardware().slots(self.spec.resources, avoided)

    def _end(self, scheduler: TrialScheduler) -> SessionEnd:
        if scheduler.interrupted:
            return SessionEnd.INTERRUPTED
        outcomes = [trial.outcome() for trial in self.folder.trials()]
        failed = [outcome and outcome.state is TrialState.FAILED for outcome in outcomes]
        if failed and all(failed):
            return SessionEnd.FAILED
        lacks = self._lacks()
        self._limit = scheduler.short_of or (self.budget.forbids(new=False) if lacks else None)
        short = scheduler.cut_short or (lacks and self._limit is not None)
        return SessionEnd.INCOMPLETE if short else SessionEnd.DONE

    @property
    def _planned(self) -> int:
        """Trials that the budget pays for and the space has."""
        return int(min(self.spec.trials, self._points_there))

    @cached_property
    def _points_there(self) -> float:
        """Points that the space has, which may be infinite."""
        return size(self.spec.scientific, self.puzzles.shape).count

    def _stop(
        self, tracker: TrackerThread, display: ProgressDisplay, in_a_hurry: Callable[[], bool]
    ) -> None:
        unsent = tracker.stop(in_a_hurry=in_a_hurry)
        if unsent:
            display.note(
                f"MLflow lacks {unsent} records of this sweep; run again with --resume when "
                f"{redact(self.tracking_uri)} is back to send them."
            )
        else:
            with suppress(
                OSError, UserError
            ):  # else the next session looks whether MLflow has it all
                self.folder.session_told()
