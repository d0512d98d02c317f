"""Registers the models of a sweep's front with MLflow, where they can be loaded and served."""

import hashlib
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import hrm
import puzzle_datasets
from puzzle_datasets.common.text import counted, flops
from puzzle_datasets.kinds.kind import kind_named
from puzzle_datasets.storage.schema import MANIFEST_FILE
from sweep_platform.common.text import knobs
from sweep_platform.report.analysis.points import Point, recommended, trials_front
from sweep_platform.report.sections.answer import cheapest
from sweep_platform.store.summary import SweepSummary, TrialSummary
from sweep_platform.store.trained import Trained, trained
from sweep_platform.tracking.mlflow_view import REPLICATE_TAG, SWEEP_TAG, TRIAL_TAG

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature
    from mlflow.tracking import MlflowClient

BEST, CHEAPEST = "best", "cheapest"
_WEIGHTS_TAG = "sweep.weights"
_LOADER = "hrm_served_model"
_NEEDED = ("mlflow", "numpy", "pandas", "pyarrow", "torch")


@dataclass(frozen=True, kw_only=True)
class FrontModel:
    """A trial of the front with its trained weights and its points there."""

    trial: TrialSummary
    trained: Trained
    points: tuple[Point, ...]

    @property
    def tags(self) -> dict[str, str]:
        """What a version of it is known by."""
        return {
            TRIAL_TAG: self.trial.record.signature,
            REPLICATE_TAG: self.trained.replicate.replicate.label,
            _WEIGHTS_TAG: hashlib.sha256(self.trained.checkpoint.read_bytes()).hexdigest(),
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
        measured = f" The trial's replicates solve on average {'; '.join(found)}."
        return f"{name}, {replicate}.{measured if self.points else ''}"


def front_models(sweep: SweepSummary) -> Iterator[FrontModel]:
    """The trials of the front, and the recommended one, as far as they keep their weights."""
    points = trials_front(sweep.complete)
    wanted = {point.trial for point in points}
    if (found := recommended(sweep)) is not None:
        wanted.add(found.number)
    for trial in sweep.complete:
        if trial.number in wanted and (kept := trained(sweep, trial)) is not None:
            own = tuple(point for point in points if point.trial == trial.number)
            yield FrontModel(trial=trial, trained=kept, points=own)


def register_models(
    client: "MlflowClient", experiment: str, sweep: SweepSummary, runs: Mapping[str, str]
) -> None:
    """Register what the registry lacks of the front's models, and let aliases name two of them.

    They are versions of one model with the sweep's name; `runs` are the ids of replicates' runs,
    by signature and label. Nothing is done twice. Raises what MLflow raises, and `UserError`
    where weights or puzzles can't be read.
    """
    models = list(front_models(sweep))
    if not models:
        return
    name = sweep.record.name
    _create(client, name)
    known = {_key(one): one for one in _versions(client, sweep)}
    puzzles = Path(str(sweep.record.dataset["folder"]))
    versions: dict[int, str] = {}
    for model in models:
        found = known.get(tuple(sorted(model.tags.items())))
        if found is None:
            run = runs[f"{model.tags[TRIAL_TAG]}/{model.tags[REPLICATE_TAG]}"]
            found = _register(client, experiment, sweep, model, run, puzzles)
        versions[model.trial.number] = str(found.version)
    for alias, number in _aliases(sweep).items():
        if number in versions:
            client.set_registered_model_alias(name, alias, versions[number])


def _aliases(sweep: SweepSummary) -> dict[str, int]:
    """The trials that the aliases name: the report's best, and its cheapest near the best."""
    top, near = recommended(sweep), cheapest(sweep)
    if top is None:
        return {}
    return {BEST: top.number, CHEAPEST: top.number if near is None else near.trial}


def _create(client: "MlflowClient", name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _versions(client: "MlflowClient", sweep: SweepSummary) -> Iterable["ModelVersion"]:
    """Versions that this sweep registered before."""
    found = client.search_model_versions(f"name = '{sweep.record.name}'")
    return (one for one in found if one.tags.get(SWEEP_TAG) == sweep.record.id)


def _key(found: "ModelVersion") -> tuple[tuple[str, str], ...]:
    names = (TRIAL_TAG, REPLICATE_TAG, _WEIGHTS_TAG)
    return tuple(sorted((name, found.tags.get(name, "")) for name in names))


def _register(
    client: "MlflowClient",
    experiment: str,
    sweep: SweepSummary,
    model: FrontModel,
    run: str,
    puzzles: Path,
) -> "ModelVersion":
    name, tags = sweep.record.name, {SWEEP_TAG: sweep.record.id, **model.tags}
    with tempfile.TemporaryDirectory() as place:
        folder = write_model(Path(place), model.trained.checkpoint, puzzles)
        logged = client.create_logged_model(
            experiment, name=f"{name}-{model.trial.number}", source_run_id=run, tags=tags
        )
        client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, "READY")
    return client.create_model_version(
        name,
        logged.artifact_location,  # its URI would be looked up in the default store
        run_id=run,
        tags=tags,
        description=model.words,
        model_id=logged.model_id,
    )


def write_model(place: Path, checkpoint: Path, puzzles: Path) -> Path:
    """Write a checkpoint as an MLflow model below a folder: weights, puzzles, and the code.

    It needs nothing of ours where it is loaded. Of puzzles that no identifier names, the manifest
    alone goes along. Returns the model's folder.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own types when it is imported
        from mlflow.pyfunc import save_model

    from hrm.checkpoints.loading import copy_weights  # these take seconds to import
    from puzzle_datasets.storage.dataset import PuzzleDataset

    dataset = PuzzleDataset.open(puzzles)
    data, kind = place / "data", kind_named(dataset.manifest.kind)
    data.mkdir()
    copy_weights(checkpoint, data / "checkpoint.pt")
    if kind.identified:
        shutil.copytree(puzzles, data / "puzzles", ignore=shutil.ignore_patterns(".*"))
    else:
        (data / "puzzles").mkdir()
        shutil.copy(puzzles / MANIFEST_FILE, data / "puzzles")
    example = kind.to_text(dataset.test.inputs[:1].numpy(), dataset.manifest.grid)
    save_model(
        str(place / "model"),
        loader_module=_LOADER,
        data_path=str(data),
        code_paths=[str(path) for path in _code(place)],
        signature=_signature(),
        input_example=[example],
        pip_requirements=[f"{package}=={version(package)}" for package in _NEEDED],
    )
    return place / "model"


def _code(place: Path) -> Iterator[Path]:
    """Copies of the packages that a model needs, without what Python keeps beside them."""
    for package in (hrm, puzzle_datasets):
        [source] = package.__path__
        copy = place / "code" / package.__name__
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "samples"))
        yield copy
    yield Path(__file__).with_name(f"{_LOADER}.py")


def _signature() -> "ModelSignature":
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    from hrm.evaluation.solving import SolvingOptions
    from sweep_platform.tracking.hrm_served_model import COLUMNS

    types = {"int64": DataType.long, "float64": DataType.double, "str": DataType.string}
    default = SolvingOptions()
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string)]),
        outputs=Schema([ColSpec(types[kind], name) for name, kind in COLUMNS.items()]),
        params=ParamSchema(
            [
                ParamSpec("segments", DataType.integer, 0),
                ParamSpec("halting", DataType.string, default.halting),
                ParamSpec("voting", DataType.integer, default.voting),
            ]
        ),
    )
