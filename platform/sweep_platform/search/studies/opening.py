"""Opens the study of a sweep: a journal in its folder, or a database for clusters."""

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock

from puzzle_datasets.common.files import drop_torn_line
from puzzle_datasets.common.reading import Reader
from sweep_platform.common.databases import driver_missing
from sweep_platform.common.errors import InputError
from sweep_platform.common.text import redact, root_cause
from sweep_platform.search.studies.dashboard import name_objectives
from sweep_platform.search.studies.patience import PatientStorage
from sweep_platform.search.studies.study import Study
from sweep_platform.spec.metrics import direction
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.folder import SweepFolder

_LONGEST_LINE = 4_000_000
"""Bytes of a line of the journal."""


def open_study(folder: SweepFolder, spec: SweepSpec) -> Study:
    """A sweep's study, old or new. Raises `InputError`: no database to open, or to write."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if spec.search.storage is None:
        return Study(_kept_beside(folder, spec), spec)
    try:
        storage = PatientStorage(spec.search.storage)
        study = Study(_created(storage, folder, spec), spec, storage)
        storage.patient = True
        return study
    except Exception as error:
        if _is_of_mlflow(spec.search.storage):
            remedy = "make another for the study: both keep their schema's version in one table"
            problem = "is MLflow's database"
            raise InputError.of("`search.storage`", problem, remedy) from None
        raise InputError(
            "`search.storage`",
            redact(spec.search.storage),
            driver_missing(spec.search.storage, error)
            or "start that database and let this sweep write to it, correct the URL, or leave the "
            "key out to keep a journal file",
            problem=f"cannot be opened ({root_cause(error)})",
        ) from None


def _is_of_mlflow(url: str) -> bool:
    """Whether a database has MLflow's tables; False where it can't be asked."""
    try:
        engine = sqlalchemy.create_engine(url)
        tables = sqlalchemy.inspect(engine).get_table_names()
        engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, OSError, ImportError, ValueError):
        return False
    return "experiments" in tables and "alembic_version" in tables


def _created(storage: BaseStorage, folder: SweepFolder, spec: SweepSpec) -> optuna.Study:
    study = optuna.create_study(
        study_name=folder.record().id,
        storage=storage,
        directions=[direction(name) for name in spec.objectives],
        load_if_exists=True,
    )
    name_objectives(study, spec.objectives)
    return study


def _kept_beside(folder: SweepFolder, spec: SweepSpec) -> optuna.Study:
    """The study in its journal; Optuna trusts that as it is."""
    path, remedy = folder.journal, "restore it, or start another sweep by --out"
    reader = Reader(path, InputError, remedy, most=_LONGEST_LINE)
    if path.exists():
        for number, line in enumerate(reader.lines(), start=1):
            if not isinstance(line, dict):
                raise InputError.of(path, f"is damaged: line {number} is no record", remedy)
        drop_torn_line(path)
    try:
        return _created(JournalStorage(JournalFileBackend(str(path), HeldLock())), folder, spec)
    except OSError:
        raise
    except Exception as error:  # of any kind, by what is wrong with it
        problem = f"is damaged, or of another version of Optuna ({type(error).__name__})"
        raise InputError.of(path, problem, remedy) from error


class HeldLock(BaseJournalFileLock):
    """A lock that is always held: the driver owns the whole sweep folder while it runs.

    Optuna's own lock files outlive a killed process and then block the next one for 30 s.
    """

    def acquire(self) -> bool:
        """Say that the lock is held."""
        return True

    def release(self) -> None:
        """Keep it."""
