"""Checkpoints in a storage: a worker trains on, while a thread stores what it has published."""

import errno
import hashlib
import os
import re
import shutil
import socket
import stat
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from puzzle_datasets.common.files import exclusive_once
from sweep_platform.common.notice import Notice
from sweep_platform.store.storage.objects import Objects, Stored

_NAME = re.compile(r"(\d{12})-[0-9a-f]{32}-[0-9a-f]{64}\.pt")
ORPHAN_SECONDS = 3600.0
"""Age at which an object that is no checkpoint is what a dead writer left unfinished."""

LONGEST_WAIT = 30.0
"""Seconds between two tries to store a checkpoint, and for the last one to end, at most."""

Tell = Callable[[Notice], object]


class ObjectCheckpoints:
    """Checkpoints below `objects`: `KEY/<step>-<id>-<sha256>.pt`, of which the highest counts.

    One that is held lies in a folder of this host below `scratch`. Storing goes on in a thread:
    of several checkpoints that wait, the newest alone is stored; leaving `hold` waits for it,
    unless by an error. Where the storage is away it is tried again and again, and `tell` hears of
    it once. `keep` objects of a key stay.

    A worker that was given up for lost may still publish. Whatever it does in whatever order, it
    never hides or removes a checkpoint of a higher step than its own, and of the same step all
    are the same, for training is deterministic.
    """

    def __init__(
        self,
        objects: Objects,
        keep: int = 2,
        tell: Tell = lambda notice: None,
        scratch: Path | None = None,
    ) -> None:
        self._objects, self._keep, self._tell = objects, keep, tell
        self._scratch = scratch or _scratch()
        self._uploads: dict[str, _Upload] = {}

    @contextmanager
    def hold(self, key: str) -> Iterator[Path]:
        """Hold the key on this host; yield a path that holds the newest checkpoint, if any."""
        place = hashlib.sha256(f"{self._objects.url}/{key}".encode()).hexdigest()[:24]
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        _clear(self._scratch)
        with exclusive_once(self._scratch / f"{place}.lock"):
            held, kept = self._scratch / place, _Kept(self._objects.below(key), self._keep)
            shutil.rmtree(held, ignore_errors=True)
            held.mkdir(mode=0o700)
            path = held / "checkpoint.pt"
            kept.fetch(path, self._tell)
            upload = self._uploads[key] = _Upload(kept, path, self._say)
            try:
                yield path
                upload.wait()
            finally:
                upload.close()
                del self._uploads[key]
                shutil.rmtree(held, ignore_errors=True)

    def publish(self, key: str, step: int) -> None:
        """Have the checkpoint at the held path stored; the call does not wait for that."""
        self._uploads[key].publish(step)

    def _say(self, error: OSError) -> None:
        """Tell of an error that training goes on with."""
        url, here = self._objects.url, f"from host {socket.gethostname()}"
        why = f"can't be written {here} ({error.strerror or error})"
        rest = "training goes on, and waits at its end until it can"
        self._tell(Notice(f"{url} {why}; {rest}", f"writing {url} {here}"))

    def stored(self, key: str, seconds: float) -> bool:
        """Wait so long at most; whether what was published is stored."""
        return self._uploads[key].wait(seconds)

    def digest(self, key: str) -> str | None:
        """That of the highest step, which its name holds."""
        return next((_digest(name) for name in _names(self._objects.below(key).list())), None)

    def find(self, key: str, sha256: str, place: Path) -> Path | None:
        """Write the object that has this digest to a place, if it is there and whole."""
        return place if _Kept(self._objects.below(key), 1).fetch_digest(sha256, place) else None


def _scratch() -> Path:
    """A folder of this user's own on this host. Raises `OSError` where it is another's."""
    folder = Path(tempfile.gettempdir(), f"hrm-sweep-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise OSError(errno.EPERM, "is not a folder of this user", str(folder))
    return folder


def _clear(scratch: Path) -> None:
    """Remove the folders of keys that nobody holds any more: their workers were killed."""
    for lock in scratch.glob("*.lock"):
        with suppress(OSError), exclusive_once(lock, wait=False):
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)


def fetch_step(objects: Objects, key: str, step: int, file: Path) -> bool:
    """Write a key's checkpoint of a step to a file; False where there is none that is whole.

    Raises `OSError`.
    """
    return _Kept(objects.below(key), 1).fetch_step(step, file)


def is_kept(objects: Objects, key: str) -> bool:
    """Whether there is a checkpoint of a key. Raises `OSError`."""
    return bool(_names(objects.below(key).list()))


