"""Puzzles on a host that does not see the driver's folder: fetched from a storage, or built."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from puzzle_datasets.commands.prepare import folder_name
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import make_folder
from puzzle_datasets.common.text import redact
from puzzle_datasets.storage.schema import MANIFEST_FILE, Manifest
from puzzle_datasets.storage.shards import read_manifest, verify
from sweep_platform.common.text import root_cause
from sweep_platform.space.dataset import DatasetAddress, prepare, settings_of
from sweep_platform.spec.schema import DatasetSpec
from sweep_platform.store.storage.objects import Objects, StorageError, open_objects


@dataclass(frozen=True, kw_only=True)
class PuzzleSource:
    """Where a host takes the puzzles of a sweep from: folders by URL, then the spec's `dataset`.

    Without either, the driver's folder is the only place.
    """

    urls: tuple[str, ...] = ()
    dataset: Mapping[str, Any] = field(default_factory=dict)


def puzzles_here(address: DatasetAddress, source: PuzzleSource) -> DatasetAddress:
    """The same puzzles in a folder that this host sees: the driver's, or one of its own.

    Raises `DatasetError`, said of the driver's folder: they can be had from nowhere, or, if it
    is `unread`, not now.
    """
    if _is_there(address):
        return address
    lacks, away = ["is not seen"], False
    for url in source.urls:
        try:
            return _fetched(open_objects(url), address)
        except (OSError, DatasetError) as error:
            lacks.append(f"{redact(url)} does not give them ({root_cause(error)})")
            away = away or isinstance(error, StorageError)
    if source.dataset:
        try:
            return _built(source.dataset, address)
        except (OSError, DatasetError) as error:
            lacks.append(f"they can't be built there ({root_cause(error)})")
    raise DatasetError.of(address.folder, "; ".join(lacks), "mount it there", unread=away)


def puzzles_place(address: DatasetAddress) -> str:
    """Where puzzles lie in a sweep's folder of a storage."""
    return f"puzzles/{address.name}-{address.fingerprint[:16]}"


def cache() -> Path:
    """The folder of this user and host for puzzles that were fetched."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "hrm-sweep", "puzzles")


def fetch_set(objects: Objects, name: str) -> Path:
    """The set that lies in a folder of a storage, in the cache under a name, whole.

    Raises `StorageError`, `DatasetError`.
    """
    folder = cache() / name
    make_folder(folder, lambda partial: _fetch(objects, partial))
    return folder


def put_set(objects: Objects, folder: Path, stop: Callable[[], bool] = lambda: False) -> None:
    """Put a set into a folder of a storage, its manifest last, unless it is there.

    Raises `StorageError`, `DatasetError`, and `KeyboardInterrupt` where `stop` is true between two
    files: one may take minutes, and a set has many.
    """
    if objects.has(MANIFEST_FILE):
        return
    for name in (*read_manifest(folder).files, MANIFEST_FILE):
        if stop():
            raise KeyboardInterrupt
        objects.put(name, folder / name)


def prepared_at(dataset: DatasetSpec, url: str) -> Path:
    """The puzzles of a spec in the cache: fetched from below a URL, or built and put there.

    Raises `StorageError`, `DatasetError`.
    """
    name = folder_name(dataset.name, settings_of(dataset))
    objects = open_objects(url).below(name)
    if objects.has(MANIFEST_FILE):
        folder = fetch_set(objects, name)
        verify(folder)
    else:
        folder = prepare(dataset, cache())
        put_set(objects, folder)
    return folder


def _is_there(address: DatasetAddress) -> bool:
    try:
        return read_manifest(Path(address.folder)).fingerprint == address.fingerprint
    except DatasetError:
        return False


def _fetched(objects: Objects, address: DatasetAddress) -> DatasetAddress:
    """The puzzles from a folder of a storage, anew where the cache's are damaged."""
    name = f"{address.name}-{address.fingerprint[:16]}"
    try:
        folder = fetch_set(objects, name)
        return _verified(folder, address)
    except DatasetError:
        _drop(cache() / name)
        return _verified(fetch_set(objects, name), address)


def _built(dataset: Mapping[str, Any], address: DatasetAddress) -> DatasetAddress:
    return _verified(prepare(DatasetSpec.model_validate(dataset), cache()), address)


def _verified(folder: Path, address: DatasetAddress) -> DatasetAddress:
    found = DatasetAddress(
        folder=str(folder), name=address.name, fingerprint=verify(folder).fingerprint
    )
    if found.fingerprint != address.fingerprint:
        problem = f"are others than the driver's ({found.fingerprint[:12]})"
        raise DatasetError.of("the puzzles", problem, "install the same version on every host")
    return found


def _fetch(objects: Objects, folder: Path) -> None:
    text = objects.read(MANIFEST_FILE)
    if text is None:
        raise DatasetError.of(objects.url, "holds no puzzle set", "put one there")
    for name in Manifest.from_json(text.decode(errors="replace"), folder).files:
        objects.get(name, folder / name)
    (folder / MANIFEST_FILE).write_bytes(text)


def _drop(folder: Path) -> None:
    """Remove a set; whoever has it open goes on reading it."""
    shutil.rmtree(folder, ignore_errors=True)
