"""Opens an MLflow store: quietly, within seconds, or with one sentence on what is wrong.

MLflow takes seconds to import, so everything of it is imported by the functions that need it.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sweep_platform.tracking.tracker import TrackingError, root_cause

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
    if scheme in _DATABASES:
        _open_database(uri)
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    remedy = f"start or repair it, or name another, such as {DEFAULT_TRACKING_URI}"
    with refused(uri, "does not answer as MLflow should", remedy, MlflowException):
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    return client


def _open_database(uri: str) -> None:
    """Connect once: MLflow itself retries for minutes and prints each failure."""
    import sqlalchemy

    path = database_file(uri)
    errors = (OSError, ImportError, sqlalchemy.exc.SQLAlchemyError)
    remedy = "repair this database or name another"
    with refused(uri, "can't be opened for writing", remedy, *errors):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        engine = sqlalchemy.create_engine(uri)
        with engine.connect() as connection:
            if path is not None:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        engine.dispose()


@contextmanager
def refused(uri: str, problem: str, remedy: str, *errors: type[Exception]) -> Iterator[None]:
    """Make these errors `TrackingError`s of the address, with what began the trouble."""
    try:
        yield
    except errors as error:
        problem = f"{problem} ({root_cause(error)})"
        raise TrackingError.of_address(uri, problem, remedy) from error


def database_file(uri: str) -> Path | None:
    """Return the file of an SQLite store, None for any other store.

    >>> database_file("sqlite:////var/mlflow.db?timeout=3")
    PosixPath('/var/mlflow.db')
    """
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", uri)
    return Path(match[1]) if match else None


def anchored(uri: str) -> str:
    """Return the URI with the file of an SQLite store as an absolute path, good in any folder.

    >>> anchored("http://host:5000")
    'http://host:5000'
    """
    path = database_file(uri)
    return uri if path is None else uri.replace(str(path), str(path.absolute()), 1)
