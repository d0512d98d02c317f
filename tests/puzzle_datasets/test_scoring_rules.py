"""Sudoku and maze scores against cases counted by hand."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from puzzle_datasets.kinds.kind import kind_named, score
from puzzle_datasets.kinds.maze import rules as maze_rules
from puzzle_datasets.kinds.sudoku import rules as sudoku_rules
from puzzle_datasets.storage.dataset import PuzzleDataset

SOLUTION = "1234341221434321"
PUZZLE = "1...3..2..4...2."
# Three by three, a wall in the middle; both ways around it are shortest.
MAZE = "S  " + " # " + "  G"
PATH = "Soo" + " #o" + "  G"


def sudokus(*grids: str) -> Tensor:
    return torch.tensor([[1 if c == "." else int(c) + 1 for c in grid] for grid in grids])


def arrays(*tokens: Tensor) -> list[npt.NDArray[np.uint8]]:
    return [one.byte().numpy() for one in tokens]


def mazes(*grids: str) -> Tensor:
    return torch.tensor([["# SGo".index(c) + 1 for c in grid] for grid in grids])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_sudoku_faults_are_counted(dtype: torch.dtype) -> None:
    predictions = sudokus(
        SOLUTION,
        "1234341221434322",  # the last cell: its row, column and box lack a 1
        "2" + SOLUTION[1:],  # the first clue: its row, column and box lack a 1
        SOLUTION.translate(str.maketrans("12", "21")),  # rules kept, three clues changed
    ).to(dtype)
    inputs, labels = sudokus(*[PUZZLE] * 4), sudokus(*[SOLUTION] * 4)
    scores = sudoku_rules.score(*arrays(inputs, labels, predictions), (4, 4))
    assert scores["exact_accuracy"].tolist() == [True, False, False, False]
    assert scores["missing_digits"].tolist() == [0, 3, 3, 0]
    assert scores["changed_clues"].tolist() == [0, 0, 1, 3]
    assert kind_named("sudoku").mean_scores(inputs, labels, predictions, (4, 4)) == {
        "exact_accuracy": 0.25,
        "missing_digits": 1.5,
        "changed_clues": 1.0,
    }


def test_sudokus_beyond_one_chunk_are_all_scored() -> None:
    count = 20_000
    predictions = sudokus(SOLUTION).repeat(count, 1)
    predictions[::7, 15] = 3
    inputs, labels = sudokus(PUZZLE).expand(count, -1), sudokus(SOLUTION).expand(count, -1)
    scores = sudoku_rules.score(*arrays(inputs, labels, predictions), (4, 4))
    missing = scores["missing_digits"]
    assert missing[::7].tolist() == [3] * len(predictions[::7])
    assert (scores["exact_accuracy"] == (missing == 0)).all()
    assert len(missing) == count


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_maze_paths_are_judged(dtype: torch.dtype) -> None:
    predictions = mazes(
        PATH,
        "S  " + "o# " + "ooG",  # the other way
        "Soo" + "o#o" + "ooG",  # both ways
        "So " + " # " + "  G",  # cut short
        "So " + " o " + " oG",  # through the wall
        "Soo" + " #o" + "  o",  # over the goal
    ).to(dtype)
    inputs, labels = mazes(*[MAZE] * 6), mazes(*[PATH] * 6)
    scores = maze_rules.score(*arrays(inputs, labels, predictions), (3, 3))
    assert scores["exact_accuracy"].tolist() == [True, False, False, False, False, False]
    assert scores["valid_paths"].tolist() == [True, True, True, False, False, False]
    assert scores["shortest_paths"].tolist() == [True, True, False, False, False, False]
    assert kind_named("maze").mean_scores(inputs, labels, predictions, (3, 3)) == {
        "exact_accuracy": pytest.approx(1 / 6),
        "valid_paths": 0.5,
        "shortest_paths": pytest.approx(1 / 3),
    }


def of_kind(small: PuzzleDataset, kind: str, inputs: Tensor, labels: Tensor) -> PuzzleDataset:
    """Return a set that is nothing but its test pairs."""
    side = round(inputs.shape[1] ** 0.5)
    manifest = replace(small.manifest, kind=kind, grid=(side, side))
    test = replace(small.test, inputs=inputs.byte(), labels=labels.byte())
    return replace(small, manifest=manifest, test=test)


def test_any_set_is_scored_in_one_call(small: PuzzleDataset) -> None:
    sudoku = of_kind(small, "sudoku", sudokus(PUZZLE, PUZZLE), sudokus(SOLUTION, SOLUTION))
    maze = of_kind(small, "maze", mazes(MAZE, MAZE), mazes(PATH, PATH))
    for dataset, names in (
        (sudoku, ["exact_accuracy", "missing_digits", "changed_clues"]),
        (maze, ["exact_accuracy", "valid_paths", "shortest_paths"]),
        (small, [f"pass_{k}_{n}" for k in (1, 2) for n in ("per_input", "per_task", "task_mean")]),
    ):
        right = score(dataset, dataset.test.labels)
        assert list(right) == names
        assert right[names[0]] == 1.0
        half = dataset.test.labels.clone()
        half[1:] = 1
        assert score(dataset, half)[names[0]] == 1 / len(half)
