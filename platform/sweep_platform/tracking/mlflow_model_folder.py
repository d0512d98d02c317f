"""Writes a checkpoint as an MLflow model: weights, puzzles, code, signature, an input to try."""

import shutil
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import hrm
import puzzle_datasets
from puzzle_datasets.kinds.kind import kind_named
from puzzle_datasets.storage.schema import MANIFEST_FILE

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

_LOADER = "hrm_served_model"
_NEEDED = ("mlflow", "numpy", "pandas", "pyarrow", "torch")


def write_model(place: Path, checkpoint: Path, puzzles: Path, segments: int | None = None) -> Path:
    """Write a checkpoint as an MLflow model below a folder; returns the model's own.

    It needs nothing of ours where it is loaded. Of puzzles that no identifier names, the manifest
    alone goes along. It spends `segments` on a puzzle unless asked otherwise, None for M_max.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own types when it is imported
        from mlflow.pyfunc import save_model

    from hrm.checkpoints.loading import copy_weights  # these take seconds to import
    from puzzle_datasets.storage.dataset import PuzzleDataset
    from sweep_platform.tracking.hrm_served_model import CHECKPOINT, PUZZLES

    dataset = PuzzleDataset.open(puzzles)
    data, kind = place / "data", kind_named(dataset.manifest.kind)
    data.mkdir()
    copy_weights(checkpoint, data / CHECKPOINT)
    if kind.identified:
        shutil.copytree(puzzles, data / PUZZLES, ignore=shutil.ignore_patterns(".*"))
    else:
        (data / PUZZLES).mkdir()
        shutil.copy(puzzles / MANIFEST_FILE, data / PUZZLES)
    example = kind.to_text(dataset.test.inputs[:1].numpy(), dataset.manifest.grid)
    save_model(
        str(place / "model"),
        loader_module=_LOADER,
        data_path=str(data),
        code_paths=[str(path) for path in _code(place)],
        signature=_signature(segments),
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


def _signature(segments: int | None) -> "ModelSignature":
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
                ParamSpec("segments", DataType.integer, segments or 0),
                ParamSpec("halting", DataType.string, default.halting),
                ParamSpec("voting", DataType.integer, default.voting),
            ]
        ),
    )
