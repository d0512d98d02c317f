"""Sudoku, generated and published."""

from puzzle_datasets.kinds.kind import PuzzleSet
from puzzle_datasets.kinds.sudoku import csv_source, source
from puzzle_datasets.kinds.sudoku.kind import KIND as KIND

SETS = {
    "sudoku": PuzzleSet(
        summary="generated Sudoku of side 4, 6 or 9, each with one solution",
        settings=source.SudokuSettings,
        build=source.build,
    ),
    "sudoku-extreme": PuzzleSet(
        summary="Sudoku-Extreme: published hard puzzles, from the hub or from files",
        settings=csv_source.SudokuExtremeSettings,
        build=csv_source.build_extreme,
        quick_check=csv_source.check_extreme,
    ),
    "sudoku-hard-sample": PuzzleSet(
        summary="1000 + 1000 hard Sudoku that come with this package; half of the training "
        "solutions differ from their nearest neighbour in at most 14 of 81 cells",
        settings=csv_source.SudokuSampleSettings,
        build=csv_source.build_sample,
    ),
}
