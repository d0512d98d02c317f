"""What a single run is to be: its settings from the command line, and from before on a resume."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from hrm.commands.options import FROM_DATASET, flag
from hrm.config import ConfigError, ModelConfig, TrainingConfig
from hrm.model.flops import step_flops, total_steps
from puzzle_datasets.storage.schema import Manifest

DEFAULT_STEPS = 10_000
"""The budget of a run that names none."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a command line asks for; only what was given is set.

    Attributes:
        out: the run's folder.
        resume: whether to go on with the run that is there.
        dataset: the puzzle set's folder.
        model: fields of `ModelConfig`.
        training: fields of `TrainingConfig`.
        head_dim: width of an attention head, in place of `num_heads`.
        steps: the budget in steps, in place of `training_flops`.
    """

    out: Path
    resume: bool
    dataset: Path | None
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    head_dim: int | None
    steps: int | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Model and training of a run, complete."""

    model: ModelConfig
    training: TrainingConfig


def settled(request: Request, manifest: Manifest, saved: Mapping[str, Any] | None) -> Settings:
    """The settings of a new run, or of the one whose `config.json` says `saved`.

    Raises `ConfigError` where a setting is impossible, or not that of the saved run.
    """
    try:
        model = _model(request, manifest, _known(ModelConfig, saved, "model"))
        training = _training(request, model, _known(TrainingConfig, saved, "training"))
    except TypeError as error:
        if saved is None:
            raise
        path = request.out / "config.json"
        raise ConfigError(f"{path} is damaged; restore it, or start anew.") from error
    _require_use(request, model)
    if saved is not None:
        _require_unchanged(request.out, saved["model"], model)
        begun = TrainingConfig(**_known(TrainingConfig, saved, "training"))
        _require_same_steps(request, begun, model)
        _require_unchanged(request.out, saved["training"], training)
    return Settings(model=model, training=training)


def dataset_folder(request: Request, saved: Mapping[str, Any] | None) -> Path:
    """The folder asked for, or the one that the saved run was begun with."""
    if request.dataset is not None:
        return request.dataset
    if saved is not None:
        return Path(saved["dataset"]["folder"])
    none = f"{request.out} holds no run to resume, and " if request.resume else ""
    raise ConfigError(
        f"{none}--dataset is missing; give a folder that `puzzle_datasets build` made."
    )


def _known(
    configuration: type[Any], saved: Mapping[str, Any] | None, section: str
) -> dict[str, Any]:
    names = {field.name for field in fields(configuration)}
    values = dict(saved[section]) if saved is not None else {}
    unknown = sorted(values.keys() - names)
    if unknown:
        raise ConfigError(
            f"config.json has {section}.{unknown[0]}, which this version doesn't know; "
            "resume with the version that began the run."
        )
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}


def _model(request: Request, manifest: Manifest, before: Mapping[str, Any]) -> ModelConfig:
    values = {**before, **request.model}
    if request.head_dim is not None:
        if "num_heads" in request.model:
            raise ConfigError("--head-dim and --num-heads are given; keep one.")
        values["num_heads"] = _heads(values, request.head_dim)
    return ModelConfig(**{**values, **{name: getattr(manifest, name) for name in FROM_DATASET}})


def _require_use(request: Request, model: ModelConfig) -> None:
    """Refuse a setting that the model would leave aside."""
    for name, value in request.model.items():
        if getattr(model, name) != value:
            cause = "gradient" if name == "gradient_steps" else "model"
            raise ConfigError(
                f"{flag(name)} is {value}, which {flag(cause)} {getattr(model, cause)} "
                "has no use for; leave it out."
            )


def _heads(values: Mapping[str, Any], head_dim: int) -> int:
    hidden_size: int = values.get("hidden_size", ModelConfig.hidden_size)
    if head_dim < 1 or hidden_size % head_dim:
        raise ConfigError(f"--head-dim is {head_dim}; give a divisor of the width {hidden_size}.")
    return hidden_size // head_dim


def _training(request: Request, model: ModelConfig, before: Mapping[str, Any]) -> TrainingConfig:
    values = {**before, **request.training}
    steps = request.steps
    if steps is not None and "training_flops" in request.training:
        raise ConfigError("--steps and --training-flops are given; keep one.")
    if steps is None and "training_flops" in values:
        return TrainingConfig(**values)
    if steps is not None and steps < 1:
        raise ConfigError(f"--steps is {steps}; give a whole number of at least 1.")
    config = TrainingConfig(**{**values, "training_flops": 1.0})
    cost = (DEFAULT_STEPS if steps is None else steps) * step_flops(model, config)
    return replace(config, training_flops=_at_least(cost))


def _at_least(whole: int) -> float:
    """The smallest float that is no less: a rounded budget must not lack a step."""
    near = float(whole)
    return near if near >= whole else math.nextafter(near, math.inf)


def _require_same_steps(request: Request, begun: TrainingConfig, model: ModelConfig) -> None:
    """Refuse other steps in the words that were used, which name no FLOPs."""
    if request.steps is not None and request.steps != (steps := total_steps(model, begun)):
        raise ConfigError(
            f"--steps is {request.steps}, but {request.out} was begun with {steps}; "
            "leave it out, or give another --out."
        )


def _require_unchanged(
    out: Path, saved: Mapping[str, Any], config: ModelConfig | TrainingConfig
) -> None:
    now = json.loads(json.dumps(asdict(config)))
    for name, before in saved.items():
        if now[name] != before:
            raise ConfigError(
                f"{flag(name)} is {now[name]}, but {out} was begun with {before}; "
                "leave it out, or give another --out."
            )
