"""Load a trained model, whoever trained it: from our checkpoints or from published ones.

The weights are those that evaluations look at: where a run keeps a moving average, the average.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hrm.checkpoints import checkpoint
from hrm.checkpoints.checkpoint import CHECKPOINT_FILE, CheckpointError
from hrm.checkpoints.loaded import LoadedModel as LoadedModel
from hrm.checkpoints.published import CONFIG_FILE, load_published
from hrm.checkpoints.published_settings import DTYPES
from hrm.checkpoints.published_weights import shapes_of
from hrm.checkpoints.tensor_file import in_words, require_like
from hrm.config import ConfigError, ModelConfig, TrainingConfig, require_least, require_sizes
from hrm.model.devices import require_precision
from hrm.model.flat import FlatParameters
from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.common.arguments import checked
from puzzle_datasets.common.options import make
from puzzle_datasets.common.reading import path_from
from puzzle_datasets.common.text import shown
from puzzle_datasets.storage.schema import Manifest

CPU = torch.device("cpu")
MOST_SEGMENTS = 1_000_000


@checked(CheckpointError)
def load_model(
    path: Path | str,
    *,
    device: torch.device = CPU,
    dtype: torch.dtype | None = None,
    seq_len: int | None = None,
) -> LoadedModel:
    """Load a model onto a device, without its optimizer.

    Args:
        path: a `checkpoint.pt` or the folder of a run or a trial that holds one; or a published
            checkpoint's folder, or one of its `step_N` files.
        device: where the model is put.
        dtype: in what its modules compute; None takes what it was trained in.
        seq_len: tokens of a puzzle, for published checkpoints that do not say it.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged or holds another model than it
            says.
        ConfigError: the device lacks the precision.
    """
    path = path_from("path", path, CheckpointError)
    if (path / CHECKPOINT_FILE).is_file():
        path = path / CHECKPOINT_FILE
    named = None if (path / CONFIG_FILE).is_file() else re.fullmatch(r"step_(\d+)", path.name)
    folder, step = (path.parent, int(named[1])) if named else (path, None)
    if (folder / CONFIG_FILE).is_file():
        model = load_published(folder, seq_len=seq_len, step=step, dtype=dtype)
        loaded = LoadedModel(model=model, config=model.config, source=path, step=step)
    else:
        loaded = _load_ours(path, dtype)
    _require_finite(path, loaded.model)
    require_precision(type_name(loaded.model.dtype), device, "dtype")
    return replace(loaded, model=loaded.model.to(device).eval())


@checked(CheckpointError)
def copy_weights(checkpoint_of_ours: Path, to: Path) -> None:
    """Write the part of a checkpoint that `load_model` needs: no optimizer, a third of the size.

    Raises `CheckpointError` where it can't be read, or the copy not be written.
    """
    content = checkpoint.load(checkpoint_of_ours)
    saved_model(checkpoint_of_ours, content)
    learner = content["state"]["learner"]
    kept = {name: learner[name] for name in ("model", "average", "steps")}
    checkpoint.save(to, {"settings": content["settings"], "state": {"learner": kept}})


@checked(CheckpointError)
def step_of(checkpoint_of_ours: Path) -> int:
    """Return how many steps a checkpoint was trained. Raises `CheckpointError`: can't be read."""
    return saved_model(checkpoint_of_ours, checkpoint.load(checkpoint_of_ours)).step


@checked(CheckpointError)
def require_settings(
    checkpoint_of_ours: Path, model: ModelConfig, training: TrainingConfig, fingerprint: str
) -> None:
    """Refuse a checkpoint of another model or training, or of puzzles with another fingerprint.

    Raises `CheckpointError`, also where it can't be read.
    """
    saved = saved_model(checkpoint_of_ours, checkpoint.load(checkpoint_of_ours))
    same = partial(checkpoint.require_same, checkpoint_of_ours)
    same("model setting", asdict(saved.config.effective), asdict(model.effective))
    same("training setting", asdict(saved.training), asdict(training))
    same("dataset", {"fingerprint": saved.fingerprint}, {"fingerprint": fingerprint})


def _require_finite(path: Path, model: ReasoningModel) -> None:
    for name, weights in model.state_dict().items():
        if not weights.isfinite().all():
            problem = f"holds weights that are no finite numbers, such as {name}"
            raise CheckpointError.of(path, problem, "restore another one")


def type_name(dtype: torch.dtype) -> str:
    """Return the name of a type, as settings have it.

    >>> type_name(torch.bfloat16)
    'bfloat16'
    """
    return str(dtype).removeprefix("torch.")


