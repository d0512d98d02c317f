"""The puzzle sets there are, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.options import is_folder, make
from puzzle_datasets.common.text import suggest
from puzzle_datasets.kinds.arc import build as arc_build
from puzzle_datasets.kinds.arc import settings as arc
from puzzle_datasets.kinds.maze import csv_source as maze_csv
from puzzle_datasets.kinds.maze import source as maze
from puzzle_datasets.kinds.sudoku import csv_source as sudoku_csv
from puzzle_datasets.kinds.sudoku import source as sudoku
from puzzle_datasets.published import source as official
from puzzle_datasets.storage.schema import Manifest
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
        quick_check: raises ``DatasetError`` for what shows before anything is built.
        most_identifiers: puzzle identifiers that a set may have, the blank one among them.
    """

    summary: str
    settings: type[Any]
    build: Callable[[Any, SetWriter], Manifest]
    quick_check: Callable[[Any], object] = _no_check
    most_identifiers: Callable[[Any], int] = _one_identifier

    def settings_from(self, values: Mapping[str, Any]) -> Any:
        """Return settings of this set from plain values, such as a file's.

        Raises:
            DatasetError: a setting is unknown, missing or impossible.
        """
        return make(self.settings, values, DatasetError)

    def check(self, settings: Any) -> None:
        """Refuse what can be refused quickly, before anything is built.

        Raises:
            DatasetError: its field is a setting. A fault in a file of the user is told of the
                setting that names the folder.
        """
        try:
            self.quick_check(settings)
        except DatasetError as error:
            items = {item.name: item for item in fields(settings)}
            if error.field is None or error.field in items:
                raise
            folder = next(name for name, item in items.items() if is_folder(item))
            problem = f"can't be used, for {error.field} {error.problem}"
            value = getattr(settings, folder)
            raise DatasetError(folder, value, error.remedy, problem=problem) from error


def _arc(version: arc.ArcVersion) -> PuzzleSet:
    return PuzzleSet(
        summary=version.summary,
        settings=arc.ArcSettings,
        build=partial(arc_build.build, version),
        quick_check=partial(arc_build.chosen_tasks, version),
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
        quick_check=sudoku_csv.check_extreme,
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
        quick_check=maze_csv.check,
    ),
    "official": PuzzleSet(
        summary="a folder in the layout that the published training scripts read",
        settings=official.OfficialSettings,
        build=official.build,
        quick_check=official.check,
        most_identifiers=official.most_identifiers,
    ),
}


def puzzle_set(name: str) -> PuzzleSet:
    """Return the puzzle set of a name.

    Raises:
        DatasetError: there is none.
    """
    if name not in PUZZLE_SETS:
        problem = f"{name!r} is no puzzle set"
        raise DatasetError(None, name, suggest(name, PUZZLE_SETS), problem=problem)
    return PUZZLE_SETS[name]
