"""The mirror of a sweep's folder in its storage, as its driver keeps it.

    mirror/newest.json             which packs there are, who writes them, and when it last did
    mirror/<generation>-<n>.tar    packs of one generation, of which the first holds all

One driver owns the mirror. Before it moves `newest.json` it looks whether that is still its own:
another head may have taken the sweep up.
"""

import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sweep_platform.common.errors import InputError
from sweep_platform.common.text import root_cause
from sweep_platform.store.storage.mirrored import (
    POINTER,
    Newest,
    add_session,
    pack_name,
    read,
    require_newest,
)
from sweep_platform.store.storage.objects import Objects, StorageError
from sweep_platform.store.storage.packs import FolderLog

PACK_SECONDS = 15.0
"""Between two packs, and between two signs of life."""

AGAIN_SECONDS = 2.0
"""Between two tries to reach a storage that is away."""

MOST_PACKS = 500
"""Of a generation; restoring reads them all."""


class TakenOver(RuntimeError):
    """Another driver has taken the sweep up."""


@dataclass(frozen=True)
class _Pack:
    """A pack that waits: its file, and whether it begins a generation."""

    file: Path
    begins: bool


class Mirror:
    """Keeps a sweep's folder in its storage. All is called by the thread that writes records.

    A thread uploads one pack at a time, tries again where that fails, and gives signs of life.
    `tell` hears once of a storage that is away. `taken_over` is a sentence once another driver
    has taken the sweep up; nothing is written from then on.
    """

    def __init__(
        self, objects: Objects, root: Path, sweep: str, tell: Callable[[str], object]
    ) -> None:
        self.taken_over: str | None = None
        self._objects, self._root, self._tell = objects.below("mirror"), root, tell
        self._log = FolderLog(root)
        host = socket.gethostname()
        self._own = Newest(sweep=sweep, session=uuid.uuid4().hex, host=host, beat=time.time())
        self._changed = threading.Condition()
        self._pack: _Pack | None = None
        self._first, self._next = True, 0.0
        self._closing = self._told = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self) -> None:
        """Own the mirror, and begin to write it. Raises `InputError`, `StorageError`."""
        require_newest(self._objects, self._root)
        if (before := read(self._objects)) is not None:
            self._own = replace(self._own, generation=before.generation, packs=before.packs)
        add_session(self._root, self._own.session)  # before it may be found in the storage
        self._point(self._own)
        self._thread.start()

    def look(self) -> None:
        """Pack what has changed, if it is time and the last pack is uploaded."""
        if time.monotonic() < self._next or self.taken_over:
            return
        with self._changed:
            if self._pack is None:
                self._collect()
                self._next = time.monotonic() + PACK_SECONDS

    def close(self, seconds: float) -> bool:
        """Upload what there is at the end, so long at most; whether that was done."""
        deadline = time.monotonic() + seconds
        if not self._thread.is_alive():
            return False
        for collect in (self._collect, lambda: None):
            with self._changed:
                left = max(0.0, deadline - time.monotonic())
                if self._changed.wait_for(lambda: not self._pack or self.taken_over, left):
                    collect()
        with self._changed:
            whole = not self._pack and not self.taken_over
            self._closing = True
            self._changed.notify_all()
        self._thread.join(max(1.0, deadline - time.monotonic()))
        if self._pack is not None:
            self._pack.file.unlink(missing_ok=True)
        if whole:
            with suppress(StorageError, InputError, TakenOver):
                self._require_own()
                self._point(replace(self._own, ended=True))
        return whole

    def _collect(self) -> None:
        """Have a pack of what has changed uploaded."""
        if self.taken_over:
            return
        begins = self._first or self._own.packs >= MOST_PACKS
        try:
            pack = self._packed(begins)
        except OSError as error:  # there is no room for it now
            self._say(f"{error.filename}: {error.strerror}")
            self._first = True
            return
        if pack is not None:
            self._pack, self._first = pack, False
            self._changed.notify_all()

    def _packed(self, begins: bool) -> _Pack | None:
        """What has changed, or all there is; None where nothing changed. Raises `OSError`."""
        with tempfile.NamedTemporaryFile(suffix=".tar", delete=False) as into:
            pack, changed = _Pack(Path(into.name), begins), False
            try:
                changed = self._log.pack(into, all_of_it=begins)
            finally:
                if not changed:
                    pack.file.unlink()
        return pack if changed else None

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pack or self._closing, PACK_SECONDS)
                if self._closing:
                    return
                pack = self._pack
            try:
                self._require_own()
                self._point(self._own) if pack is None else self._upload(pack)
                self._told = False
            except TakenOver as error:
                with self._changed:
                    self.taken_over = str(error)
                    self._changed.notify_all()
                return
            except (StorageError, InputError) as error:
                self._say(root_cause(error))
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, AGAIN_SECONDS)

    def _upload(self, pack: _Pack) -> None:
        """Put a pack there, then move the pointer; a former generation is removed."""
        own = self._own
        if pack.begins:
            count = int(own.generation.partition("-")[0] or 0) + 1
            own = replace(own, generation=f"{count:06d}-{own.session[:8]}", packs=0)
        self._objects.put(pack_name(own, own.packs), pack.file)
        self._point(replace(own, packs=own.packs + 1))
        pack.file.unlink()
        with self._changed:
            self._pack = None
            self._changed.notify_all()
        for one in self._objects.list() if pack.begins else ():
            if one.name != POINTER and not one.name.startswith(own.generation):
                self._objects.delete(one.name)

    def _point(self, newest: Newest) -> None:
        """Write `newest.json`, with a sign of life."""
        newest = replace(newest, beat=time.time())
        self._objects.write_json(POINTER, asdict(newest))
        self._own = newest

    def _require_own(self) -> None:
        newest = read(self._objects)
        if newest is not None and newest.session != self._own.session:
            raise TakenOver(f"another driver, on host {newest.host}, has taken this sweep up")

    def _say(self, reason: str) -> None:
        if not self._told:
            self._told = True
            self._tell(f"the mirror {self._objects.url} waits to be written: {reason}")
