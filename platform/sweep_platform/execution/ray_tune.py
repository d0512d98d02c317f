"""Ray Tune's three questions, handed to the scheduler: what next, who goes on, when to end.

Ray's own Optuna searcher, schedulers and snapshots are not used: they tell stopped trials as
complete, leave trials without values running for ever, and forget their rungs on restore.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.exceptions import (
    ActorUnavailableError,
    LocalRayletDiedError,
    NodeDiedError,
    OutOfMemoryError,
    RayError,
    RaySystemError,
    RayTaskError,
)
from ray.tune import Stopper
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from sweep_platform.common.environment import disk_full
from sweep_platform.common.text import knobs, root_cause
from sweep_platform.execution.cluster import nodes
from sweep_platform.execution.placement import (
    PlacementWatch,
    Reservation,
    Unsaved,
    place_of,
    trial_name,
)
from sweep_platform.execution.private import credentials_kept, unstage
from sweep_platform.execution.worker import run_job
from sweep_platform.search.scheduler import TrialScheduler
from sweep_platform.search.stages.live import Job, Place
from sweep_platform.spec.schema import ResourceSpec
from sweep_platform.store.messages import Failure, Fault, TrialJob, TrialReport

MakeJob = Callable[[Job], TrialJob]


class WorkersLost(RuntimeError):
    """Ray lost workers and gave up on all trials: `loss` says why, and whose fault that was."""

    def __init__(self, loss: Failure) -> None:
        super().__init__(loss.reason)
        self.loss = loss


class TuneSearcher(Unsaved, Searcher):
    """Ray's searcher: proposes what the scheduler starts and tells it what has ended."""

    def __init__(self, scheduler: TrialScheduler, job: MakeJob):
        super().__init__()
        self._scheduler = scheduler
        self._job = job

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """A job, None while the cluster is full, FINISHED at the end."""
        job = self._scheduler.start(trial_id)
        if job is not None:
            avoided = ",".join(sorted(self._scheduler.shunned(trial_id)))
            name = f"{job.key} {knobs(job.record.knobs)}"
            return {"name": name, "job": self._job(job).to_text(), "avoided": avoided}
        self._scheduler.should_end()  # without any trial Tune asks this alone, for ten minutes
        return Searcher.FINISHED if self._scheduler.exhausted else None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Pass on that a trial is over."""
        self._scheduler.ended(trial_id, lost=WORKER_LOST if error else None)

    def save(self, checkpoint_path: str) -> None:
        """Write an empty file where Ray expects one."""
        Path(checkpoint_path).touch()


class TuneScheduler(Unsaved, FIFOScheduler):
    """Ray's scheduler: passes reports on.

    It stops nobody: a worker hears of decisions by itself, saves a checkpoint and returns. The
    `errors` that ended trials are known by Ray's names of these.
    """

    def __init__(self, scheduler: TrialScheduler, errors: Mapping[str, object]) -> None:
        super().__init__()
        self._scheduler, self._errors = scheduler, errors

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The next trial that waits for a place; Tune asks several times a second.

        Those that wait for a wrong place are withdrawn, and silent workers ended.
        """
        for trial in list(tune_controller.get_live_trials()):
            if trial.temporary_state.ray_actor:  # also one that is yet to take the trial up
                self._tell_place(trial)
            elif trial.status == Trial.PENDING and self._scheduler.misplaced(trial.trial_id):
                unstage(tune_controller, trial)
                tune_controller.stop_trial(trial)
        for key in self._scheduler.silent():
            # By Ray's own hand, which also ends a process that is stopped or hears nothing.
            if worker := tune_controller.get_trial(key).temporary_state.ray_actor:
                ray.kill(worker)
        return super().choose_trial_to_run(tune_controller)

    def _tell_place(self, trial: Trial) -> None:
        """Let the scheduler know where a trial runs, if Ray did not know that at its start."""
        if self._scheduler.place(trial.trial_id) is None and (place := place_of(trial)):
            self._scheduler.placed(trial.trial_id, place)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Take a report; the last one that Ray makes of itself holds none."""
        if "report" in result:
            self._scheduler.report(trial.trial_id, TrialReport.from_text(result["report"]))
        return str(self.CONTINUE)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Settle a trial whose worker is gone; the searcher, who hears next, is not told why."""
        loss = _why_lost(self._errors.get(trial.trial_id))
        place = self._scheduler.place(trial.trial_id)
        if loss is WORKER_LOST and place and not _lives(place):
            loss = HOST_LOST
        self._scheduler.ended(trial.trial_id, lost=loss)