def require_fit(loaded: LoadedModel, manifest: Manifest) -> None:
    """Refuse puzzles that the model can't read.

    Raises `ConfigError`, whose field is the size that differs.
    """
    remedy = "evaluate it on the set that it was trained on, or one built alike"
    require_sizes(loaded.model.config, manifest, f"of {loaded.source} ", remedy)


def with_steps(config: ModelConfig, N: int | None, T: int | None) -> ModelConfig:
    """Return the model with other cycles a segment than it was trained with; None keeps them.

    Raises `ConfigError` where a number is impossible, or the model has no use for it.
    """
    numbers: dict[str, Any] = {"N": N, "T": T}
    chosen = {name: value for name, value in numbers.items() if value is not None}
    effective = replace(config, **chosen).effective
    for name, value in chosen.items():
        if getattr(effective, name) != value:
            problem = f"is {value}, but a {config.model} has no cycles"
            remedy = f"give {getattr(effective, name)}"
            raise ConfigError.of(name, problem, remedy, value, also=("model",))
    return effective


def require_segments(config: ModelConfig, segments: int, name: str = "segments") -> None:
    """Refuse numbers of segments that are impossible, or more than the model has a use for.

    Raises `ConfigError`, whose field is `name`.
    """
    require_least(1, MOST_SEGMENTS, **{name: segments})
    if not config.kind.continues and segments > 1:
        problem = f"is {segments}, but every segment of a {config.model} is the same"
        raise ConfigError.of(name, problem, "give 1", segments)


def _load_ours(path: Path, dtype: torch.dtype | None) -> LoadedModel:
    if not path.is_file():
        lacks = f"has neither {CHECKPOINT_FILE} nor {CONFIG_FILE}"
        remedy = "name a checkpoint, the folder of a run or trial, or a published checkpoint's"
        raise CheckpointError.of(path, lacks if path.exists() else "does not exist", remedy)
    saved = saved_model(path, checkpoint.load(path))
    require_same_shapes(path, saved.weights, shapes_of(path, saved.config, len(saved.weights)))
    model = ReasoningModel(saved.config, dtype or DTYPES[saved.training.precision])
    model.load_state_dict(saved.weights)
    averaged = saved.average is not None
    if saved.average is not None:
        values = FlatParameters(model.parameters()).values
        require_like(path, saved.average, values, "average")
        values.copy_(saved.average)
        model.zero_grad(set_to_none=True)
    return LoadedModel(
        model=model,
        config=saved.config,
        source=path,
        training=saved.training,
        trained_on=saved.fingerprint,
        step=saved.step,
        averaged=averaged,
    )


@dataclass(frozen=True, kw_only=True)
class Saved:
    """The part of a checkpoint of ours that its model is built from."""

    config: ModelConfig
    training: TrainingConfig
    weights: Mapping[str, Tensor]
    average: Any
    step: int
    fingerprint: str


def saved_model(path: Path, content: Mapping[str, Any]) -> Saved:
    """Pick it from what `checkpoint.load` returned; raises `CheckpointError`."""
    part = partial(checkpoint.section, path)
    settings, learner = part(content, "settings"), part(part(content, "state"), "learner")
    try:
        found = Saved(
            config=make(ModelConfig, part(settings, "model setting"), ConfigError),
            training=make(TrainingConfig, part(settings, "training setting"), ConfigError),
            weights=learner["model"],
            average=learner["average"],
            step=learner["steps"],
            fingerprint=part(settings, "dataset")["fingerprint"],
        )
    except ConfigError as error:
        problem = f"was changed, or written by another version: {error.field} {error.problem}"
        raise CheckpointError.of(path, problem, "open it with that one") from error
    except (LookupError, TypeError) as error:
        problem = f"was written by another version ({shown(error)})"
        raise CheckpointError.of(path, problem, "open it with that one") from error
    require_like(path, found.step, 0, "steps")
    checkpoint.require_length(path, found.config)
    named = isinstance(found.weights, Mapping) and all(isinstance(n, str) for n in found.weights)
    if not isinstance(found.fingerprint, str) or not named:
        raise CheckpointError.of(path, "holds no weights by name", "restore another one")
    return found


def require_same_shapes(
    path: Path, weights: Mapping[str, Any], needed: Mapping[str, Tensor]
) -> None:
    """Refuse weights of other shapes or types than are needed. Raises `CheckpointError`."""
    for name in sorted(map(str, weights.keys() | needed.keys())):
        has, needs = (_shape(found, name) for found in (weights, needed))
        if has != needs:
            problem = f"holds another model than its settings say: {name} is {has}, not {needs}"
            raise CheckpointError.of(path, problem, "restore another one")


def _shape(found: Mapping[str, Any], name: str) -> str:
    """The shape and type of a tensor; what it is else."""
    return in_words(found[name]) if name in found else "absent"
