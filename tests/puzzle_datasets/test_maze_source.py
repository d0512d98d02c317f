"""Sets of generated mazes: what is in them, that they come again, and what is refused."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.maze import rules as maze
from puzzle_datasets.kinds.maze import search as maze_search
from puzzle_datasets.kinds.maze.search import Family
from puzzle_datasets.kinds.maze.source import MazeSettings, build
from puzzle_datasets.storage.dataset import PairTable, PuzzleDataset
from puzzle_datasets.storage.schema import Manifest
from puzzle_datasets.storage.writer import SetWriter

SMALL = {
    "perfect": MazeSettings(side=8, train=40, test=20),
    "random-walls": MazeSettings(family="random-walls", side=9, train=40, test=20),
}


def manifest_of(settings: MazeSettings) -> Manifest:
    with tempfile.TemporaryDirectory() as temporary:
        return build(settings, SetWriter(Path(temporary)))


def dataset_of(settings: MazeSettings, folder: Path) -> PuzzleDataset:
    folder.mkdir()
    build(settings, SetWriter(folder))
    return PuzzleDataset.open(folder)


@pytest.fixture(scope="module", params=sorted(SMALL))
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[MazeSettings, PuzzleDataset]:
    settings = SMALL[request.param]
    return settings, dataset_of(settings, tmp_path_factory.mktemp("mazes") / "set")


def test_mazes_are_sound(built: tuple[MazeSettings, PuzzleDataset]) -> None:
    settings, dataset = built
    shape = (settings.side, settings.side)
    least, most = settings.bounds
    for pairs, count in ((dataset.train, settings.train), (dataset.test, settings.test)):
        inputs, labels = pairs.inputs.numpy(), pairs.labels.numpy()
        assert len(inputs) == count
        assert maze.find_fault(inputs, labels, shape) is None
        lengths = maze.shortest_lengths(inputs, shape)
        assert least <= lengths.min() <= lengths.max() <= most
        assert pairs.details["length"].tolist() == lengths.tolist()
        assert pairs.details["rating"].tolist() == lengths.tolist()
        counts = maze.count_shortest(inputs, shape)
        assert pairs.details["n_shortest"].tolist() == counts.tolist()
        assert (counts == 1).all() == (settings.family == "perfect")


def test_no_maze_comes_twice(built: tuple[MazeSettings, PuzzleDataset]) -> None:
    settings, dataset = built
    inputs = np.concatenate([dataset.train.inputs.numpy(), dataset.test.inputs.numpy()])
    hashes = maze.canonical_hash(inputs, (settings.side, settings.side))
    assert len(np.unique(hashes)) == settings.train + settings.test


def test_the_manifest_says_what_is_there(built: tuple[MazeSettings, PuzzleDataset]) -> None:
    settings, dataset = built
    manifest = dataset.manifest
    assert (manifest.kind, manifest.vocab_size) == ("maze", 6)
    assert (manifest.seq_len, manifest.grid) == (settings.seq_len, (settings.side,) * 2)
    assert manifest.num_puzzle_identifiers == 1
    assert manifest.counts["groups"] == settings.train + settings.test
    assert dataset.train.group.tolist() == list(range(settings.train))
    assert dataset.test.group.tolist() == list(range(settings.train, settings.train + 20))
    assert_statistics(manifest, "train", dataset.train)
    assert_statistics(manifest, "test", dataset.test)


def assert_statistics(manifest: Manifest, split: str, pairs: PairTable) -> None:
    walls = (pairs.inputs.numpy() == maze.WALL).mean()
    assert manifest.statistics[f"{split}_walls"] == pytest.approx(walls, abs=1e-4)
    length = pairs.details["length"].numpy()
    assert manifest.statistics[f"{split}_length_median"] == np.median(length)
    assert manifest.statistics[f"{split}_length_max"] == length.max()
    unique = (pairs.details["n_shortest"].numpy() == 1).mean()
    assert manifest.statistics[f"{split}_unique_path"] == pytest.approx(unique, abs=1e-4)


@pytest.mark.parametrize("family", sorted(SMALL))
def test_another_seed_gives_another_set(family: str) -> None:
    settings = SMALL[family]
    first = manifest_of(settings)
    other = manifest_of(MazeSettings(**{**vars(settings), "seed": 1}))
    assert not set(other.files.values()) & set(first.files.values())


def test_more_training_mazes_keep_those_there_were(tmp_path: Path) -> None:
    few = dataset_of(MazeSettings(side=6, train=10, test=30), tmp_path / "few")
    many = dataset_of(MazeSettings(side=6, train=60, test=30), tmp_path / "many")
    assert (few.test.inputs == many.test.inputs).all()
    assert (few.train.inputs == many.train.inputs[:10]).all()


def test_the_smallest_mazes_are_all_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Side 3 has one tree of rooms in all orientations: a U of seven cells.

    Places 2 to 4 steps apart on it are 5 + 4 + 3 pairs, with S at either end. The reflection of
    the U makes two of these one maze.
    """
    monkeypatch.setattr(maze_search, "PATIENCE", 20_000)
    mazes = 2 * (5 + 4 + 3) // 2
    manifest_of(MazeSettings(side=3, train=mazes - 5, test=5))
    with pytest.raises(DatasetError, match="only 7 different"):
        manifest_of(MazeSettings(side=3, train=mazes - 4, test=5))


def test_long_paths_are_refused_with_the_longest_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maze_search, "PATIENCE", 10_000)
    with pytest.raises(DatasetError, match=r"longest path in .* has \d+; lower it") as refusal:
        manifest_of(MazeSettings(side=9, family="random-walls", min_length=79))
    assert refusal.value.field == "min_length"


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"side": 2}, "side"),
        ({"side": 65}, "side"),
        ({"family": "open"}, "family"),
        ({"train": 0}, "train"),
        ({"test": 0}, "test"),
        ({"min_length": 0}, "min_length"),
        ({"min_length": 449}, "min_length"),
        ({"min_length": 900, "family": "random-walls"}, "min_length"),
        ({"side": 3, "min_length": 7}, "min_length"),
        ({"min_length": 120, "max_length": 119}, "max_length"),
        ({"max_length": 99}, "max_length"),
        ({"max_length": 449}, "max_length"),
        ({"max_length": 900, "family": "random-walls"}, "max_length"),
        ({"augmentations": 8}, "augmentations"),
        ({"seed": -1}, "seed"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], key: str) -> None:
    with pytest.raises(DatasetError) as refusal:
        MazeSettings(**wrong)
    assert refusal.value.field == key


@pytest.mark.parametrize(
    ("values", "bounds"),
    [
        ({}, (100, 140)),
        ({"side": 9}, (9, 12)),
        ({"side": 3}, (2, 4)),
        ({"min_length": 150}, (150, 210)),
        ({"max_length": 120}, (100, 120)),
        ({"min_length": 448}, (448, 448)),
        ({"family": "random-walls"}, (111, 899)),
        ({"family": "random-walls", "side": 20}, (49, 399)),
        ({"family": "random-walls", "side": 60}, (221, 3599)),
        ({"family": "random-walls", "max_length": 120}, (111, 120)),
    ],
)
def test_bounds_suit_family_and_side(values: dict[str, Any], bounds: tuple[int, int]) -> None:
    assert MazeSettings(**values, train=1, test=1).bounds == bounds


@pytest.mark.parametrize("family", ["perfect", "random-walls"])
def test_bounds_are_possible_at_every_side(family: Family) -> None:
    for side in range(3, 65):
        least, most = MazeSettings(side=side, family=family, train=1, test=1).bounds
        assert 2 <= least <= most, side
        assert least < side**2