class _Kept:
    """The objects of one key; a name begins with the step, so that the last in order is newest."""

    def __init__(self, objects: Objects, keep: int) -> None:
        self._objects, self._keep = objects, keep
        self._found: list[str] = []

    def fetch(self, file: Path, tell: Tell) -> None:
        """Write the newest object that is whole to a file, if there is one."""
        self._found = _names(self._objects.list())
        whole = next((name for name in self._found if self._fetched(name, file)), None)
        if self._found and whole != self._found[0]:
            url = self._objects.url
            tell(Notice(f"{url}: the newest checkpoint is damaged, and is left out"))

    def fetch_step(self, step: int, file: Path) -> bool:
        """Write an object of a step to a file; whether there is one that is whole."""
        names = (name for name in _names(self._objects.list()) if _step(name) == step)
        return any(self._fetched(name, file) for name in names)

    def fetch_digest(self, sha256: str, file: Path) -> bool:
        """Write the object of a digest to a file; whether there is one that is whole."""
        names = (name for name in _names(self._objects.list()) if _digest(name) == sha256)
        return any(self._fetched(name, file) for name in names)

    def store(self, file: Path, step: int) -> None:
        """Store a file as the checkpoint of a step, and remove what nobody needs."""
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        self._objects.put(f"{step:012d}-{uuid.uuid4().hex}-{digest}.pt", file)
        # What was found at first and is not behind was no use, or this would be further.
        useless = {name for name in self._found if _step(name) >= step}
        there = self._objects.list()
        useful = [name for name in _names(there) if name not in useless]
        for one in there:
            dead = time.time() - one.written > ORPHAN_SECONDS and not _NAME.fullmatch(one.name)
            if dead or one.name in useless or one.name in useful[self._keep :]:
                self._objects.delete(one.name)

    def _fetched(self, name: str, file: Path) -> bool:
        """Write an object to a file; whether it is what its name says."""
        if not self._objects.has(name):
            return False
        self._objects.get(name, file)
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if name.endswith(f"-{digest}.pt"):
            return True
        file.unlink()
        return False


def _names(there: list[Stored]) -> list[str]:
    """Names of all checkpoints, the newest first."""
    return sorted((one.name for one in there if _NAME.fullmatch(one.name)), reverse=True)


def _digest(name: str) -> str:
    """The SHA-256 in a checkpoint's name."""
    return name.removesuffix(".pt").rpartition("-")[2]


def _step(name: str) -> int:
    """The step in a checkpoint's name."""
    return int(name.partition("-")[0])


class _Upload:
    """A thread that stores one checkpoint after another, each a hard link of that moment."""

    def __init__(self, kept: _Kept, path: Path, say: Callable[[OSError], None]) -> None:
        self._kept, self._path, self._say = kept, path, say
        self._changed = threading.Condition()
        self._next: tuple[Path, int] | None = None
        self._busy = self._closed = self._told = False
        self._broken: Exception | None = None
        self._count = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def publish(self, step: int) -> None:
        """Let the checkpoint at the path, of a step, be the next that is stored."""
        self._count += 1
        link = self._path.with_name(f"{self._count}.pt")
        os.link(self._path, link)
        with self._changed:
            if self._next is not None:
                self._next[0].unlink()
            self._next = link, step
            self._changed.notify_all()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until all is stored, so long at most; whether it is."""
        with self._changed:
            self._changed.wait_for(lambda: self._broken or not self._waiting, seconds)
            if self._broken:
                raise self._broken
            return not self._waiting

    def close(self) -> None:
        """End the thread, after the object that it is storing unless that takes long."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(LONGEST_WAIT)

    @property
    def _waiting(self) -> bool:
        return self._busy or self._next is not None

    def _run(self) -> None:
        while (taken := self._taken()) is not None:
            try:
                self._store(*taken)
            except Exception as error:  # a mistake of ours, which the trainer is to hear of
                self._broken = error
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _taken(self) -> tuple[Path, int] | None:
        """The next file to store, and its step; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._next or self._closed)
            if self._closed:
                return None
            taken, self._next, self._busy = self._next, None, True
            return taken

    def _store(self, file: Path, step: int) -> None:
        """Store a file, however long that takes, unless a newer one comes or the thread ends."""
        pause = 1.0
        while True:
            try:
                self._kept.store(file, step)
                break
            except OSError as error:
                if not self._told:
                    self._told = True
                    self._say(error)
            with self._changed:
                if self._changed.wait_for(lambda: self._closed or self._next, pause):
                    break
            pause = min(2 * pause, LONGEST_WAIT)
        file.unlink(missing_ok=True)
