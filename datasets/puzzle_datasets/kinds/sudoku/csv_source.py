"""Sudoku-Extreme as published, and a small set of hard puzzles that comes with this package."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from puzzle_datasets.common.options import option
from puzzle_datasets.csv_files.choice import (
    ChoiceSettings,
    HubChoiceSettings,
    require_files,
    require_first_grids,
    source_folder,
)
from puzzle_datasets.csv_files.importing import CsvFormat, import_splits, statistics
from puzzle_datasets.csv_files.table import GridText
from puzzle_datasets.kinds.sudoku import rules as sudoku
from puzzle_datasets.kinds.sudoku.kernel import MOST_SOLVED_ANEW, count_solutions
from puzzle_datasets.kinds.sudoku.kind import KIND
from puzzle_datasets.kinds.sudoku.rules import invariant
from puzzle_datasets.storage.schema import MOST_AUGMENTATIONS, Manifest, Tokens
from puzzle_datasets.storage.settings import Augmentations
from puzzle_datasets.storage.writer import SetWriter, spread

REPO = "sapientinc/sudoku-extreme"
LICENCE = "none stated by the publisher of the files"
SAMPLE_FOLDER = Path(__file__).parents[2] / "samples" / "sudoku_hard"
SAMPLE_SOURCE = "2000 puzzles made for this project by a search for hard ones"
SAMPLE_LICENCE = "made for this project"

SIDE = 9
DIGITS = {str(digit): digit + sudoku.DIGIT_OFFSET for digit in range(1, SIDE + 1)}


@dataclass(frozen=True, kw_only=True)
class SudokuCsvSettings(ChoiceSettings):
    """Settings that all 9×9 Sudoku sets from files have."""

    augmentations: Augmentations = option(
        "fresh",
        "variants of each puzzle beside itself, or fresh: new ones in each epoch",
        least=0,
        most=MOST_AUGMENTATIONS,
    )

    vocab_size = sudoku.vocab_size(SIDE)
    seq_len = SIDE**2


@dataclass(frozen=True, kw_only=True)
class SudokuExtremeSettings(SudokuCsvSettings, HubChoiceSettings):
    """A choice of puzzles of Sudoku-Extreme (HRM paper, section 3.1), or of files like it."""


@dataclass(frozen=True, kw_only=True)
class SudokuSampleSettings(SudokuCsvSettings):
    """A choice of the 1000 + 1000 hard puzzles that come with this package."""


def check_extreme(settings: SudokuExtremeSettings) -> None:
    """Raise `DatasetError` for a user's files that are missing or do not begin with a Sudoku."""
    if settings.csv is not None:
        require_files(Path(settings.csv))
        require_first_grids(Path(settings.csv), FORMAT.text)


def build_extreme(settings: SudokuExtremeSettings, writer: SetWriter) -> Manifest:
    """Write Sudoku-Extreme, or the puzzles of a user's files; `DatasetError` if one is wrong."""
    folder, source = source_folder(settings, REPO)
    return _build("sudoku-extreme", folder, settings, writer, source=source, licence=LICENCE)


def build_sample(settings: SudokuSampleSettings, writer: SetWriter) -> Manifest:
    """Write the puzzles of this package; `DatasetError` if there are fewer than asked for."""
    about = {"source": SAMPLE_SOURCE, "licence": SAMPLE_LICENCE}
    return _build("sudoku-hard-sample", SAMPLE_FOLDER, settings, writer, **about)


def _build(
    name: str, folder: Path, settings: SudokuCsvSettings, writer: SetWriter, **about: Any
) -> Manifest:
    reports = import_splits(folder, settings, FORMAT, writer)
    figures = statistics(reports)
    for split, report in reports.items():
        figures |= spread(f"{split}_clues", report.column("clues"))
        figures[f"{split}_solved_anew"] = report.counts["deep_checked"]
    groups = sum(len(report.column("clues")) for report in reports.values())
    card = KIND.card(name, settings, groups=groups, statistics=figures, **about)
    return writer.finish(card)


def _find_second_solution(inputs: Tokens, labels: Tokens) -> tuple[int, str] | None:
    wrong = np.flatnonzero(count_solutions(inputs, SIDE, most=2) != 1)
    return (int(wrong[0]), "the puzzle has more than one solution") if wrong.size else None


FORMAT = CsvFormat(
    text=GridText(
        question={".": sudoku.BLANK, "0": sudoku.BLANK, **DIGITS},
        answer=DIGITS,
        cells=SIDE**2,
        remedy="write all 81 cells, '.' for a blank",
    ),
    invariant=partial(invariant, side=SIDE),
    measure=lambda inputs, labels: ({"clues": sudoku.clue_counts(inputs)}, {}),
    find_fault=partial(sudoku.find_fault, side=SIDE),
    find_deep_fault=_find_second_solution,
    most_deep_checks=MOST_SOLVED_ANEW,
)
