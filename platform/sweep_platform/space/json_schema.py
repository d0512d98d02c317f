"""The JSON schema of space files, by which editors complete and check them.

Everything in it stands elsewhere once: sections in `sweep_platform.spec.schema`, settings of model
and training in `hrm.config`, puzzle sets and their settings in `puzzle_datasets`.
"""

from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, fields
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from hrm.config import ModelConfig, TrainingConfig
from puzzle_datasets.commands.prepare import puzzle_sets
from puzzle_datasets.common.options import MOST_LISTED, alternatives, bounds_of, help_of
from sweep_platform.space.knobs import HEAD_DIM
from sweep_platform.spec.metrics import OBJECTIVES
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.spec.settings import BUDGET_KNOB, MODEL_SETTINGS, TRAINING_SETTINGS

Schema = dict[str, Any]
_BOUNDS = {
    "least": "minimum",
    "most": "maximum",
    "above": "exclusiveMinimum",
    "below": "exclusiveMaximum",
}
_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean", NoneType: "null"}


def space_schema() -> Schema:
    """The schema of a space file, as JSON has it."""
    schema = SweepSpec.model_json_schema()
    top: Schema = schema["properties"]
    model = {**_settings(ModelConfig, MODEL_SETTINGS), HEAD_DIM: _HEAD_DIM}
    training = _settings(TrainingConfig, TRAINING_SETTINGS)
    top["model"] = _section(top["model"], model)
    top["training"] = _section(top["training"], training)
    when = schema["$defs"]["Range"]["properties"]["when"]
    searched = {**model, **training, **_settings(TrainingConfig, (BUDGET_KNOB,))}
    knobs = {name: _knob(one, when) for name, one in searched.items() if name != HEAD_DIM}
    top["space"] = {**_section(top["space"], knobs), "minProperties": 1}
    top["objectives"]["items"] = {"enum": list(OBJECTIVES)}
    top["dataset"] = _dataset(top["dataset"])
    del schema["$defs"]["DatasetSpec"]
    top["scales"] = {
        "description": "settings on top of the others, by the name of a scale; see --scale",
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": {k: _partial(one, schema["$defs"]) for k, one in top.items()},
            "additionalProperties": False,
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "A space: what a sweep searches",
        # A scale may bring what the file itself lacks.
        "required": [],
    }


_HEAD_DIM: Schema = {
    "description": "width of an attention head, in place of num_heads: as many as fit",
    "type": "integer",
    "minimum": 2,
    "multipleOf": 2,
}


def _section(section: Schema, properties: Mapping[str, Schema]) -> Schema:
    return {
        "description": section["description"],
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
    }


def _settings(configuration: type[Any], names: Collection[str]) -> dict[str, Schema]:
    hints = get_type_hints(configuration)
    return {f.name: _setting(f, hints[f.name]) for f in fields(configuration) if f.name in names}


def _setting(item: Field[Any], hint: Any) -> Schema:
    schema: Schema = {"description": help_of(item), **_values(item, hint)}
    if item.default is not MISSING:
        default = item.default
        schema["default"] = list(default) if isinstance(default, tuple) else default
    return schema


def _values(item: Field[Any], hint: Any) -> Schema:
    """The values of a setting: of one of its types within its bounds, or one of its literals."""
    if get_origin(hint) is tuple:
        one = _values(item, get_args(hint)[0])
        return {"type": "array", "items": one, "maxItems": MOST_LISTED}
    bounds = {
        keyword: bound
        for name, keyword in _BOUNDS.items()
        if (bound := getattr(bounds_of(item), name)) is not None
    }
    admitted = alternatives(hint)
    literals = [part for part in admitted if part not in _TYPES]
    typed = [
        {"type": _TYPES[part], **(bounds if part in (int, float) else {})}
        for part in admitted
        if part in _TYPES
    ]
    ways: list[Schema] = [*([{"enum": literals}] if literals else []), *typed]
    return ways[0] if len(ways) == 1 else {"anyOf": ways}


def _knob(setting: Schema, when: Schema) -> Schema:
    """A searched setting: a list of its values, or a range of its numbers."""
    listed = {"type": "array", "minItems": 1, "maxItems": MOST_LISTED}
    value = {k: v for k, v in setting.items() if k not in ("description", "default")}
    return {
        "description": setting["description"],
        "oneOf": [
            {
                "type": "object",
                "properties": {"choices": {**listed, "items": value}, "when": when},
                "required": ["choices"],
                "additionalProperties": False,
            },
            {"$ref": "#/$defs/Range"},
        ],
    }


def _dataset(section: Schema) -> Schema:
    """One of the puzzle sets, each with its own settings."""
    sets = []
    for name, puzzle_set in puzzle_sets().items():
        names = [item.name for item in fields(puzzle_set.settings)]
        properties = _settings(puzzle_set.settings, names)
        constant = {"const": name, "description": puzzle_set.summary}
        sets.append(
            {
                "type": "object",
                "properties": {"name": constant, **properties},
                "required": ["name"],
                "additionalProperties": False,
            }
        )
    return {"description": section.get("description", "the puzzles"), "oneOf": sets}


def _partial(section: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """The same section where any part of it may be missing, as in a scale."""
    if "$ref" in section:
        section = {**definitions[section["$ref"].rpartition("/")[2]], **section}
    rest = {k: value for k, value in section.items() if k not in ("$ref", "required", "default")}
    if "oneOf" in rest:
        ways = [_partial(one, definitions) for one in rest.pop("oneOf")]
        return {**rest, "anyOf": ways}
    return rest
