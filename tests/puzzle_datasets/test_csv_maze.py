import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.maze import rules as maze
from puzzle_datasets.kinds.maze.csv_source import MazeHardSettings, build
from puzzle_datasets.storage.schema import Manifest
from puzzle_datasets.storage.shards import Columns, read_rows
from puzzle_datasets.storage.writer import SetWriter

# Side 3: two ways lead around the wall from S to G, one of 2 steps and one of 6.
AROUND = "S G #    "
SHORT, LONG, BROKEN = "SoG #    ", "S Go#oooo", "S Go#ooo "


def solved(seed: int, count: int, side: int = 4) -> list[tuple[str, str]]:
    """Return random mazes whose start and goal are connected, with a shortest path each."""
    generator = np.random.default_rng(seed)
    grids = np.where(generator.random((20 * count, side**2)) < 0.3, maze.WALL, maze.OPEN)
    ends = generator.permuted(np.tile(np.arange(side**2), (len(grids), 1)), axis=1)[:, :2]
    np.put_along_axis(grids, ends, np.array([[maze.START, maze.GOAL]]), axis=1)
    inputs = grids.astype(np.uint8)
    inputs = inputs[maze.shortest_lengths(inputs, (side, side)) > 1][:count]
    labels = maze.solve(inputs, (side, side))
    return [(text(q), text(a)) for q, a in zip(inputs, labels, strict=True)]


def text(grid: np.ndarray) -> str:
    return "".join(maze.CHARACTERS[token - 1] for token in grid)


def write(folder: Path, **splits: list[tuple[str, str]]) -> MazeHardSettings:
    folder.mkdir()
    for split, pairs in splits.items():
        with (folder / f"{split}.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("source", "question", "answer", "rating"))
            writer.writerows(("made", q, a, a.count("o") + 2) for q, a in pairs)
    return MazeHardSettings(csv=str(folder))


def built(settings: MazeHardSettings, folder: Path) -> Manifest:
    folder.mkdir()
    return build(settings, SetWriter(folder))


def stored(folder: Path, split: str) -> Columns:
    groups = list(read_rows(folder / f"{split}-00000.parquet"))
    return {name: np.concatenate([group[name] for group in groups]) for name in groups[0]}


@pytest.mark.parametrize("side", [4, 7, 30])
def test_mazes_of_any_side_are_imported_as_they_are(side: int, tmp_path: Path) -> None:
    train, test = solved(0, 20, side), solved(1, 5, side)
    assert any(question != question.strip() for question, _ in train)
    settings = write(tmp_path / "csv", train=train, test=test)
    assert (settings.side, settings.seq_len, settings.vocab_size) == (side, side**2, 6)
    manifest = built(settings, tmp_path / "set")
    assert manifest.grid == (side, side)
    for split, pairs in (("train", train), ("test", test)):
        columns = stored(tmp_path / "set", split)
        assert [text(grid) for grid in columns["inputs"]] == [q for q, _ in pairs]
        assert [text(grid) for grid in columns["labels"]] == [a for _, a in pairs]
        assert columns["length"].tolist() == [a.count("o") + 1 for _, a in pairs]
        assert columns["rating"].tolist() == [a.count("o") + 2 for _, a in pairs]
        assert (columns["n_shortest"] >= 1).all()
        figures = manifest.statistics
        assert figures[f"{split}_unique_path"] == round((columns["n_shortest"] == 1).mean(), 4)
        walls = sum(q.count("#") for q, _ in pairs) / (side**2 * len(pairs))
        assert figures[f"{split}_walls"] == round(walls, 4)
        assert figures[f"{split}_labels_not_shortest"] == 0


def test_valid_labels_that_are_not_shortest_are_kept_and_counted(tmp_path: Path) -> None:
    test = [*solved(0, 5, 3), (AROUND, LONG), (AROUND, SHORT)]
    manifest = built(write(tmp_path / "csv", train=solved(1, 20, 3), test=test), tmp_path / "set")
    columns = stored(tmp_path / "set", "test")
    assert text(columns["labels"][5]) == LONG
    assert columns["length"][5:].tolist() == [2, 2]
    assert manifest.statistics["test_labels_not_shortest"] == 1


@pytest.mark.parametrize(
    ("pair", "refusal"),
    [
        ((AROUND, BROKEN), "do not connect S with G; mend the line"),
        ((AROUND, "SoG      "), "differs from the maze elsewhere than in open cells"),
        (("S G #   S", SHORT), "does not have exactly one S and one G"),
        ((AROUND.rstrip(), SHORT), "5 characters in place of 9; spaces at the ends are cells too"),
        ((AROUND, "So? #    "), r"answer has the unknown character '\?'"),
    ],
)
def test_bad_rows_are_refused_by_line(pair: tuple[str, str], refusal: str, tmp_path: Path) -> None:
    train = [*solved(0, 3, 3), pair, *solved(2, 3, 3)]
    settings = write(tmp_path / "csv", train=train, test=solved(1, 3, 3))
    with pytest.raises(DatasetError, match=rf"train\.csv has a fault in line 5: .*{refusal}"):
        built(settings, tmp_path / "set")


def test_a_first_maze_that_is_no_square_is_refused(tmp_path: Path) -> None:
    settings = write(tmp_path / "csv", train=[(AROUND.strip(), SHORT)], test=[(AROUND, SHORT)])
    with pytest.raises(DatasetError, match=r"line 2: question has 5 characters, which fill no"):
        built(settings, tmp_path / "set")


def mirrored(grids: str, side: int) -> str:
    return "".join(grids[begin : begin + side][::-1] for begin in range(0, len(grids), side))


def test_a_mirrored_test_maze_is_dropped_from_training(tmp_path: Path) -> None:
    train, test = solved(0, 10, 7), solved(1, 4, 7)
    copy = (mirrored(test[2][0], 7), mirrored(test[2][1], 7))
    settings = write(tmp_path / "csv", train=[*train[:6], copy, *train[6:]], test=test)
    assert built(settings, tmp_path / "set").statistics["dropped_train"] == 1
    inputs = stored(tmp_path / "set", "train")["inputs"]
    assert [text(grid) for grid in inputs] == [question for question, _ in train]


def test_a_subsample_and_the_least_rating_choose_rows(tmp_path: Path) -> None:
    train, test = solved(0, 40, 7), solved(1, 10, 7)
    settings = write(tmp_path / "csv", train=train, test=test)
    long = [question for question, answer in train if answer.count("o") + 2 >= 5]
    assert len(long) < len(train)
    chosen = replace(settings, min_rating=5, subsample=len(long) - 2)
    built(chosen, tmp_path / "set")
    inputs = stored(tmp_path / "set", "train")["inputs"]
    drawn = [text(grid) for grid in inputs]
    assert len(drawn) == len(long) - 2
    assert drawn == [question for question in long if question in drawn]


def test_the_published_side_needs_no_file() -> None:
    assert MazeHardSettings().seq_len == 900
    assert MazeHardSettings().augmentations == 0


@pytest.mark.parametrize("augmentations", [-1, 8])
def test_more_variants_than_symmetries_are_refused(augmentations: int) -> None:
    with pytest.raises(DatasetError, match="from 0 to 7 or fresh"):
        MazeHardSettings(augmentations=augmentations)
