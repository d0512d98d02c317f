"""Take up a sweep whose folder is not here from its mirror in a storage."""

import time
from dataclasses import replace

from puzzle_datasets.common.exit_status import say
from sweep_platform.common.errors import InputError
from sweep_platform.driver.request import DEFAULT_RUNS, Request, ResolvedSweep, holds_a_sweep
from sweep_platform.driver.storage import unusable
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.storage.mirrored import mirrored, read, require_newest, restore
from sweep_platform.store.storage.objects import Objects, StorageError, absolute, open_objects
from sweep_platform.store.trained import storage_of


def from_mirror(request: Request) -> Request:
    """The request with its sweep's folder at hand, made of the mirror that `resume` names, if any.

    A folder of the same sweep that is here goes on if it is not older. Raises `InputError`: there
    is no mirror, another driver runs the sweep, or another folder lies in its place.
    """
    if not isinstance(request.resume, str):
        return request
    url = absolute(request.resume)
    folder = SweepFolder(request.out or DEFAULT_RUNS / url.rpartition("/")[2])
    try:
        _have(folder, open_objects(url).below("mirror"), url)
    except StorageError as error:
        raise unusable(error) from None
    _move_storage(folder, url)
    return replace(request, out=folder.root, resume=True)


def begun_elsewhere(request: Request, sweep: ResolvedSweep) -> Request:
    """The request, to resume from the mirror that a new sweep has if it was begun elsewhere.

    Only one to start or resume is; its former driver may be dead for a moment only, so it is
    waited for. Raises as `from_mirror`.
    """
    storage, name = sweep.spec.storage, sweep.folder.root.absolute().name
    if request.resume or not request.start_or_resume or storage is None or not storage.mirror:
        return request
    url = f"{absolute(storage.url)}/{name}"
    try:
        mirror = open_objects(url).below("mirror")
        newest = read(mirror)
        if newest is None or not newest.packs:
            return request
        if newest.alive:
            say(f"{url} was written by {newest.host} just now; waiting whether it is alive.")
        while newest is not None and newest.alive and newest == (newest := read(mirror)):
            time.sleep(1)
    except StorageError as error:
        raise unusable(error) from None
    return from_mirror(replace(request, resume=url))


def _have(folder: SweepFolder, mirror: Objects, url: str) -> None:
    """Have a folder at hand. Raises as `from_mirror`."""
    newest, root = mirrored(mirror), folder.root
    if holds_a_sweep(folder):
        if folder.record().id != newest.sweep:
            problem = f"holds another sweep than {url}"
            raise InputError.of(root, problem, "name another folder by --out")
        require_newest(mirror, root)
        return
    if root.exists():
        if not root.is_dir() or any(root.iterdir()):
            problem, remedy = "is not empty and holds no sweep", "choose another --out"
            raise InputError.of(root, problem, remedy)
        root.rmdir()
    restore(mirror, root)


def _move_storage(folder: SweepFolder, url: str) -> None:
    """Let the sweep's storage be where its mirror was found, which may have been copied there."""
    base, _, name = url.rpartition("/")
    record, storage = folder.record(), storage_of(folder.record())
    if record.name != name or storage is None:
        problem = f"is the mirror of the sweep {record.name}"
        raise InputError.of(url, problem, f"have it end in /{record.name}")
    if storage.url != base:
        moved = storage.model_copy(update={"url": base}).model_dump(mode="json")
        folder.create(replace(record, spec={**record.spec, "storage": moved}))
