"""The puzzle sets there are, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from puzzle_datasets.common.settings import choices
from puzzle_datasets.kinds.arc import build as arc_build
from puzzle_datasets.kinds.arc import settings as arc
from puzzle_datasets.kinds.maze import csv_source as maze_csv
from puzzle_datasets.kinds.maze import source as maze
from puzzle_datasets.kinds.sudoku import csv_source as sudoku_csv
from puzzle_datasets.kinds.sudoku import source as sudoku
from puzzle_datasets.published import source as official
from puzzle_datasets.storage.schema import DatasetError, Manifest
from puzzle_datasets.storage.writer import SetWriter


def _one_identifier(settings: object) -> int:
    """Sudoku and mazes share the blank identifier."""
    return 1


def _no_check(settings: object) -> None:
    """The settings' own checks are all there is to do beforehand."""


@dataclass(frozen=True, kw_only=True)
class PuzzleSet:
    """How a puzzle set is asked for and made.

    Attributes:
        summary: what it is, in a line.
        settings: the class of its settings.
        build: writes the set of some settings.
        check: raises ``DatasetError`` for what can be refused quickly, before anything is built.
        most_identifiers: puzzle identifiers that a set may have, the blank one among them.
    """

    summary: str
    settings: type[Any]
    build: Callable[[Any, SetWriter], Manifest]
    check: Callable[[Any], object] = _no_check
    most_identifiers: Callable[[Any], int] = _one_identifier


def _arc(version: arc.ArcVersion) -> PuzzleSet:
    return PuzzleSet(
        summary=version.summary,
        settings=arc.ArcSettings,
        build=partial(arc_build.build, version),
        check=partial(arc_build.chosen_tasks, version),
        most_identifiers=partial(arc.most_identifiers, version),
    )


PUZZLE_SETS = {
    **{name: _arc(version) for name, version in arc.VERSIONS.items()},
    "sudoku": PuzzleSet(
        summary="generated Sudoku of side 4, 6 or 9, each with one solution",
        settings=sudoku.SudokuSettings,
        build=sudoku.build,
    ),
    "sudoku-extreme": PuzzleSet(
        summary="Sudoku-Extreme: published hard puzzles, from the hub or from files",
        settings=sudoku_csv.SudokuExtremeSettings,
        build=sudoku_csv.build_extreme,
        check=sudoku_csv.check_extreme,
    ),
    "sudoku-hard-sample": PuzzleSet(
        summary="1000 + 1000 hard Sudoku that come with this package",
        settings=sudoku_csv.SudokuSampleSettings,
        build=sudoku_csv.build_sample,
    ),
    "maze": PuzzleSet(
        summary="generated mazes: perfect ones, or random walls with long shortest paths",
        settings=maze.MazeSettings,
        build=maze.build,
    ),
    "maze-hard": PuzzleSet(
        summary="Maze-Hard: published 30 by 30 mazes, from the hub or from files",
        settings=maze_csv.MazeHardSettings,
        build=maze_csv.build,
        check=maze_csv.check,
    ),
    "official": PuzzleSet(
        summary="a folder in the layout that the published training scripts read",
        settings=official.OfficialSettings,
        build=official.build,
        check=official.check,
        most_identifiers=official.most_identifiers,
    ),
}


def puzzle_set(name: str) -> PuzzleSet:
    """Return the puzzle set of a name.

    Raises:
        DatasetError: there is none.
    """
    if name not in PUZZLE_SETS:
        raise DatasetError(f"unknown puzzle set {name!r}; {choices(name, PUZZLE_SETS)}")
    return PUZZLE_SETS[name]
