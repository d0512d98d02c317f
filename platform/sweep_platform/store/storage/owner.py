"""Whose part of a storage is whose, and whether it can be used, before anything is spent."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sweep_platform.common.errors import InputError
from sweep_platform.store.storage.mirrored import POINTER
from sweep_platform.store.storage.objects import Objects, StorageError, open_objects

OWNER_FILE = "owner.json"
SLOWEST = 20.0
"""Seconds that writing, reading and removing a small object may take."""


def usable(url: str, seconds: float = SLOWEST) -> Objects:
    """The objects below a URL, proven: one is written, read and removed.

    Raises `InputError`: one of these can't be done, or takes too long.
    """
    found: list[Objects] = []
    trouble: list[Exception] = []

    def attempt() -> None:
        try:
            found.append(_proven(open_objects(url)))
        except (StorageError, InputError) as error:
            trouble.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    if found:
        return found[0]
    if trouble and isinstance(trouble[0], InputError):
        raise trouble[0]
    problem = f"takes over {seconds:g} s to write, read and remove a few bytes"
    remedy = "mend that, or name another --storage"
    if trouble and isinstance(trouble[0], StorageError):
        problem = f"can't be used ({trouble[0].strerror})"
        remedy = "mend the address, its server, bucket or permissions, or name another --storage"
    raise InputError.of(url, problem, remedy)


def _proven(objects: Objects) -> Objects:
    name, content = f".{uuid.uuid4().hex}", uuid.uuid4().bytes
    objects.write(name, content)
    if objects.read(name) != content:
        raise InputError.of(objects.url, "gives back other than it was given", "name another one")
    objects.delete(name)
    return objects


def owner_of(objects: Objects) -> str | None:
    """The id of the sweep whose folder of a storage this is; None where it is nobody's.

    Raises `StorageError`, `InputError`: it is damaged.
    """
    text = objects.read(OWNER_FILE)
    if text is None:
        return None
    try:
        return str(json.loads(text)["sweep"])
    except (ValueError, KeyError, TypeError):
        place = f"{objects.url}/{OWNER_FILE}"
        raise InputError.of(place, "is damaged", "name another --storage") from None


def require_own(objects: Objects, sweep: str | None) -> None:
    """Raise `InputError` where a folder of a storage is another sweep's than the one of this id.

    A sweep that is yet to begin has none. Raises `StorageError`.
    """
    if (owner := owner_of(objects)) not in (None, sweep):
        remedy = "take the sweep up by --resume, or name another --storage or --out"
        raise InputError.of(objects.url, f"already holds another sweep ({owner[:8]})", remedy)


@contextmanager
def claimed(objects: Objects, sweep: str) -> Iterator[None]:
    """As `claim`; where what is done inside fails, a folder that was nobody's is so again.

    No sweep comes of that, and nobody could take up the one of this id.
    """
    free = owner_of(objects) is None
    claim(objects, sweep)
    try:
        yield
    except BaseException:
        if free:
            with suppress(StorageError):
                if [one.name for one in objects.below("mirror").list()] == [POINTER]:
                    objects.delete(f"mirror/{POINTER}")  # of packs somebody may make a folder
                objects.delete(OWNER_FILE)
        raise


def claim(objects: Objects, sweep: str) -> None:
    """Let a folder of a storage be the one of the sweep of this id.

    Raises `StorageError`, and `InputError` where another one has come first.
    """
    require_own(objects, sweep)
    objects.write_json(OWNER_FILE, {"sweep": sweep})
    require_own(objects, sweep)
