"""The settings of a single run: from the command line, and from before where it goes on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from hrm.config import (
    DATASET_FIELDS,
    ConfigError,
    ModelConfig,
    TrainingConfig,
    heads_of_width,
    require_least,
)
from hrm.model.flops import step_flops, total_steps
from hrm.runs.folder import RunFolder, RunState
from puzzle_datasets.common.command_line import flag
from puzzle_datasets.common.options import make, plain
from puzzle_datasets.storage.schema import Manifest

DEFAULT_STEPS = 10_000
"""The budget of a run that names none."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The run that a command line asks for; only what was given is set.

    `model` and `training` are fields of `ModelConfig` and `TrainingConfig`; `head_dim` stands for
    `num_heads` and `steps` for `training_flops`. `resume`: go on with the run in the folder `out`.
    """

    out: Path
    resume: bool
    dataset: Path | None
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    head_dim: int | None
    steps: int | None


def saved_run(request: Request, folder: RunFolder) -> dict[str, Any] | None:
    """Return the record of the run that is in the folder already; None where there is none.

    Raises `ConfigError` where it is damaged, ended early, or is not asked to go on; or the folder
    holds something else.
    """
    if not folder.exists():
        folder.require_free()
        return None
    if not request.resume:
        raise taken(folder)
    outcome = folder.outcome()
    if outcome is not None and outcome.state in (RunState.FAILED, RunState.STOPPED):
        problem = f"holds a run that {outcome.state} ({outcome.reason})"
        raise ConfigError.of(folder.root, problem, "give another --out")
    record = folder.record()
    for key in ("folder", "fingerprint"):
        if not isinstance(record["dataset"].get(key), str):
            problem = f"lacks dataset.{key}"
            raise ConfigError.of(folder.root / "run.json", problem, "restore it, or start anew")
    return record


def taken(folder: RunFolder) -> ConfigError:
    """The error of a folder that holds a run already, where a new one was to begin."""
    remedy = "add --resume to go on with it, or give another --out"
    return ConfigError.of(folder.root, "holds a run already", remedy)


def resolved_settings(
    request: Request, manifest: Manifest, saved: Mapping[str, Any] | None
) -> tuple[ModelConfig, TrainingConfig]:
    """Return the settings of a new run, or of the one whose `run.json` has the record `saved`.

    Raises `ConfigError` where a setting is impossible, of no use, or not that of the saved run.
    """
    before = saved or {"model": {}, "training": {}}
    model = _model(request, manifest, before["model"])
    training = _training(request, model, before["training"])
    if saved is not None:
        begun = total_steps(model, make(TrainingConfig, saved["training"], ConfigError))
        _require_unchanged(request.out, saved["model"], plain(model))
        # Other steps are refused in the words that were used, which name no FLOPs.
        steps = begun if request.steps is None else request.steps
        _require_unchanged(request.out, {"steps": begun}, {"steps": steps})
        _require_unchanged(request.out, saved["training"], plain(training))
    return model, training


def dataset_folder(request: Request, saved: Mapping[str, Any] | None) -> Path:
    """Return the folder asked for, or the one that the saved run was begun with."""
    if request.dataset is not None:
        return request.dataset
    if saved is not None:
        return Path(saved["dataset"]["folder"])
    if request.resume:
        remedy = "name the folder of a run by --out, or give --dataset to begin one"
        raise ConfigError.of(request.out, "holds no run to resume", remedy)
    remedy = "give a folder that `python -m puzzle_datasets build` made"
    raise ConfigError.of("dataset", "is missing", remedy)


def _model(request: Request, manifest: Manifest, before: Mapping[str, Any]) -> ModelConfig:
    sizes = {name: getattr(manifest, name) for name in DATASET_FIELDS}
    values = {**before, **request.model, **sizes}
    if request.head_dim is not None:
        if "num_heads" in request.model:
            _refuse_both("head_dim", request.head_dim, "num_heads")
        hidden_size = values.get("hidden_size", ModelConfig.hidden_size)
        values["num_heads"] = heads_of_width(request.head_dim, hidden_size)
    model: ModelConfig = make(ModelConfig, values, ConfigError)
    given = {**request.model, **request.training}
    for name, cause in model.ignored(given).items():
        problem = f"is {given[name]}, which {flag(cause)} {getattr(model, cause)} has no use for"
        raise ConfigError.of(name, problem, "leave it out", given[name], also=(cause,))
    return model


def _training(request: Request, model: ModelConfig, before: Mapping[str, Any]) -> TrainingConfig:
    values, steps = {**before, **request.training}, request.steps
    if steps is not None and "training_flops" in request.training:
        _refuse_both("steps", steps, "training_flops")
    require_least(1, steps=steps)
    if steps is None and "training_flops" in values:
        given: TrainingConfig = make(TrainingConfig, values, ConfigError)
        return given
    config: TrainingConfig = make(TrainingConfig, {**values, "training_flops": 1.0}, ConfigError)
    cost = (DEFAULT_STEPS if steps is None else steps) * step_flops(model, config)
    return replace(config, training_flops=_at_least(cost))


def _refuse_both(field: str, value: object, other: str) -> NoReturn:
    problem = f"is {value}, and {flag(other)} is given too"
    raise ConfigError.of(field, problem, "keep one of them", value, also=(other,))


def _at_least(whole: int) -> float:
    """Return the smallest float that is no less: a rounded budget must not lack a step."""
    near = float(whole)
    return near if near >= whole else math.nextafter(near, math.inf)


def _require_unchanged(out: Path, saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for name, before in saved.items():
        if now[name] != before:
            problem = f"is {now[name]}, but {out} was begun with {before}"
            remedy = "leave it out, or give another --out"
            raise ConfigError.of(name, problem, remedy, now[name])
