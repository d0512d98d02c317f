"""The sections of a sweep's record and of a trial's, as far as reports and trackers read them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from hrm.config import ConfigError, ModelConfig, TrainingConfig, ema_decay
from puzzle_datasets.common.bounded import Count, Positive
from puzzle_datasets.common.options import make, plain
from puzzle_datasets.common.records import MisfitError, record_from
from puzzle_datasets.common.text import shown
from puzzle_datasets.kinds.floors import FloorResult
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.spec.settings import MODEL_SETTINGS, SEARCHED


@dataclass(frozen=True, kw_only=True)
class _Dataset:
    name: str
    fingerprint: str
    folder: str | None = None
    counts: dict[str, Count] = field(default_factory=dict)
    source: str | None = None
    licence: str | None = None
    floors: tuple[FloorResult, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Hardware:
    machine: str | None = None
    processor: str | None = None
    cores: Positive | None = None
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Environment:
    command: tuple[str, ...] = ("sweeps/run.py",)
    git_commit: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    hardware: _Hardware = field(default_factory=_Hardware)


def require_sections(
    spec: Mapping[str, Any], dataset: Mapping[str, Any], environment: Mapping[str, Any]
) -> None:
    """Raise `MisfitError` where a section of a sweep's record is not what was written there."""
    record_from(dataset, _Dataset, "dataset")
    record_from(environment, _Environment, "environment")
    try:
        searched = SweepSpec.model_validate(spec).space
    except ValidationError as error:
        where = ".".join(map(str, ("spec", *error.errors()[0]["loc"])))
        raise MisfitError(f"has no {where} of its kind") from None
    if not searched:
        raise MisfitError("has no spec.space of its kind")


def require_knobs(
    parameters: Mapping[str, Any], model: Mapping[str, Any], training: Mapping[str, Any]
) -> None:
    """Raise `MisfitError` where a knob is no setting, or the settings have another value of it.

    A value that comes to the same is none: N of a model that has no cycles.
    """
    for name, value in parameters.items():
        if name not in SEARCHED:
            raise MisfitError(f"has the knob {shown(name)}, which is no setting")
        section, values = ("model", model) if name in MODEL_SETTINGS else ("training", training)
        has = values.get(name)
        if type(value) is type(has) and value == has:
            continue
        changed = {"model": model, "training": training, section: {**values, name: value}}
        try:
            same = _resolved(**changed) == _resolved(model, training)
        except ConfigError:
            same = False
        if not same:
            problem = f"has {shown(value)} as parameters.{name}, and {shown(has)}"
            raise MisfitError(f"{problem} as {section}.{name}")


def _resolved(model: Mapping[str, Any], training: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The settings with nothing left for the model to decide."""
    effective = make(ModelConfig, model, ConfigError).effective
    trained: TrainingConfig = make(TrainingConfig, training, ConfigError)
    decay = float(ema_decay(effective, trained))
    return [plain(effective), plain(replace(trained, ema=decay))]
