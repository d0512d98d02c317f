"""Reaching an MLflow store: quietly, within seconds, or with one sentence on what is wrong.

MLflow takes seconds to import, so everything of it is imported by the functions that need it.
"""

import os
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from sweep_platform.common.errors import InputError
from sweep_platform.common.redaction import redact

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"
"""A database file in the current directory, where `mlflow ui` finds it."""

_SERVERS = ("http", "https")
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")

# A user's own settings win. A request is tried once: a second try of one whose answer was lost
# would create a run twice, and whoever mirrors a sweep tries again anyway.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}


class TrackingError(InputError):
    """The MLflow store can't be used; says which and what to do about it."""


def open_store(uri: str) -> "MlflowClient":
    """A client for the store at `uri`, after the store has answered.

    A database gets its schema here, before trials start, and an SQLite file is put in WAL mode,
    so that readers such as `mlflow ui` and the writer do not wait for each other.

    Raises:
        TrackingError: if `uri` is of an unknown kind, or the store is away or not writable.
    """
    scheme = re.split(r"[:+]", uri, maxsplit=1)[0] if "://" in uri else ""
    if scheme not in _SERVERS + _DATABASES:
        raise TrackingError(
            f"{redact(uri)} is no MLflow tracking URI that can be used here: give a database such"
            f" as {DEFAULT_TRACKING_URI}, or a server such as http://host:5000, by --tracking-uri."
        )
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if scheme in _DATABASES:
        _open_database(uri)
    return _ask(uri)


def _open_database(uri: str) -> None:
    """Connect once: MLflow itself retries for minutes and prints each failure."""
    import sqlalchemy

    path = database_file(uri)
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        engine = sqlalchemy.create_engine(uri)
        with engine.connect() as connection:
            if path is not None:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        engine.dispose()
    except (OSError, ImportError, sqlalchemy.exc.SQLAlchemyError) as error:
        raise TrackingError(
            f"The tracking database {redact(uri)} can't be opened for writing"
            f" ({reason(error)}): repair it, or name another by --tracking-uri."
        ) from error


def _ask(uri: str) -> "MlflowClient":
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    except MlflowException as error:
        raise TrackingError(
            f"MLflow at {redact(uri)} does not answer as it should ({reason(error)}): start or"
            f" repair it, or name another by --tracking-uri, such as {DEFAULT_TRACKING_URI}."
        ) from error
    return client


def database_file(uri: str) -> Path | None:
    """The file of an SQLite store, None for any other store."""
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", uri)
    return Path(match[1]) if match else None


def anchored(uri: str) -> str:
    """The URI, with the file of an SQLite store as an absolute path: the same from any folder."""
    path = database_file(uri)
    return uri if path is None else uri.replace(str(path), str(path.absolute()), 1)


def reason(error: BaseException) -> str:
    """What began the trouble, such as "Connection refused", short enough for a sentence."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = redact(said).splitlines() or [type(error).__name__]
    return textwrap.shorten(lines[0], 200, placeholder=" ...").rstrip(".")
