"""Opens an MLflow store: quietly, within seconds, or with one sentence on what is wrong.

MLflow takes seconds to import, so everything of it is imported by the functions that need it.
"""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from puzzle_datasets.common.files import exclusive_once
from sweep_platform.common.databases import anchored, database_file, driver_missing
from sweep_platform.common.text import root_cause
from sweep_platform.tracking.tracker import TrackingError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"
"""A database file in the current directory, where `mlflow ui` finds it."""

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")

# A user's own settings win. A request is tried once: a second try of one whose answer was lost
# would create a run twice, and a tracker is synced again anyway.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}


def open_store(uri: str) -> "MlflowClient":
    """Return a client for the store at `uri`, after the store has answered.

    A database gets its schema here, before trials start, and an SQLite file is put in WAL mode,
    so that readers such as `mlflow ui` and the writer do not wait for each other. Raises
    `TrackingError` if `uri` is of an unknown kind, or the store is away or not writable.
    """
    scheme = re.split(r"[:+]", uri, maxsplit=1)[0] if "://" in uri else ""
    if scheme not in ("http", "https", *_DATABASES):
        raise TrackingError.of_address(
            uri,
            "is no address of MLflow that can be used here",
            f"give a database such as {DEFAULT_TRACKING_URI} or a server such as http://host:5000",
        )
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    path = database_file(uri)
    if path is not None:
        path = Path(os.path.realpath(path))  # of a link, the file it names is made
    if scheme in _DATABASES:
        _open_database(uri, path)
    remedy = f"start or repair it, or name another, such as {DEFAULT_TRACKING_URI}"
    if path is not None:
        remedy = "move that file away if nobody needs it, or name another"
    from mlflow.tracking import MlflowClient

    with refused(uri, "does not answer as MLflow should", remedy, *_errors(), ValueError):
        client = MlflowClient(anchored(uri))
        client.search_experiments(max_results=1)
    return client


def _open_database(uri: str, path: Path | None) -> None:
    """Connect once: MLflow itself retries for minutes and prints each failure."""
    import sqlalchemy

    problem, remedy = "can't be opened for writing", "repair this database or name another"
    with refused(uri, problem, remedy, *_errors(), ImportError, ValueError):
        engine = sqlalchemy.create_engine(anchored(uri))
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            _make_whole(path)
        with engine.connect() as connection:
            if path is not None:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        engine.dispose()


def _errors() -> tuple[type[Exception], ...]:
    """All that a store raises which is broken, foreign or away."""
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return OSError, MlflowException, SQLAlchemyError, CommandError, sqlite3.Error


def _make_whole(path: Path) -> None:
    """Have an SQLite file hold MLflow's tables, all of them or none; who comes second waits.

    They take seconds to make, one step at a time, and MLflow can't go on with half of them. So
    they are made under another name, and what a killed process left there is removed.
    """
    if _has_tables(path):
        return
    with exclusive_once(path.with_name(f".{path.name}.lock")):
        if _has_tables(path):
            return
        partial = path.with_name(f".{path.name}.partial")
        try:
            _remove_database(partial)
            _make_tables(f"sqlite:///{partial.absolute()}")
            partial.replace(path)
        finally:
            _remove_database(partial)


def _has_tables(path: Path) -> bool:
    if not path.exists():
        return False
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None


def _make_tables(uri: str) -> None:
    from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(  # type: ignore[no-untyped-call]
        uri, DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
    )
    store.engine.dispose()


def _remove_database(path: Path) -> None:
    for ending in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


@contextmanager
def refused(uri: str, problem: str, remedy: str, *errors: type[Exception]) -> Iterator[None]:
    """Make these errors `TrackingError`s of the address, with what began the trouble."""
    try:
        yield
    except errors as error:
        problem = f"{problem} ({root_cause(error)})"
        remedy = driver_missing(uri, error) or remedy
        raise TrackingError.of_address(uri, problem, remedy) from error
