"""The sections of a sweep's record, as far as reports and trackers read them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from puzzle_datasets.common.bounded import Count, Positive
from puzzle_datasets.common.records import MisfitError, record_from
from puzzle_datasets.kinds.floors import FloorResult
from sweep_platform.spec.schema import SweepSpec


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
