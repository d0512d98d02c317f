"""Ray Tune's three questions, handed to the conductor: what next, who goes on, when to end.

Ray's own Optuna searcher, schedulers and snapshots are not used: they tell stopped trials as
complete, leave trials without values running for ever, and forget their rungs on restore.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune
from ray.exceptions import RayError
from ray.tune import Stopper
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from hrm.progress import progress_from
from sweep_platform.execution.trial import run_trial
from sweep_platform.search.scheduler import TrialScheduler
from sweep_platform.spec.schema import ResourceSpec
from sweep_platform.store.folder import TrialFolder


class WorkersLost(RuntimeError):
    """Ray lost workers and gave up on all trials; says why."""


class _Unsaved:
    """Keeps the conductor out of Ray's snapshots: a sweep resumes from its folder alone."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class StudySearcher(_Unsaved, Searcher):
    """Ray's searcher: proposes what the conductor starts and tells it what has ended."""

    def __init__(self, conductor: TrialScheduler, config: Callable[[TrialFolder], dict[str, Any]]):
        super().__init__()
        self._conductor = conductor
        self._config = config

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """A trial's configuration, None while all places are taken, FINISHED at the end."""
        trial = self._conductor.start(trial_id)
        if trial is not None:
            return self._config(trial)
        return Searcher.FINISHED if self._conductor.exhausted else None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Pass on that a trial is over."""
        self._conductor.ended(trial_id, lost=error)

    def save(self, checkpoint_path: str) -> None:
        """Write an empty file where Ray expects one."""
        Path(checkpoint_path).touch()


class TuneScheduler(_Unsaved, FIFOScheduler):
    """Ray's scheduler: passes reports to the conductor and stops whom it does not let go on."""

    def __init__(self, conductor: TrialScheduler) -> None:
        super().__init__()
        self._conductor = conductor

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Decide on a trial that reported."""
        goes_on = True
        if "warned" in result:
            self._conductor.warned(result["warned"])
        if "failed" in result:
            self._conductor.failed(trial.trial_id, result["failed"])
        elif "progress" in result:
            progress = progress_from(json.loads(result["progress"]))
            goes_on = self._conductor.goes_on(trial.trial_id, progress)
        return str(self.CONTINUE if goes_on else self.STOP)


class SessionStopper(_Unsaved, Stopper):
    """Ray's stopper: ends the experiment when the conductor says so."""

    def __init__(self, conductor: TrialScheduler) -> None:
        self._conductor = conductor

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no trial by itself; the scheduler does."""
        return False

    def stop_all(self) -> bool:
        """Whether the session is over."""
        return self._conductor.should_end()


def run_trials(
    conductor: TrialScheduler,
    config: Callable[[TrialFolder], dict[str, Any]],
    resources: ResourceSpec,
    places: int,
    storage: Path,
) -> None:
    """Let Ray Tune run what the conductor starts, until it is exhausted or ends the session.

    Args:
        conductor: decides.
        config: what a worker is handed of a trial.
        resources: what Ray reserves for each trial.
        places: how many workers may be in the making at once.
        storage: a folder for Ray's own files, removed at the end: nothing there is needed again.

    Raises:
        WorkersLost: Ray gave up; the same call may be made again.
    """
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(places)
    needs = {"cpu": resources.cpus, "gpu": resources.gpus}
    tuner = tune.Tuner(
        tune.with_resources(run_trial, needs),
        tune_config=tune.TuneConfig(
            search_alg=StudySearcher(conductor, config),
            scheduler=TuneScheduler(conductor),
            num_samples=-1,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(storage),
            stop=SessionStopper(conductor),
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    except RuntimeError as error:
        # Ray takes some lost workers for an error of its own, such as those that its memory
        # monitor killed, and gives up on all trials.
        if isinstance(error.__cause__, RayError):
            raise WorkersLost(str(error.__cause__).splitlines()[0].rstrip(".")) from error
        raise
    finally:
        shutil.rmtree(storage, ignore_errors=True)
