"""Make a puzzle set ready for use: build it where it is missing, prove it where it is there."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from puzzle_datasets.schema import SCHEMA_VERSION, DatasetError, canonical_json
from puzzle_datasets.shards import verify
from puzzle_datasets.sources import arc_build
from puzzle_datasets.sources.arc import ArcSettings

BUILDERS = {"arc-agi-1": arc_build.build}


def prepare(name: str, settings: ArcSettings, root: Path) -> Path:
    """Return the folder below ``root`` that holds the puzzle set of these settings, whole.

    However many processes ask at once, one builds and the others wait for it. A set appears under
    its name only when finished; what a killed build left behind is cleared by the next one.

    Raises:
        DatasetError: the name is unknown, ``root`` can't be written, the settings can't be met, or
            the set is there but damaged.
    """
    if name not in BUILDERS:
        raise DatasetError(f"unknown puzzle set {name!r}; known sets: {', '.join(BUILDERS)}")
    folder = root / folder_name(name, settings)
    try:
        if not folder.exists():
            _build_once(name, settings, folder)
    except OSError as error:
        raise DatasetError(
            f"{folder} can't be written ({error}); choose another folder or make room"
        ) from error
    verify(folder)
    return folder


def folder_name(name: str, settings: ArcSettings) -> str:
    """Return the folder's name: equal for equal settings under one schema version only."""
    identity = {"name": name, "schema_version": SCHEMA_VERSION, "settings": asdict(settings)}
    return f"{name}-{hashlib.sha256(canonical_json(identity).encode()).hexdigest()[:12]}"


def _build_once(name: str, settings: ArcSettings, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(f".{folder.name}.lock")):
        if not folder.exists():
            _build(name, settings, folder)


def _build(name: str, settings: ArcSettings, folder: Path) -> None:
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        BUILDERS[name](settings, partial)
        _sync(partial)
        partial.rename(folder)
        _sync(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold an exclusive lock that ends with this process, however it ends."""
    with file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
