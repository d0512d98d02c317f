"""From a spec's dataset to a folder of shards."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from puzzle_datasets.registry import PUZZLE_SETS
from puzzle_datasets.schema import MANIFEST_FILE, DatasetError, Manifest
from sweep_platform import puzzles
from sweep_platform.errors import InputError
from sweep_platform.spec import DatasetSpec
from sweep_platform.yaml_source import Source

TINY = DatasetSpec(name="arc-agi-1", canvas=3, tasks=3, augmentations=2, held_out="all")


def test_prepared_puzzles_have_the_shape_that_was_planned(tmp_path: Path) -> None:
    address = puzzles.address(TINY, tmp_path)
    assert Path(address.root).is_absolute()
    folder = puzzles.DatasetAddress(**asdict(address)).prepare()
    manifest = Manifest.from_json((folder / MANIFEST_FILE).read_text(), folder / MANIFEST_FILE)
    built, planned = puzzles.built_shape(manifest), puzzles.planned_shape(TINY)
    assert (built.vocab_size, built.seq_len) == (planned.vocab_size, planned.seq_len) == (12, 9)
    assert 1 < built.num_puzzle_identifiers <= planned.num_puzzle_identifiers
    assert address.prepare() == folder


def test_the_published_shape() -> None:
    shape = puzzles.planned_shape(DatasetSpec(name="arc-agi-1"))
    assert (shape.vocab_size, shape.seq_len) == (12, 900)
    assert shape.num_puzzle_identifiers == 1 + 800 * 1001


def test_more_tasks_than_fit_are_refused(tmp_path: Path) -> None:
    greedy = TINY.model_copy(update={"tasks": 700})
    with pytest.raises(DatasetError, match="raise canvas"):
        puzzles.address(greedy, tmp_path).prepare()


def test_settings_left_out_are_decided_and_paths_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "concepts").mkdir()
    task = {"train": [{"input": [[1]], "output": [[2]]}], "test": []}
    (tmp_path / "concepts" / "One1.json").write_text(json.dumps(task))
    monkeypatch.chdir(tmp_path)
    asked = DatasetSpec(name="arc-agi-1", canvas=3, concept_arc="concepts")
    resolved = puzzles.resolved_dataset(asked, Source(tree={}, places={}, name="a.yaml"))
    assert resolved.settings["concept_arc"] == str(tmp_path / "concepts")
    assert resolved.settings["tasks"] == "all"
    assert DatasetSpec.model_validate(resolved.model_dump()) == resolved


@pytest.mark.parametrize("name", sorted(PUZZLE_SETS))
def test_a_misspelt_setting_of_any_set_is_refused(name: str) -> None:
    source = Source(tree={}, places={("dataset", "sied"): "a.yaml, line 3"}, name="a.yaml")
    with pytest.raises(InputError, match=r"^a\.yaml, line 3: `dataset\.sied` is no setting"):
        puzzles.resolved_dataset(DatasetSpec(name=name, sied=4), source)
