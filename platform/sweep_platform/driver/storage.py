"""A sweep's part of its storage, as the driver deals with it."""

import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sweep_platform.common.databases import database_file
from sweep_platform.common.errors import InputError
from sweep_platform.driver.puzzles import Puzzles
from sweep_platform.driver.request import ResolvedSweep
from sweep_platform.space.puzzle_cache import PuzzleSource, put_set, puzzles_place
from sweep_platform.spec.schema import NAME, StorageSpec
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.storage.checkpoints import is_kept
from sweep_platform.store.storage.mirror import Mirror
from sweep_platform.store.storage.mirrored import require_newest
from sweep_platform.store.storage.objects import Objects, StorageError, open_objects
from sweep_platform.store.storage.owner import claimed, require_own, usable
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

    def begin(
        self,
        sweep: str,
        puzzles: Puzzles,
        tell: Callable[[str], object],
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Have the puzzles there, own the folder, and mirror the sweep's if that is asked for.

        `tell` hears what becomes of the mirror; as soon as `stop` is true between two files of
        puzzles, `KeyboardInterrupt` is raised. Raises `InputError`.
        """
        try:
            put_set(self._puzzles(puzzles), Path(puzzles.address.folder), stop)
            with claimed(self.objects, sweep):
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

    def end(self, tell: Callable[[str], object], seconds: float) -> bool:
        """Mirror what there is at the end of the session, within so many seconds.

        Returns whether there is a mirror, which has it all.
        """
        if self._mirror is None:
            return False
        whole = self._mirror.close(seconds)
        if not whole:
            why = self._mirror.taken_over or "the next --resume here will write it"
            tell(f"the mirror of this sweep lacks its last records: {why}")
        return whole

    def keeps(self, job: str) -> bool:
        """Whether a checkpoint of a job, by its key, is there. Raises `InputError`."""
        try:
            return is_kept(open_objects(self.checkpoints), job)
        except StorageError as error:
            raise unusable(error) from None

    def puzzles_url(self, puzzles: Puzzles) -> str:
        """Where hosts find the puzzles."""
        return self._puzzles(puzzles).url

    def _puzzles(self, puzzles: Puzzles) -> Objects:
        return self.objects.below(puzzles_place(puzzles.address))


def open_storage(sweep: ResolvedSweep) -> SweepStorage | None:
    """The sweep's part of its storage, proven; None where it has none. Raises `InputError`."""
    if (spec := sweep.spec.storage) is None:
        return None
    study = database_file(sweep.spec.search.storage or "")
    root = sweep.folder.root.absolute()
    if spec.mirror and study is not None and not study.absolute().is_relative_to(root):
        problem = f"is a file outside {root}, which a mirror lacks"
        remedy = "leave it out, name a PostgreSQL database, or set `storage.mirror` to false"
        raise InputError("search.storage", sweep.spec.search.storage, remedy, problem=problem)
    return SweepStorage(spec, sweep.folder)


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
