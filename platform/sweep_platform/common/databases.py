"""What Python needs to reach a database, where it lacks that."""


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
