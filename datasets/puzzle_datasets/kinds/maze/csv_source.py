"""Maze-Hard as published, or mazes of any side from files in its format."""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from puzzle_datasets.common.options import option
from puzzle_datasets.csv_files.choice import (
    HubChoiceSettings,
    file_of,
    require_files,
    require_first_grids,
    source_folder,
)
from puzzle_datasets.csv_files.importing import CsvFormat, Details, import_splits, statistics
from puzzle_datasets.csv_files.table import GridText, first_question, line_error
from puzzle_datasets.kinds.maze import rules as maze
from puzzle_datasets.kinds.maze.kind import KIND
from puzzle_datasets.kinds.maze.source import MOST_VARIANTS
from puzzle_datasets.storage.schema import Manifest, Tokens
from puzzle_datasets.storage.settings import Augmentations
from puzzle_datasets.storage.writer import SetWriter, spread

NAME = "maze-hard"
REPO = "sapientinc/maze-30x30-hard-1k"
LICENCE = "none stated by the publisher of the files"
PUBLISHED_SIDE = 30
REMEDY = "spaces at the ends are cells too: write rows without stripping them"


@dataclass(frozen=True, kw_only=True)
class MazeHardSettings(HubChoiceSettings):
    """A choice of mazes of Maze-Hard (HRM paper, section 3.1), or of files in its format."""

    augmentations: Augmentations = option(
        0,
        "rotated and reflected copies of each maze beside itself, or fresh; the field's: 0",
        least=0,
        most=MOST_VARIANTS,
    )
    vocab_size = maze.VOCAB_SIZE

    @property
    def side(self) -> int:
        """Rows and columns of a maze; `DatasetError` if a user's first one is not square."""
        return PUBLISHED_SIDE if self.csv is None else _first_side(Path(self.csv))

    @property
    def seq_len(self) -> int:
        """Tokens of one grid."""
        return self.side**2


def check(settings: MazeHardSettings) -> None:
    """Raise `DatasetError` for a user's files that do not begin with square mazes of one size."""
    if settings.csv is not None:
        require_files(Path(settings.csv))
        require_first_grids(Path(settings.csv), _format(settings.side).text)


def build(settings: MazeHardSettings, writer: SetWriter) -> Manifest:
    """Write Maze-Hard, or the mazes of a user's files.

    A label whose path is valid but not shortest is kept, and counted. Raises `DatasetError` if
    files are missing or can't be fetched, or a row is no maze with a path.
    """
    folder, source = source_folder(settings, REPO)
    side = settings.side
    reports = import_splits(folder, settings, _format(side), writer)
    figures = statistics(reports)
    for split, report in reports.items():
        length, ways = report.column("length"), report.column("n_shortest")
        figures |= {
            **spread(f"{split}_length", length),
            f"{split}_walls": round(report.counts["walls"] / (side**2 * len(length)), 4),
            f"{split}_unique_path": round(float((ways == 1).mean()), 4),
            f"{split}_labels_not_shortest": report.counts["not_shortest"],
        }
    groups = sum(len(report.column("length")) for report in reports.values())
    about: dict[str, Any] = {"source": source, "licence": LICENCE}
    return writer.finish(KIND.card(NAME, settings, groups=groups, statistics=figures, **about))


def _first_side(folder: Path) -> int:
    file = file_of(folder, "train")
    cells = len(first_question(file))
    side = math.isqrt(cells)
    if not cells or side**2 != cells:
        problem = f"question has {cells} characters, which fill no square"
        raise line_error(file, 0, problem, REMEDY)
    return side


def _format(side: int) -> CsvFormat:
    shape = (side, side)
    question = {maze.CHARACTERS[token - 1]: token for token in range(maze.WALL, maze.PATH)}
    return CsvFormat(
        text=GridText(
            question=question,
            answer=question | {maze.CHARACTERS[maze.PATH - 1]: maze.PATH},
            cells=side**2,
            remedy=REMEDY,
        ),
        invariant=partial(maze.canonical_hash, shape=shape),
        measure=partial(_measure, shape=shape),
        find_fault=partial(maze.find_fault, shape=shape, must_be_shortest=False),
    )


def _measure(inputs: Tokens, labels: Tokens, shape: maze.Shape) -> tuple[Details, dict[str, int]]:
    """Return steps and number of the shortest paths; and walls, and labels that are longer."""
    length, ways = maze.shortest_lengths(inputs, shape), maze.count_shortest(inputs, shape)
    longer = (labels == maze.PATH).sum(axis=1) + 1 > length
    details: Details = {"length": length.astype(np.int16), "n_shortest": ways}
    counts = {"walls": int((inputs == maze.WALL).sum()), "not_shortest": int(longer.sum())}
    return details, counts
