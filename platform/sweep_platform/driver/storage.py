"""A sweep's part of its storage, as the driver deals with it."""

import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sweep_platform.common.errors import InputError
from sweep_platform.driver.request import Puzzles, ResolvedSweep
from sweep_platform.space.puzzle_cache import PuzzleSource, put_set, puzzles_place
from sweep_platform.spec.schema import NAME, StorageSpec
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.storage.mirror import Mirror
from sweep_platform.store.storage.mirrored import require_newest
from sweep_platform.store.storage.objects import Objects, StorageError
from sweep_platform.store.storage.owner import claim, require_own, usable
from sweep_platform.store.trained import checkpoints_in


class SweepStorage:
    """The folder of one sweep in a storage.

    Construction raises `InputError` where the storage can't be used, or another sweep is there.
    """

    def __init__(self, spec: StorageSpec, folder: SweepFolder) -> None:
        record = folder.record() if folder.exists() else None
        name = record.name if record else folder.root.absolute().name
        if re.fullmatch(NAME, name) is None:
            problem = "is no name that every storage takes"
            raise InputError("--out", name, "use letters, digits, . _ and -", problem=problem)
        self.keep, self._url, self._name = spec.keep, spec.url, name
        self.objects: Objects = usable(spec.url).below(name)
        self._mirrors, self._root = spec.mirror, folder.root
        self._mirror: Mirror | None = None
        try:
            require_own(self.objects, record.id if record else None)
            if spec.mirror:
                require_newest(self.objects.below("mirror"), folder.root)
        except StorageError as error:
            raise unusable(error) from None

    @property
    def checkpoints(self) -> str:
        """The URL below which workers keep checkpoints."""
        return checkpoints_in(self._url, self._name)

    def begin(self, sweep: str, puzzles: Puzzles, tell: Callable[[str], object]) -> None:
        """Have the puzzles there, own the folder, and mirror the sweep's if that is asked for.

        `tell` hears what becomes of the mirror. Raises `InputError`.
        """
        try:
            put_set(self._puzzles(puzzles), Path(puzzles.address.folder))
            claim(self.objects, sweep)
            if self._mirrors:
                self._mirror = Mirror(self.objects, self._root, sweep, tell)
                self._mirror.begin()
        except StorageError as error:
            raise unusable(error) from None

    def look(self) -> str | None:
        """Mirror what has changed, if it is time; why the session has to end, if it has."""
        if self._mirror is None:
            return None
        self._mirror.look()
        return self._mirror.taken_over

    def end(self, tell: Callable[[str], object], seconds: float) -> None:
        """Mirror what there is at the end of the session, within so many seconds."""
        if self._mirror is not None and not self._mirror.close(seconds):
            why = self._mirror.taken_over or "the next --resume here will write it"
            tell(f"the mirror of this sweep lacks its last records: {why}")

    def puzzles_url(self, puzzles: Puzzles) -> str:
        """Where hosts find the puzzles."""
        return self._puzzles(puzzles).url

    def _puzzles(self, puzzles: Puzzles) -> Objects:
        return self.objects.below(puzzles_place(puzzles.address))


def open_storage(sweep: ResolvedSweep) -> SweepStorage | None:
    """The sweep's part of its storage, proven; None where it has none. Raises `InputError`."""
    spec = sweep.spec.storage
    return None if spec is None else SweepStorage(spec, sweep.folder)


def puzzle_source(
    sweep: ResolvedSweep, puzzles: Puzzles, storage: SweepStorage | None, data: Path | str | None
) -> dict[str, Any]:
    """Where a host takes the puzzles from that does not see the driver's folder."""
    urls = [storage.puzzles_url(puzzles)] if storage else []
    if isinstance(data, str):
        urls.append(f"{data}/{Path(puzzles.address.folder).name}")
    dataset = sweep.spec.dataset.model_dump(mode="json")
    return asdict(PuzzleSource(urls=tuple(urls), dataset=dataset))


def unusable(error: StorageError) -> InputError:
    """The error of a storage that could not be used when a session began."""
    remedy = "mend the storage, or name another"
    return InputError.of(error.filename, f"can't be used ({error.strerror})", remedy)
