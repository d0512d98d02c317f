"""From a spec's dataset to a folder of shards."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from puzzle_datasets.commands.prepare import puzzle_sets
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.storage.shards import read_manifest
from sweep_platform.common.errors import InputError
from sweep_platform.space import dataset as puzzles
from sweep_platform.spec.schema import DatasetSpec
from sweep_platform.spec.yaml_source import Source

TINY = DatasetSpec(name="arc-agi-1", canvas=3, tasks=3, augmentations=2, held_out="all")


def test_prepared_puzzles_have_the_shape_that_was_planned(tmp_path: Path) -> None:
    folder = puzzles.prepare(TINY, tmp_path)
    assert folder.parent == tmp_path
    manifest = read_manifest(folder)
    built, planned = puzzles.built_shape(manifest), puzzles.planned_shape(TINY)
    assert (built.vocab_size, built.seq_len) == (planned.vocab_size, planned.seq_len) == (12, 9)
    assert 1 < built.num_puzzle_identifiers <= planned.num_puzzle_identifiers


def test_a_trial_opens_the_puzzles_of_its_sweep_and_no_others(tmp_path: Path) -> None:
    folder = puzzles.prepare(TINY, tmp_path)
    address = puzzles.DatasetAddress(
        folder=str(folder), name="maze", fingerprint=read_manifest(folder).fingerprint
    )
    assert len(puzzles.DatasetAddress(**asdict(address)).open().train) > 0
    other = puzzles.prepare(TINY.model_copy(update={"seed": 1}), tmp_path)
    with pytest.raises(DatasetError, match="is not the puzzle set that the sweep began with"):
        replace(address, folder=str(other)).open()


def test_the_published_shape() -> None:
    shape = puzzles.planned_shape(DatasetSpec(name="arc-agi-1"))
    assert (shape.vocab_size, shape.seq_len) == (12, 900)
    assert shape.num_puzzle_identifiers == 1 + 800 * 1001


def test_more_tasks_than_fit_are_refused(tmp_path: Path) -> None:
    greedy = TINY.model_copy(update={"tasks": 700})
    with pytest.raises(DatasetError, match="raise canvas"):
        puzzles.prepare(greedy, tmp_path)


def test_settings_left_out_are_decided_and_paths_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "concepts").mkdir()
    task = {"train": [{"input": [[1]], "output": [[2]]}], "test": []}
    (tmp_path / "concepts" / "One1.json").write_text(json.dumps(task))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for written in ("concepts", "~/concepts"):
        asked = DatasetSpec(name="arc-agi-1", canvas=3, concept_arc=written)
        resolved = puzzles.resolved_dataset(asked, Source(tree={}, locations={}, name="a.yaml"))
        assert resolved.settings["concept_arc"] == str(tmp_path / "concepts")
    assert resolved.settings["tasks"] == "all"
    assert DatasetSpec.model_validate(resolved.model_dump()) == resolved


@pytest.mark.parametrize("name", sorted(puzzle_sets()))
def test_a_misspelt_setting_of_any_set_is_refused(name: str) -> None:
    source = Source(tree={}, locations={("dataset", "sied"): "a.yaml, line 3"}, name="a.yaml")
    with pytest.raises(InputError, match=r"^a\.yaml, line 3: `dataset\.sied` is no setting"):
        puzzles.resolved_dataset(DatasetSpec(name=name, sied=4), source)
