"""Which settings of a space differ from what it would be if it said nothing of them."""

from collections.abc import Mapping
from typing import Any

from hrm.config import ModelConfig, TrainingConfig
from puzzle_datasets.commands.prepare import puzzle_set, puzzle_sets
from puzzle_datasets.common.options import defaults
from sweep_platform.report.wording import leaves
from sweep_platform.spec.schema import BudgetSpec, SweepSpec

_STATED = ("name", "space")
"""Sections that every space states itself, and a report tells elsewhere."""


def split_by_default(spec: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings by dotted keys: those that differ from their default, and those that do not."""
    known = _defaults(spec)
    differing: dict[str, Any] = {}
    same: dict[str, Any] = {}
    for key, value in leaves({name: one for name, one in spec.items() if name not in _STATED}):
        at_default = key in known and known[key] == value
        (same if at_default else differing)[key] = value
    return differing, same


def _defaults(spec: Mapping[str, Any]) -> dict[str, Any]:
    needed = {key: spec[key] for key in ("name", "dataset", "space", "budget")}
    plain = SweepSpec.model_validate(needed).model_dump(mode="json")
    for stated in ("dataset", "budget"):
        del plain[stated]
    budget = {name: one.default for name, one in BudgetSpec.model_fields.items()}
    sections = {
        "model": defaults(ModelConfig),
        "training": defaults(TrainingConfig),
        "budget": {name: one for name, one in budget.items() if one is None},
    }
    name = spec["dataset"].get("name")
    if name in puzzle_sets():
        sections["dataset"] = defaults(puzzle_set(name).settings)
    return {**dict(leaves(plain)), **dict(leaves(sections))}
