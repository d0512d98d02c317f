"""Mazes, generated and published."""

from puzzle_datasets.kinds.kind import PuzzleSet
from puzzle_datasets.kinds.maze import csv_source, source
from puzzle_datasets.kinds.maze.kind import KIND as KIND

SETS = {
    "maze": PuzzleSet(
        summary="generated mazes: perfect ones, or random walls with long shortest paths",
        settings=source.MazeSettings,
        build=source.build,
    ),
    "maze-hard": PuzzleSet(
        summary="Maze-Hard: published 30 by 30 mazes, from the hub or from files",
        settings=csv_source.MazeHardSettings,
        build=csv_source.build,
        quick_check=csv_source.check,
    ),
}