class SessionStopper(Unsaved, Stopper):
    """Ray's stopper: ends the experiment when the scheduler says so."""

    def __init__(self, scheduler: TrialScheduler) -> None:
        self._scheduler = scheduler

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no trial by itself."""
        return False

    def stop_all(self) -> bool:
        """Whether the session is over."""
        return self._scheduler.should_end()


NO_BOUND = "1000000"
"""Of the workers that Ray makes at once: the scheduler starts no more jobs than have a place."""

WORKER_LOST = Failure(reason="its worker was lost", fault=Fault.WORKER)
"""The loss of a worker that ended by itself, as far as anybody knows."""

HOST_LOST = Failure(reason="its host was lost", fault=Fault.NODE)

_OF_NODES = (NodeDiedError, LocalRayletDiedError, ActorUnavailableError, RaySystemError)


def _why_lost(error: object) -> Failure:
    """What ended a worker, as far as Ray knows: memory is named, and what Ray could not do."""
    if isinstance(error, OutOfMemoryError):
        reason = "its worker was ended by Ray, for the memory of its host was about to run out"
        return Failure(reason=reason, fault=Fault.MACHINE)
    if isinstance(error, _OF_NODES):
        return HOST_LOST
    if isinstance(error, RayTaskError):  # of Ray itself: what the worker meets, it reports
        why = root_cause(error.cause).rstrip(":")
        return Failure(reason=f"its worker could not begin ({why})", fault=Fault.MACHINE)
    return WORKER_LOST


def _lives(place: Place) -> bool:
    """Whether a node is still in the cluster."""
    return any(node.id == place.node for node in nodes().nodes)


def run_trials(
    scheduler: TrialScheduler, job: MakeJob, resources: ResourceSpec, storage: Path
) -> None:
    """Let Ray Tune run what the scheduler starts, until it is exhausted or ends the session.

    `job` makes what a worker is handed of a job, for which Ray reserves `resources`. Ray's own
    files go to the folder `storage`, which is removed at the end: nothing there is needed again.

    Raises `WorkersLost`: Ray gave up; the same call may be made again.
    """
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = NO_BOUND
    reservation, errors = Reservation.of(resources), dict[str, object]()
    tuner = tune.Tuner(
        tune.with_resources(run_job, reservation),
        tune_config=tune.TuneConfig(
            search_alg=TuneSearcher(scheduler, job),
            scheduler=TuneScheduler(scheduler, errors),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=trial_name,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(storage),
            stop=SessionStopper(scheduler),
            callbacks=[PlacementWatch(scheduler)],
            verbose=0,
        ),
    )
    try:
        with _kept(errors), credentials_kept():
            tuner.fit()
    except RuntimeError as error:
        # Ray takes some lost workers for an error of its own, such as those that its memory
        # monitor killed, and gives up on all trials.
        if isinstance(error.__cause__, RayError):
            raise WorkersLost(_why_lost(error.__cause__)) from error
        _halt_if_full(scheduler, error)
    except Exception as error:
        _halt_if_full(scheduler, error)
    finally:
        shutil.rmtree(storage, ignore_errors=True)


@contextmanager
def _kept(errors: dict[str, object]) -> Iterator[None]:
    """Keep the error that ends a trial, which Ray tells nobody unless it is of an actor or task.

    It tells nobody that a worker was ended for want of memory, or with its host.
    """
    handle = getattr(Trial, "handle_error", lambda *_: None)

    def keep(trial: Trial, exc: Any = None) -> None:
        errors[trial.trial_id] = exc
        handle(trial, exc)

    Trial.handle_error = keep
    try:
        yield
    finally:
        Trial.handle_error = handle


def _halt_if_full(scheduler: TrialScheduler, error: Exception) -> None:
    """Ray's own files may find the disk full first; any other error goes on."""
    if (full := disk_full(error)) is None:
        raise error
    scheduler.halt(str(full))
