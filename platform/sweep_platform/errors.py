"""What a user can cause: errors that name the place and the remedy, shown without a traceback."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input: one sentence with the file, key and line where known, and what to do."""


def suggest(given: str, known: Iterable[str]) -> str:
    """The remedy for an unknown name: the known one that is close to it, else all of them."""
    names = list(known)
    close = difflib.get_close_matches(given, names, n=1)
    return f"write `{close[0]}`" if close else "choose from " + ", ".join(names)
