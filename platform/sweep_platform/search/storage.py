"""Where a sweep's Optuna study is kept: a journal in its folder, or a database for clusters."""

from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock

from puzzle_datasets.common.files import drop_torn_line
from sweep_platform.common.errors import InputError
from sweep_platform.common.redaction import redact
from sweep_platform.spec.metrics import direction
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.folder import SweepFolder


def open_study(folder: SweepFolder, spec: SweepSpec) -> optuna.Study:
    """The study of a sweep, made if it is not there yet.

    Raises:
        InputError: its database cannot be opened, or not be written.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if spec.search.storage is None:
        return _study(_journal(folder.journal), folder, spec)
    try:
        return _study(optuna.storages.RDBStorage(spec.search.storage), folder, spec)
    except Exception as error:
        why = str(error.__cause__ or error).partition("\n")[0]
        raise InputError(
            f"`search.storage` cannot be opened ({redact(why)}); start that database and let this "
            "sweep write to it, correct the URL, or leave the key out to keep a journal file."
        ) from None


def _study(storage: BaseStorage, folder: SweepFolder, spec: SweepSpec) -> optuna.Study:
    return optuna.create_study(
        study_name=folder.record().id,
        storage=storage,
        directions=[direction(name) for name in spec.objectives],
        load_if_exists=True,
    )


def _journal(path: Path) -> BaseStorage:
    if path.exists():
        drop_torn_line(path)
    return JournalStorage(JournalFileBackend(str(path), HeldLock()))


class HeldLock(BaseJournalFileLock):
    """A lock that is always held: the driver owns the whole sweep folder while it runs.

    Optuna's own lock files outlive a killed process and then block the next one for 30 s.
    """

    def acquire(self) -> bool:
        """Say that the lock is held."""
        return True

    def release(self) -> None:
        """Keep it."""
