"""Open a trained model, whoever trained it: from our checkpoints or from published ones.

What is opened is what evaluations look at: where a run keeps a moving average of its weights, the
average.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hrm.checkpoints import checkpoint, official
from hrm.checkpoints.checkpoint import CheckpointError
from hrm.checkpoints.official import CONFIG_FILE
from hrm.config import ConfigError, ModelConfig
from hrm.model.baselines import build_model
from hrm.model.devices import require_precision
from hrm.model.flat import FlatParameters
from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.storage.schema import Manifest

CHECKPOINT_FILE = "checkpoint.pt"
"""What a run and a sweep's trial call theirs."""

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A model that was trained before.

    Attributes:
        model: with the weights to evaluate, on the device asked for.
        config: what it was trained with; that of `model` may be given other cycles.
        source: the file or folder it came from.
        trained_on: the fingerprint of its puzzle set; None where the checkpoint doesn't say.
        step: optimizer steps behind the weights; None where the checkpoint doesn't say.
        averaged: whether the weights are a moving average.
    """

    model: ReasoningModel
    config: ModelConfig
    source: Path
    trained_on: str | None = None
    step: int | None = None
    averaged: bool = False


def open_model(
    path: Path,
    *,
    device: torch.device = CPU,
    dtype: torch.dtype | None = None,
    seq_len: int | None = None,
) -> Opened:
    """Open the model at `path`, without its optimizer.

    Args:
        path: a `checkpoint.pt` or the folder of a run or a trial that holds one; or a published
            checkpoint's folder, or one of its `step_N` files.
        device: where the model is put.
        dtype: in what its modules compute; None takes what it was trained in.
        seq_len: tokens of a puzzle, for published checkpoints that do not say it.

    Raises `CheckpointError` where there is no checkpoint, or it is damaged or holds another model
    than it says; `ConfigError` where the device lacks the precision.
    """
    if (path / CHECKPOINT_FILE).is_file():
        path = path / CHECKPOINT_FILE
    folder, step = _published(path)
    if folder is not None:
        model: ReasoningModel = official.load(folder, seq_len=seq_len, step=step, dtype=dtype)
        opened = Opened(model=model, config=model.config, source=path, step=step)
    else:
        opened = _open_ours(path, dtype)
    precision = str(opened.model.dtype).removeprefix("torch.")
    try:
        require_precision(precision, device)
    except ConfigError as error:
        raise ConfigError(
            f"{path} is to compute in {precision}, which this {device.type.upper()} lacks; give "
            "--dtype float32."
        ) from error
    return replace(opened, model=opened.model.to(device).eval())


def require_fit(opened: Opened, manifest: Manifest) -> None:
    """Refuse puzzles that the model can't read, with a `ConfigError` that names the size."""
    for field in ("vocab_size", "seq_len", "num_puzzle_identifiers"):
        has, needed = getattr(opened.model.config, field), getattr(manifest, field)
        if has != needed:
            raise ConfigError(
                f"{opened.source} is a model of {field} {has}, but the dataset {manifest.name!r} "
                f"has {field} {needed}; evaluate it on the set that it was trained on, or one "
                "built alike."
            )


def with_steps(config: ModelConfig, N: int | None, T: int | None) -> ModelConfig:
    """The model with other cycles a segment than it was trained with; None keeps them.

    Raises `ConfigError` where a number is impossible, or the model has no use for it.
    """
    given = {"N": N, "T": T}
    asked: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    changed = replace(config, **asked)
    for name, value in asked.items():
        if getattr(changed, name) != value:
            raise ConfigError(
                f"ModelConfig.{name} is {value}, but a {config.model} has no cycles; give 1."
            )
    return changed


def require_segments(config: ModelConfig, segments: int, name: str = "--segments") -> None:
    """Refuse numbers of segments that are no number, or more than the model has a use for.

    Raises `ConfigError` that calls the number `name`.
    """
    if segments < 1:
        raise ConfigError(f"{name} is {segments}; give at least 1.")
    if config.model == "transformer" and segments > 1:
        raise ConfigError(
            f"{name} is {segments}, but every segment of a transformer is the same; give 1."
        )


def _published(path: Path) -> tuple[Path | None, int | None]:
    """The folder of a published checkpoint and whose weights, if `path` names such a thing."""
    if (path / CONFIG_FILE).is_file():
        return path, None
    step = re.fullmatch(r"step_(\d+)", path.name)
    if step and (path.parent / CONFIG_FILE).is_file():
        return path.parent, int(step[1])
    return None, None


def _open_ours(path: Path, dtype: torch.dtype | None) -> Opened:
    if not path.is_file():
        what = f"has neither {CHECKPOINT_FILE} nor {CONFIG_FILE}"
        raise CheckpointError(
            f"{path} {what if path.exists() else 'does not exist'}; name a checkpoint, the folder "
            "of a run or trial, or a published checkpoint's."
        )
    content = checkpoint.load(path)
    try:
        settings, learner = content["settings"], content["state"]["learner"]
        config = ModelConfig(**settings["model setting"])
        trained_in = getattr(torch, settings["training setting"]["precision"])
        weights, average, step = learner["model"], learner["average"], learner["steps"]
        fingerprint = settings["dataset"]["fingerprint"]
    except (LookupError, TypeError, AttributeError, ConfigError) as error:
        raise CheckpointError(
            f"{path} was written by another version ({error}); open it with that one."
        ) from error
    model = build_model(config, dtype or trained_in)
    _require_same_shapes(path, weights, model.state_dict())
    model.load_state_dict(weights)
    if average is not None:
        _take_average(path, model, average)
    return Opened(
        model=model,
        config=config,
        source=path,
        trained_on=fingerprint,
        step=step,
        averaged=average is not None,
    )


def _require_same_shapes(
    path: Path, weights: Mapping[str, Any], needed: Mapping[str, Tensor]
) -> None:
    for name in sorted(weights.keys() | needed.keys()):
        has, needs = (
            tuple(found[name].shape) if name in found else "absent" for found in (weights, needed)
        )
        if has != needs:
            raise CheckpointError(
                f"{path} holds another model than its settings say: {name} is {has}, not {needs}; "
                "restore another one."
            )


def _take_average(path: Path, model: ReasoningModel, average: Tensor) -> None:
    """Put the averaged weights in place of the trained ones."""
    values = FlatParameters(model.parameters()).values
    if average.shape != values.shape:
        raise CheckpointError(
            f"{path} holds an average of {len(average)} weights, not {len(values)}; restore "
            "another one."
        )
    values.copy_(average)
    model.zero_grad(set_to_none=True)
