"""Floors of sets whose answers are known by hand, and the file that keeps them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets import PuzzleDataset, floors, kept_floors, prepare, puzzle_set
from puzzle_datasets.__main__ import main
from puzzle_datasets.commands import floors as measuring
from puzzle_datasets.commands.floors import FLOOR_FILE
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.floors import FloorResult, best_floor
from puzzle_datasets.kinds.maze import rules as maze
from puzzle_datasets.kinds.sudoku.floors import filled
from puzzle_datasets.kinds.sudoku.rules import BLANK, BOX_SHAPES, cell_houses, is_solution

Tokens = npt.NDArray[np.uint8]


def by_name(results: tuple[FloorResult, ...]) -> dict[str, FloorResult]:
    return {result.name: result for result in results}


def task(outputs: list[list[list[int]]], answer: list[list[int]]) -> dict[str, Any]:
    """A task whose inputs are all one black cell beside another."""
    pairs = [{"input": [[0, 0]], "output": output} for output in outputs]
    return {"train": pairs, "test": [{"input": [[0, 0]], "output": answer}]}


@pytest.fixture
def arc(tmp_path: Path) -> Path:
    """Three tasks: the commonest output, the first of equally common ones, the input again."""
    red, blue, long = [[2]], [[1]], [[1, 1, 1]]
    tasks = {
        "often": task([red, blue, blue], blue),
        "first": task([long, red], long),
        "same": task([red, red, blue], [[0, 0]]),
    }
    for name, content in tasks.items():
        (tmp_path / "tasks").mkdir(exist_ok=True)
        (tmp_path / "tasks" / f"{name}.json").write_text(json.dumps(content))
    asked = {"tasks": str(tmp_path / "tasks"), "augmentations": 2}
    return prepare("arc", puzzle_set("arc").settings_from(asked), tmp_path / "data")


def test_the_floors_of_arc_tasks_made_by_hand(arc: Path) -> None:
    found = by_name(floors(PuzzleDataset.open(arc)))
    assert found["most common output of the task"].exact_accuracy == pytest.approx(2 / 3)
    assert found["copy the input"].exact_accuracy == pytest.approx(1 / 3)
    assert found["majority token"].exact_accuracy == 0
    assert {one.puzzles for one in found.values()} == {3}
    assert best_floor(found.values()) == found["most common output of the task"]


def test_the_floors_of_sudoku(tmp_path: Path) -> None:
    """A 4×4 solution has each digit four times, and six of its cells are clues."""
    asked = {"side": 4, "clues": 6, "train": 30, "test": 20}
    folder = prepare("sudoku", puzzle_set("sudoku").settings_from(asked), tmp_path)
    found = by_name(floors(PuzzleDataset.open(folder)))
    assert (found["majority token"].exact_accuracy, found["majority token"].token_accuracy) == (
        0,
        4 / 16,
    )
    assert found["copy the input"].token_accuracy == 6 / 16
    assert found["random legal fill"].token_accuracy > 6 / 16


@st.composite
def puzzles(draw: st.DrawFn) -> tuple[Tokens, int]:
    """Some grids [n, L] of a side, each a solution with cells blanked."""
    side = draw(st.sampled_from(sorted(BOX_SHAPES)))
    height, width = BOX_SHAPES[side]
    row, column = np.indices((side, side))
    solution = (row % height * width + row // height + column) % side + BLANK + 1
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    blank = rng.random((draw(st.integers(1, 4)), side * side)) < draw(st.floats(0, 1))
    return np.where(blank, BLANK, solution.ravel()).astype(np.uint8), side


@given(puzzles())
def test_a_random_fill_is_legal_wherever_it_can_be(case: tuple[Tokens, int]) -> None:
    inputs, side = case
    houses = cell_houses(side)
    shares_house = (houses[:, None] == houses[None]).any(2)
    for puzzle, grid in zip(inputs, filled(inputs, side), strict=True):
        now = puzzle.copy()
        for cell in np.flatnonzero(puzzle == BLANK):
            barred = set(now[shares_house[cell]].tolist())
            digits = set(range(BLANK + 1, BLANK + 1 + side))
            assert grid[cell] in (digits - barred or digits)
            now[cell] = grid[cell]
        assert np.array_equal(now, grid)
    one_blank = np.where(np.arange(side * side) == 5, BLANK, filled(inputs, side)).astype(np.uint8)
    solved = is_solution(filled(inputs, side), side)
    assert is_solution(filled(one_blank[solved], side), side).all()


@given(st.integers(0, 2**32), st.floats(0, 0.5), st.integers(2, 6), st.integers(2, 6))
def test_a_straight_walk_is_a_shortest_path_where_it_arrives(
    seed: int, walls: float, rows: int, columns: int
) -> None:
    rng = np.random.default_rng(seed)
    inputs = np.where(rng.random((4, rows * columns)) < walls, maze.WALL, maze.OPEN)
    for one in inputs:
        one[rng.choice(rows * columns, 2, replace=False)] = maze.START, maze.GOAL
    inputs = inputs.astype(np.uint8)
    answers = maze.straight_walks(inputs, (rows, columns))
    changed = answers != inputs
    assert (inputs[changed] == maze.OPEN).all()
    assert (answers[changed] == maze.PATH).all()
    arrives, shortest = maze.path_scores(inputs, answers, (rows, columns))
    assert np.array_equal(arrives, shortest)
    if not (inputs == maze.WALL).any():
        assert shortest.all()


def test_a_straight_walk_ends_at_a_wall() -> None:
    cells = [maze.CHARACTERS.index(one) + 1 for one in "S  # G"]
    walked = maze.straight_walks(np.array([cells], np.uint8), (1, 6))[0]
    assert "".join(maze.CHARACTERS[token - 1] for token in walked) == "Soo# G"


def test_large_test_splits_are_sampled(arc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "MOST_PUZZLES", 2)
    dataset = PuzzleDataset.open(arc)
    assert {one.puzzles for one in floors(dataset)} == {2}
    assert floors(dataset) == floors(dataset)


def test_pieces_of_a_split_come_to_the_same(arc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = floors(PuzzleDataset.open(arc))
    monkeypatch.setattr(measuring, "AT_ONCE", 1)
    assert floors(PuzzleDataset.open(arc)) == whole


def test_kept_floors_are_not_measured_again(arc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = kept_floors(arc)
    monkeypatch.delattr(measuring, "_measured")
    assert kept_floors(arc) == measured


OF_FILE: dict[str, Any] = {
    "of another set": {"fingerprint": "0" * 64},
    "without floors": {"floors": []},
    "with an unknown key": {"more": 1},
}
OF_FLOOR: dict[str, Any] = {
    "that no kind has": {"name": "oracle"},
    "worded in another way": {"words": "all is right"},
    "beyond one": {"exact_accuracy": 2.0, "token_accuracy": 2.0},
    "with more puzzles right than tokens": {"exact_accuracy": 0.9, "token_accuracy": 0.1},
    "of no puzzle": {"puzzles": 0},
    "of text": {"puzzles": "many"},
}


@pytest.mark.parametrize("how", [*OF_FILE, *OF_FLOOR])
def test_a_file_that_is_not_this_sets_is_made_anew(how: str, arc: Path) -> None:
    measured, file = kept_floors(arc), arc / FLOOR_FILE
    content = file.read_text()
    spoilt = json.loads(content) | OF_FILE.get(how, {})
    spoilt["floors"][:1] = [one | OF_FLOOR.get(how, {}) for one in spoilt["floors"][:1]]
    file.write_text(json.dumps(spoilt))
    assert kept_floors(arc) == measured
    assert file.read_text() == content


@pytest.mark.parametrize("content", ["", "[]", "{", "{}", "\0"])
def test_a_damaged_file_is_made_anew(content: str, arc: Path) -> None:
    (arc / FLOOR_FILE).write_text(content)
    assert len(kept_floors(arc)) == 3
    assert json.loads((arc / FLOOR_FILE).read_text())["floors"]


def test_floors_that_cannot_be_kept_are_measured_all_the_same(arc: Path) -> None:
    (arc / FLOOR_FILE).mkdir()
    assert kept_floors(arc) == floors(PuzzleDataset.open(arc))


def test_there_are_no_floors_of_a_damaged_set(arc: Path) -> None:
    shard = arc / "test-00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(DatasetError, match="is damaged"):
        kept_floors(arc)
    assert not (arc / FLOOR_FILE).exists()


def test_inspect_shows_floors(arc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(arc)]) == 0
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    said = {line[1]: line[-1] for line in lines if line[-1].endswith("3 puzzles")}
    assert said["floor: most common output of the task"].startswith("66.7 % exact")
