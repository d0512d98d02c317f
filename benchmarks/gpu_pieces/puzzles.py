"""The Sudoku that a training run needs, built where it runs from what the checkout holds."""

from pathlib import Path
from typing import Any

from puzzle_datasets.commands.prepare import prepare, puzzle_set
from puzzle_datasets.storage.dataset import PuzzleDataset

HARD: tuple[str, dict[str, Any]] = ("sudoku-hard-sample", {})
EASY: tuple[str, dict[str, Any]] = ("sudoku", {"side": 4, "clues": 8, "train": 40, "test": 10})


def sudoku(folder: Path, tiny: bool) -> PuzzleDataset:
    """Build 1000 + 1000 hard puzzles of side 9 below `folder`, a few of side 4 where `tiny`."""
    kind, chosen = EASY if tiny else HARD
    return PuzzleDataset.open(prepare(kind, puzzle_set(kind).settings_from(chosen), folder))
