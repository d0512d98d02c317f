"""The puzzle files that are imported, and the choice of their rows, in the order of the file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.options import check, option
from puzzle_datasets.common.text import exact
from puzzle_datasets.csv_files.lines import PACKED
from puzzle_datasets.csv_files.table import GridText, first_question, line_error
from puzzle_datasets.storage.schema import LARGEST_SEED, Mask, Split

FILES: dict[Split, str] = {"train": "train.csv", "test": "test.csv"}


LOCAL_FILES = "or give files of your own with --csv DIR"


@dataclass(frozen=True, kw_only=True)
class ChoiceSettings:
    """Settings that choose the rows which become pairs; `DatasetError` if one is impossible."""

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
    """The same for published files, or files in their format."""

    csv: str | None = option(
        None,
        "a folder with train.csv and test.csv, or these as .csv.gz; none: the published ones",
        files=(*FILES.values(), *(f"{name}{PACKED}" for name in FILES.values())),
    )
    revision: str = option("main", "branch, tag or commit of the published files")


def source_folder(settings: HubChoiceSettings, repo: str) -> tuple[Path, str]:
    """Return the folder of the files, fetched if published, and in words where they come from."""
    if settings.csv is None:
        folder = fetch(repo, list(FILES.values()), settings.revision)
        return folder, f"{repo} on the Hugging Face hub at {folder.name}"
    require_files(Path(settings.csv))
    return Path(settings.csv), f"files in the format of {repo}"


def file_of(folder: Path, split: Split) -> Path:
    """Return the file of a split; its packed form where the plain one is not there."""
    plain = folder / FILES[split]
    packed = plain.with_name(plain.name + PACKED)
    return packed if packed.exists() and not plain.exists() else plain


def require_files(folder: Path) -> None:
    """Raise `DatasetError` if a user's folder lacks a file."""
    for split, file in FILES.items():
        if not file_of(folder, split).exists():
            remedy = f"give a folder that holds {' and '.join(FILES.values())}"
            problem = f"is {folder}, where there is no {file}"
            raise DatasetError.of("csv", problem, remedy, str(folder))


def require_first_grids(folder: Path, text: GridText) -> None:
    """Raise `DatasetError` if first puzzles of a user's files have another number of cells."""
    for split in FILES:
        file = file_of(folder, split)
        found = len(first_question(file))
        if found != text.cells:
            problem = f"question has {found} characters in place of {text.cells}"
            raise line_error(file, 0, problem, text.remedy)


def choose(
    file: Path,
    split: Split,
    ratings: npt.NDArray[np.float64],
    settings: ChoiceSettings,
    generator: np.random.Generator,
) -> Mask:
    """Return which rows are rated high enough and drawn, [rows]; `DatasetError` if too few are."""
    low = -np.inf if settings.min_rating is None else settings.min_rating
    chosen: Mask = ratings >= low
    setting = "subsample" if split == "train" else "test_subsample"
    wanted = getattr(settings, setting)
    there = int(chosen.sum())
    if not there:
        problem = f"is {settings.min_rating} but the highest in {file} is {exact(ratings.max())}"
        raise DatasetError.of("min_rating", problem, "give less", settings.min_rating)
    if wanted is None:
        return chosen
    if wanted > there:
        problem = f"is {wanted} but {file} has {there} such rows"
        raise DatasetError.of(setting, problem, f"give at most {there}", wanted)
    return draw(chosen, wanted, generator)


def draw(chosen: Mask, count: int, generator: np.random.Generator) -> Mask:
    """Return `chosen` [rows] less all but `count` of its rows."""
    rows = np.flatnonzero(chosen)
    if len(rows) <= count:
        return chosen
    drawn = np.zeros_like(chosen)
    drawn[generator.choice(rows, count, replace=False, shuffle=False)] = True
    return drawn


def fetch(repo: str, files: Sequence[str], revision: str) -> Path:
    """Return the folder, named by their commit, that holds files of a dataset repository.

    `HF_ENDPOINT`, `HF_HOME` and `HF_HUB_OFFLINE` work as everywhere, and so does the cache. Raises
    `DatasetError` without `huggingface_hub`, or if the hub or a file can't be had.
    """
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        problem = "is fetched by huggingface_hub, which is not installed"
        remedy = f'pip install "hrm-sweeps[hub]", {LOCAL_FILES}'
        raise DatasetError.of(repo, problem, remedy, revision) from error
    folder = None
    for file in files:
        # After the first file its commit: the branch may move between two downloads.
        commit = folder.name if folder else revision
        try:
            folder = Path(hf_hub_download(repo, file, repo_type="dataset", revision=commit)).parent
        except Exception as error:  # errors of the connection have no base class in common
            raise _refusal(repo, file, revision, error) from error
    assert folder is not None, "no files wanted for"
    return folder


def _refusal(repo: str, file: str, revision: str, error: Exception) -> DatasetError:
    from huggingface_hub import errors

    problem, remedy = f"can't be fetched ({' '.join(str(error).split())})", "try again"
    if isinstance(error, errors.RepositoryNotFoundError):
        problem, remedy = "is no dataset on the hub that you may read", "log in"
    elif isinstance(error, errors.RevisionNotFoundError):
        problem, remedy = f"has no revision {revision!r}", "choose another"
    elif isinstance(error, errors.RemoteEntryNotFoundError):
        problem, remedy = f"has no file {file} at revision {revision!r}", "choose another"
    elif isinstance(error, errors.LocalEntryNotFoundError):
        problem = f"has a file {file} that is not in the cache, and the hub can't be reached"
        remedy = "check the network and HF_HUB_OFFLINE"
    return DatasetError(repo, revision, f"{remedy}, {LOCAL_FILES}", problem=problem)
