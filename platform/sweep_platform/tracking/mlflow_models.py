"""Registers the models of a sweep's front with MLflow, where they can be loaded and served."""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from puzzle_datasets.common.text import counted, flops
from sweep_platform.common.text import knobs
from sweep_platform.report.analysis.points import Point, recommended, trials_front
from sweep_platform.report.sections.answer import cheapest
from sweep_platform.store.summary import SweepSummary, TrialSummary
from sweep_platform.store.trained import Trained, trained
from sweep_platform.tracking.mlflow_model_folder import write_model
from sweep_platform.tracking.mlflow_view import REPLICATE_TAG, SWEEP_TAG, TRIAL_TAG

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

BEST, CHEAPEST = "best", "cheapest"
_WEIGHTS_TAG, _SEGMENTS_TAG = "sweep.weights", "sweep.segments"
_OWN_TAGS = (SWEEP_TAG, TRIAL_TAG, REPLICATE_TAG, _WEIGHTS_TAG, _SEGMENTS_TAG)


@dataclass(frozen=True, kw_only=True)
class FrontModel:
    """A trial of the front with its trained weights and its points there.

    It spends `segments` on a puzzle, None for its M_max.
    """

    trial: TrialSummary
    trained: Trained
    points: tuple[Point, ...]
    segments: int | None = None

    @property
    def place(self) -> tuple[int, int | None]:
        """The trial's number and the segments."""
        return self.trial.number, self.segments

    @cached_property
    def tags(self) -> dict[str, str]:
        """What a version of it is known by within its sweep."""
        with self.trained.checkpoint.open("rb") as stream:
            weights = hashlib.file_digest(stream, "sha256").hexdigest()
        return {
            TRIAL_TAG: self.trial.record.signature,
            REPLICATE_TAG: self.trained.replicate.replicate.label,
            _WEIGHTS_TAG: weights,
            _SEGMENTS_TAG: str(self.segments or "M_max"),
        }

    @property
    def words(self) -> str:
        """What it is and what the sweep measured of it."""
        found = (
            f"{one.words} after {counted(one.segments, 'segment')} at {flops(one.inference_flops)}"
            for one in self.points
        )
        name = f"Trial {self.trial.number} ({knobs(self.trial.knobs)})"
        replicate = self.trained.replicate.replicate.words
        spends = f" It spends {counted(self.segments, 'segment')}." if self.segments else ""
        measured = f" The trial's replicates solve on average {'; '.join(found)}."
        return f"{name}, {replicate}.{spends}{measured if self.points else ''}"


def front_models(sweep: SweepSummary) -> Iterator[FrontModel]:
    """The trials of the front and those of `aliases`, as far as they keep their weights."""
    points = trials_front(sweep.complete)
    trials = {trial.number: trial for trial in sweep.complete}
    wanted = [(point.trial, None) for point in points]
    for number, segments in dict.fromkeys([*wanted, *aliases(sweep).values()]):
        if (kept := trained(sweep, trials[number])) is not None:
            own = tuple(point for point in points if point.trial == number)
            yield FrontModel(trial=trials[number], trained=kept, points=own, segments=segments)


def aliases(sweep: SweepSummary) -> dict[str, tuple[int, int | None]]:
    """What aliases name: the trial that is recommended, and the report's cheapest near the best.

    With the number of segments that it spends, None for its M_max.
    """
    top, near = recommended(sweep), cheapest(sweep)
    if top is None:
        return {}
    if near is None:
        return {BEST: (top.number, None), CHEAPEST: (top.number, None)}
    of_near = next(trial for trial in sweep.complete if trial.number == near.trial)
    most = of_near.record.model["M_max"]
    return {
        BEST: (top.number, None),
        CHEAPEST: (near.trial, None if near.segments == most else near.segments),
    }


def register_models(
    client: "MlflowClient", experiment: str, sweep: SweepSummary, runs: Mapping[str, str]
) -> list[str]:
    """Register what the registry lacks of the front's models; returns the aliases that hold now.

    They are versions of one model with the sweep's name; `runs` are the ids of replicates' runs,
    by signature and label. Nothing is done twice, also where a session died in between. Raises
    what MLflow raises, and `UserError` where weights or puzzles can't be read.
    """
    models = list(front_models(sweep))
    if not models:
        return []
    name = sweep.record.name
    _create(client, name)
    registry = _Registry(client, experiment, sweep, runs)
    versions = {model.place: str(registry.version(model).version) for model in models}
    named = aliases(sweep)
    for alias, place in named.items():
        if place in versions:
            client.set_registered_model_alias(name, alias, versions[place])
        else:  # it may name a version of before
            client.delete_registered_model_alias(name, alias)
    return [alias for alias, place in named.items() if place in versions]


def _create(client: "MlflowClient", name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


class _Registry:
    """What MLflow has of a sweep's models, and makes of them."""

    def __init__(
        self,
        client: "MlflowClient",
        experiment: str,
        sweep: SweepSummary,
        runs: Mapping[str, str],
    ) -> None:
        self._client, self._experiment, self._runs = client, experiment, runs
        self._name, self._id = sweep.record.name, sweep.record.id
        self._puzzles = Path(str(sweep.record.dataset.get("folder", "")))
        found = client.search_model_versions(f"name = '{self._name}'")
        self._known = {_key(one.tags): one for one in found}

    def version(self, model: FrontModel) -> "ModelVersion":
        """The version of a model, which is made if there is none."""
        tags = {SWEEP_TAG: self._id, **model.tags}
        run = self._runs[f"{tags[TRIAL_TAG]}/{tags[REPLICATE_TAG]}"]
        if (known := self._known.get(_key(tags))) is not None:
            return known
        logged = self._logged(tags) or self._log(model, run, tags)
        return self._client.create_model_version(
            self._name,
            logged.artifact_location,  # its URI would be looked up in the default store
            run_id=run,
            tags=tags,
            description=model.words,
            model_id=logged.model_id,
        )

    def _logged(self, tags: dict[str, str]) -> "LoggedModel | None":
        """What a session logged whole that died before it made a version; else it is removed."""
        asked = f"tags.`{_WEIGHTS_TAG}` = '{tags[_WEIGHTS_TAG]}'"
        found = self._client.search_logged_models([self._experiment], filter_string=asked)
        whole = None
        for one in found:
            if _key(one.tags) != _key(tags):
                continue
            if str(one.status) == "READY":
                whole = one
            else:
                self._client.delete_logged_model(one.model_id)
        return whole

    def _log(self, model: FrontModel, run: str, tags: dict[str, str]) -> "LoggedModel":
        model.trained.require_own()
        with tempfile.TemporaryDirectory() as place:
            checkpoint = model.trained.checkpoint
            folder = write_model(Path(place), checkpoint, self._puzzles, model.segments)
            name = f"{self._name}-{model.trial.number}"
            logged = self._client.create_logged_model(
                self._experiment, name=name, source_run_id=run, tags=tags
            )
            self._client.log_model_artifacts(logged.model_id, str(folder))
        return self._client.finalize_logged_model(logged.model_id, "READY")


def _key(tags: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(tags.get(name, "") for name in _OWN_TAGS)
