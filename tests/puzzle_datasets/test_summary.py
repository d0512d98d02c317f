import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.commands.summary import augmentation_in_words, summary
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.maze.source import MazeSettings
from puzzle_datasets.storage.schema import Manifest
from puzzle_datasets.storage.shards import read_manifest


def entries(text: str) -> dict[str, str]:
    """Return the values of a summary by their labels."""
    lines = (re.split(" {2,}", line.strip(), maxsplit=1) for line in text.splitlines()[1:])
    return {line[0]: line[1] for line in lines if len(line) == 2}


@pytest.fixture(scope="module")
def manifest(small_folder: Path) -> Manifest:
    return read_manifest(small_folder)


def test_a_summary_says_what_the_manifest_says(small_folder: Path, manifest: Manifest) -> None:
    text = summary(manifest, small_folder)
    said = entries(text)
    assert text.startswith(f"{small_folder}\n")
    assert said["name"] == "arc-agi-1"
    assert said["licence"] == manifest.licence
    assert said["grid"] == "6 by 6 (36 tokens)"
    assert said["vocabulary"] == "12 tokens: padding, end of sequence, colours 0 to 9"
    assert said["fingerprint"] == manifest.fingerprint[:12]
    assert said["identities"] == f"{manifest.counts['identities']:,}"
    assert said["mean cells"] == f"{manifest.statistics['mean_cells']:.4g}"
    size = sum(file.stat().st_size for file in small_folder.iterdir())
    assert said["size on disk"] == f"{size / 1000:.3g} kB"
    assert "concept_arc=none" in said["settings"]


def test_figures_of_splits_stand_side_by_side(tmp_path: Path) -> None:
    folder = prepare("maze", MazeSettings(side=5, train=3, test=2, min_length=4), tmp_path)
    manifest = read_manifest(folder)
    text = summary(manifest, folder)
    figures = manifest.statistics["train_length_max"], manifest.statistics["test_length_max"]
    assert entries(text)["length max"].split() == [f"{figure:.0f}" for figure in figures]
    assert re.search(r"\n +train +test\n", text)
    assert "identities" not in text
    assert len({len(line) for line in text.split("\n\n")[-1].splitlines()}) == 1


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("stored", "none: pairs are served as they are stored"),
        ("fresh", "new in every epoch: rotated"),
        ("table", "up to 12 variants of each puzzle: rotated"),
    ],
)
def test_augmentation_in_words(mode: str, said: str, manifest: Manifest) -> None:
    changed = Manifest.from_json(
        json.dumps(json.loads(manifest.to_json()) | {"augmentation": mode})
    )
    assert said in augmentation_in_words(changed)


def test_only_square_boxes_are_transposed(manifest: Manifest) -> None:
    sudoku = replace(manifest, kind="sudoku", augmentation="fresh")
    assert "transposed" in augmentation_in_words(replace(sudoku, box=(3, 3)))
    assert "transposed" not in augmentation_in_words(replace(sudoku, box=(2, 3)))


def test_a_missing_file_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(manifest.to_json())
    with pytest.raises(DatasetError, match=rf"can't be read.*delete {tmp_path}"):
        summary(manifest, tmp_path)
