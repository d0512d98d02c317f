"""Which rows of which puzzle files are imported, in the order of the file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.options import check, option
from puzzle_datasets.csv_files.blocks import line_error
from puzzle_datasets.csv_files.hub import fetch
from puzzle_datasets.csv_files.table import GridText, first_question
from puzzle_datasets.storage.schema import Split
from puzzle_datasets.storage.settings import LARGEST_SEED

FILES: dict[Split, str] = {"train": "train.csv", "test": "test.csv"}

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class ChoiceSettings:
    """Which rows of the files become pairs.

    Raises:
        DatasetError: a value is impossible.
    """

    subsample: int | None = option(
        None,
        "training rows to draw; those equal to a test puzzle are then left out; none: all",
        least=1,
    )
    test_subsample: int | None = option(None, "test rows to draw; none: all", least=1)
    min_rating: float | None = option(None, "leave out rows rated lower; none: keep all")
    seed: int = option(0, "decides which rows are drawn", least=0, most=LARGEST_SEED)

    def __post_init__(self) -> None:
        check(self, DatasetError)


@dataclass(frozen=True, kw_only=True)
class HubChoiceSettings(ChoiceSettings):
    """Which rows of published files, or of files in their format, become pairs."""

    csv: str | None = option(
        None,
        "a folder with train.csv and test.csv; none: the published ones",
        files=tuple(FILES.values()),
    )
    revision: str = option("main", "branch, tag or commit of the published files")


def source_folder(settings: HubChoiceSettings, repo: str) -> tuple[Path, str]:
    """Return the folder of the files, and in words where they come from.

    Raises:
        DatasetError: the user's folder lacks a file, or the hub's can't be fetched.
    """
    if settings.csv is None:
        folder = fetch(repo, list(FILES.values()), settings.revision)
        return folder, f"{repo} on the Hugging Face hub at {folder.name}"
    require_files(Path(settings.csv))
    return Path(settings.csv), f"files in the format of {repo}"


def require_files(folder: Path) -> None:
    """Refuse a user's folder that lacks a file.

    Raises:
        DatasetError: it does.
    """
    for file in FILES.values():
        if not (folder / file).is_file():
            raise DatasetError(
                "csv",
                str(folder),
                f"give a folder that holds {' and '.join(FILES.values())}",
                problem=f"is {folder}, where there is no {file}",
            )


def require_first_grids(folder: Path, text: GridText) -> None:
    """Refuse a user's files whose first puzzles have another number of cells.

    Raises:
        DatasetError: they have, or a file has no puzzles.
    """
    for file in FILES.values():
        found = len(first_question(folder / file))
        if found != text.cells:
            problem = f"question has {found} characters in place of {text.cells}"
            raise line_error(folder / file, 0, problem, text.remedy)


def choose(
    file: Path,
    split: Split,
    ratings: npt.NDArray[np.float64],
    settings: ChoiceSettings,
    generator: np.random.Generator,
) -> Mask:
    """Return which rows [rows] are rated high enough, and among these drawn.

    Raises:
        DatasetError: there are fewer such rows than asked for, or none.
    """
    low = -np.inf if settings.min_rating is None else settings.min_rating
    chosen: Mask = ratings >= low
    setting = "subsample" if split == "train" else "test_subsample"
    asked = getattr(settings, setting)
    there = int(chosen.sum())
    if not there:
        highest = f"the highest in {file} is {ratings.max():g}"
        rating = settings.min_rating
        problem = f"is {rating} but {highest}"
        raise DatasetError("min_rating", rating, "give less", problem=problem)
    if asked is None:
        return chosen
    if asked > there:
        problem = f"is {asked} but {file} has {there} such rows"
        raise DatasetError(setting, asked, f"give at most {there}", problem=problem)
    return draw(chosen, asked, generator)


def draw(chosen: Mask, count: int, generator: np.random.Generator) -> Mask:
    """Return ``chosen`` [rows] less all but ``count`` of its rows."""
    rows = np.flatnonzero(chosen)
    if len(rows) <= count:
        return chosen
    drawn = np.zeros_like(chosen)
    drawn[generator.choice(rows, count, replace=False, shuffle=False)] = True
    return drawn
