"""A sweep's folder as its mirror has it: which packs there are, and the folder made of them."""

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from puzzle_datasets.common.bounded import Count, Moment
from puzzle_datasets.common.files import make_folder, write_file
from puzzle_datasets.common.records import MisfitError, record_from
from sweep_platform.common.errors import InputError
from sweep_platform.store.storage.objects import Objects
from sweep_platform.store.storage.packs import PackError, replay

POINTER = "newest.json"
MARK = ".mirror"
"""The file in a sweep's folder that names the sessions which mirrored it, a line each."""

DEAD_SECONDS = 60.0
"""Without a sign of life, after which a driver has given its sweep up."""


@dataclass(frozen=True, kw_only=True)
class Newest:
    """What `newest.json` holds.

    Attributes:
        sweep: its id.
        session: id of the session that writes; none of another driver is the same.
        host: where that runs.
        beat: Unix seconds of its last sign of life.
        ended: whether it has ended in good order.
        generation: of the packs that make up the folder, empty before there is one.
        packs: how many there are of it.
    """

    sweep: str
    session: str
    host: str
    beat: Moment
    ended: bool = False
    generation: str = ""
    packs: Count = 0

    @property
    def alive(self) -> bool:
        """Whether its driver may still be at work."""
        return not self.ended and time.time() - self.beat < DEAD_SECONDS


def pack_name(newest: Newest, number: int) -> str:
    """The name of a pack of a generation."""
    return f"{newest.generation}-{number:06d}.tar"


def read(mirror: Objects) -> Newest | None:
    """What `newest.json` holds; None where there is none. Raises `InputError`: it is damaged."""
    text = mirror.read(POINTER)
    if text is None:
        return None
    try:
        return record_from(json.loads(text), Newest)
    except (MisfitError, ValueError) as error:
        place = f"{mirror.url}/{POINTER}"
        raise InputError.of(place, f"is damaged ({error})", "name another storage") from None


def require_newest(mirror: Objects, root: Path) -> None:
    """Raise `InputError` where a mirror was written by another driver than this folder's last.

    Raises `StorageError`.
    """
    newest = read(mirror)
    if newest is None or newest.session in _sessions(root):
        return
    _require_dead(mirror, newest)
    problem = f"is older than its mirror, with which host {newest.host} went on"
    remedy = f"take up the mirror in another folder by --out and --resume {_sweep_of(mirror)}"
    raise InputError.of(root, problem, remedy)


def _sessions(root: Path) -> list[str]:
    mark = root / MARK
    return mark.read_text().split() if mark.exists() else []


def add_session(root: Path, session: str) -> None:
    """Note that a session mirrors a folder, or did. Raises `OSError`."""
    write_file(root / MARK, "\n".join([*_sessions(root), session]).encode())


def mirrored(mirror: Objects) -> Newest:
    """What `newest.json` holds. Raises `InputError`: there is no mirror; `StorageError`."""
    newest = read(mirror)
    if newest is None or not newest.packs:
        problem, remedy = "holds no mirror of a sweep", "name a sweep that has storage.mirror"
        raise InputError.of(_sweep_of(mirror), problem, remedy)
    return newest


def restore(mirror: Objects, root: Path) -> None:
    """Make a sweep's folder of its mirror, whole, where there is no folder yet.

    Raises `InputError`: there is no mirror, its driver is alive, or it is damaged; `StorageError`.
    """
    newest = mirrored(mirror)
    _require_dead(mirror, newest)

    def fill(partial: Path) -> None:
        replay(_packs(mirror, newest), partial)
        add_session(partial, newest.session)

    try:
        make_folder(root, fill)
    except PackError as error:
        problem = f"is damaged ({error})"
        raise InputError.of(mirror.url, problem, "take up the sweep where it ran") from None


def _packs(mirror: Objects, newest: Newest) -> Iterator[BinaryIO]:
    for number in range(newest.packs):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "pack.tar")
            mirror.get(pack_name(newest, number), file)
            with file.open("rb") as stream:
                yield stream


def _require_dead(mirror: Objects, newest: Newest) -> None:
    if newest.alive:
        problem = f"is written by another driver, which runs this sweep on host {newest.host}"
        remedy = f"end that one, or wait {DEAD_SECONDS:g} s after it has died"
        raise InputError.of(_sweep_of(mirror), problem, remedy)


def _sweep_of(mirror: Objects) -> str:
    """The URL of the sweep whose mirror this is."""
    return mirror.url.rpartition("/")[0]
