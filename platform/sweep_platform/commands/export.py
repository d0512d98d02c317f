"""Write a sweep's tables as files for other programs."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from puzzle_datasets.common.files import write_whole
from sweep_platform.common.arrow import Tables, write_csv, write_parquet
from sweep_platform.common.errors import InputError
from sweep_platform.report.data import TABLES
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.summary import summarize

_WRITERS: dict[str, Callable[[Tables, BinaryIO], None]] = {
    "csv": write_csv,
    "parquet": write_parquet,
}

_PARTIAL = ".{}.partial"
"""Where an export stands until it is whole."""


def export(sweep: SweepFolder, folders: Mapping[str, Path]) -> list[Path]:
    """Write each table into each folder, by the form of its files; return these.

    All are written before the first of a former export is replaced. Raises `InputError` where
    there is no folder, or one holds other files; then nothing is written.
    """
    if not folders:
        raise InputError("csv", None, "name a folder by --csv or --parquet")
    for form, folder in folders.items():
        _require_free(form, folder)
    with ExitStack() as made:
        fresh, summary = [], summarize(sweep)
        for form, folder in folders.items():
            place = made.enter_context(_made_anew(folder / _PARTIAL.format(form)))
            for name, pieces in TABLES.items():
                path = place / f"{name}.{form}"
                write_whole(path, partial(_WRITERS[form], pieces(sweep, summary)))
                fresh.append(path)
        return [path.replace(path.parent.parent / path.name) for path in fresh]


@contextmanager
def _made_anew(folder: Path) -> Iterator[Path]:
    """An empty folder, removed in the end; what a dead process left there is removed before."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _require_free(form: str, folder: Path) -> None:
    """Refuse a folder of other files; those of a former export are replaced."""
    if folder.exists() and not folder.is_dir():
        raise InputError(form, str(folder), "name a folder")
    own = {f"{name}.{one}" for name in TABLES for one in _WRITERS}
    found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if any(not name.startswith(".") for name in found - own):
        raise InputError.of(folder, "holds other files", "name another folder")
