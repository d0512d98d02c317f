"""Editors complete a space by docs/space.schema.json: it takes what we take and refuses typos."""

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from hrm.models import MODELS
from puzzle_datasets.commands.prepare import puzzle_sets
from sweep_platform.space.json_schema import space_schema
from sweep_platform.spec.metrics import OBJECTIVES
from sweep_platform.spec.schema import SAMPLER_NAMES, SweepSpec
from sweep_platform.spec.settings import MODEL_SETTINGS, TRAINING_SETTINGS

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "sweeps").glob("*.yaml"))
SPACE = """\
name: toy
dataset: {name: arc-agi-1, canvas: 6, tasks: 4}
space: {N: {choices: [1, 2]}, learning_rate: {low: 1.0e-5, high: 0.1, log: true}}
model: {head_dim: 32, mode: lean}
training: {batch_size: 8, ema: null}
budget: {trials: 4, flops_per_trial: 1.0e+8}
scales: {big: {budget: {trials: 9}, dataset: {name: sudoku, side: 6}}}
"""


@pytest.fixture(scope="module")
def schema() -> Any:
    return jsonschema.Draft202012Validator(space_schema())


def test_it_is_a_schema_and_up_to_date(schema: Any) -> None:
    schema.check_schema(schema.schema)
    script = runpy.run_path(str(ROOT / "docs" / "space_schema.py"))
    assert script["main"](["--check"]) == 0, "run `python docs/space_schema.py`"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_space_fits(schema: Any, path: Path) -> None:
    from sweep_platform.spec.yaml_source import read_yaml

    schema.validate(read_yaml(path).tree)


def test_every_setting_is_there_with_its_help(schema: Any) -> None:
    sections = schema.schema["properties"]
    for section, names in (("model", MODEL_SETTINGS), ("training", TRAINING_SETTINGS)):
        properties = sections[section]["properties"]
        assert set(names) <= properties.keys()
        assert all(properties[name]["description"] for name in names)
        assert set(names) <= sections["space"]["properties"].keys()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: toy", "nmae: toy"),
        ("canvas: 6", "canvsa: 6"),
        ("name: arc-agi-1", "name: arc-agi-9"),
        ("N: {choices", "NN: {choices"),
        ("{choices: [1, 2]}", "{choises: [1, 2]}"),
        ("choices: [1, 2]", "choices: [0, 2]"),
        ("mode: lean", "mode: fast"),
        ("batch_size: 8", "batch_size: 8.5"),
        ("trials: 4", "trials: 0"),
        ("trials: 9", "trails: 9"),
        ("side: 6", "sied: 6"),
    ],
)
def test_typos_are_marked(schema: Any, old: str, new: str) -> None:
    schema.validate(yaml.safe_load(SPACE))
    assert old in SPACE
    with pytest.raises(jsonschema.ValidationError):
        schema.validate(yaml.safe_load(SPACE.replace(old, new, 1)))


def test_the_page_for_people_names_what_the_schema_has() -> None:
    page = (ROOT / "docs" / "spaces.md").read_text()
    settings = (*MODEL_SETTINGS, *TRAINING_SETTINGS)
    for name in (*settings, *OBJECTIVES, *SAMPLER_NAMES, *puzzle_sets(), *MODELS):
        assert f"`{name}`" in page, f"docs/spaces.md does not name {name}"


def test_the_page_for_people_names_every_key() -> None:
    page = (ROOT / "docs" / "spaces.md").read_text()
    for name in keys(SweepSpec):
        assert f"`{name}`" in page, f"docs/spaces.md does not name {name}"


def keys(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Every key of a space that holds a value, with dots between levels."""
    for name, field in model.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        inner = next((one for one in kinds if hasattr(one, "model_fields")), None)
        if inner is not None:
            yield from keys(inner, f"{above}{name}.")
        elif name not in ("space", "model", "training"):  # these have names of settings below
            yield f"{above}{field.alias or name}"


def test_every_list_of_a_space_is_bounded() -> None:
    def lists(part: object) -> Iterator[dict[str, Any]]:
        for inner in (
            part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        ):
            yield from lists(inner)
        if isinstance(part, dict) and part.get("type") == "array":
            yield part

    found = list(lists(space_schema()))
    assert found
    assert [one for one in found if "maxItems" not in one] == []
