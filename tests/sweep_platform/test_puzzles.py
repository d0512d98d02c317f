"""From a spec's dataset to a folder of shards."""

from dataclasses import asdict
from pathlib import Path

import pytest

from puzzle_datasets.schema import MANIFEST_FILE, DatasetError, Manifest
from sweep_platform import puzzles
from sweep_platform.spec import DatasetSpec

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
