"""Addresses of databases: the file of an SQLite one, and what Python lacks to reach another."""

import re
from pathlib import Path

from puzzle_datasets.common.reading import path_from
from sweep_platform.common.errors import InputError

_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!:memory:|file:)([^?]+)(.*)")
_IN_MEMORY = re.compile(r"sqlite(?:\+\w+)?:(?://)?/?(?::memory:)?(?:\?.*)?")


def driver_missing(url: str, error: BaseException) -> str | None:
    """The remedy where an address could not be opened for want of a module; None otherwise.

    >>> driver_missing("postgresql://host/x", ModuleNotFoundError("psycopg2", name="psycopg2"))
    'install this package with its extra `postgres`, and write postgresql+psycopg://'
    """
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, ImportError):
        seen = seen.__cause__ or seen.__context__
    if seen is None:
        return None
    if url.startswith("postgresql"):
        return "install this package with its extra `postgres`, and write postgresql+psycopg://"
    return "install the Python package of that database"


def database_file(uri: str) -> Path | None:
    """Return the file of an SQLite database, None for any other; `~` is the home folder.

    Raises `InputError`: it is no path that a system has, or the database is kept in memory.

    >>> database_file("sqlite:////var/mlflow.db?timeout=3")
    PosixPath('/var/mlflow.db')
    """
    if _IN_MEMORY.fullmatch(uri):
        remedy = "name a file, such as sqlite:///sweeps.db"
        raise InputError.of(uri, "is a database in memory, which is lost at the end", remedy)
    match = _SQLITE.fullmatch(uri)
    return path_from(uri, match[2], InputError) if match else None


def anchored(uri: str, file: Path | None = None) -> str:
    """Return the URI with the file of an SQLite database as an absolute path, good in any folder.

    With a `file`, that one takes its place.

    >>> anchored("http://host:5000")
    'http://host:5000'
    """
    path, match = file or database_file(uri), _SQLITE.fullmatch(uri)
    return f"{match[1]}{path.absolute()}{match[3]}" if match and path else uri
