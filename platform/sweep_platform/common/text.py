"""Texts for people: a trial's knobs on a line, and addresses without their secrets."""

import re
import textwrap
from collections.abc import Mapping
from typing import Any

from puzzle_datasets.common.page import printable

HIDDEN = "***"
_LONGEST = 200
"""Characters of it."""

_USER = re.compile(r"([\w+.-]*)://([^\s]*)@")
_QUERY = re.compile(r"([?&][^=&\s]*(?:passw|pwd|token|secret|key)[^=&\s]*=)[^&\s]*", re.IGNORECASE)


def redact(text: str) -> str:
    """Hide the credentials in a text: all before the @ of an address, and passwords behind it.

    The mere name of a database's user is none; to a server it may be a token.

        >>> redact("postgresql://me@host/db, postgresql://me:pw@host/db, http://token@host")
        'postgresql://me@host/db, postgresql://***@host/db, http://***@host'
    """
    return _QUERY.sub(rf"\1{HIDDEN}", _USER.sub(_without_credentials, text))


def _without_credentials(address: re.Match[str]) -> str:
    scheme, before = address.groups()
    mere_name = re.fullmatch(r"[\w.%-]*", before) and not scheme.startswith("http")
    return address[0] if mere_name else f"{scheme}://{HIDDEN}@"


def in_short(text: str) -> str:
    """What somebody gave, as a message names it: on one line, without its secrets.

    >>> in_short("seed=1\\nname: evil")
    'seed=1\\\\nname: evil'
    """
    line = printable(redact(text)).replace("\n", "\\n")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def root_cause(error: BaseException) -> str:
    """Return what began the trouble, such as "Connection refused", short enough for a sentence.

    >>> root_cause(ValueError("the password of http://me:pw@host is wrong."))
    'the password of http://***@host is wrong'
    """
    while cause := error.__cause__ or error.__context__:
        error = cause
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = redact(text).strip().splitlines() or [type(error).__name__]
    return textwrap.shorten(lines[0], 200, placeholder=" ...").rstrip(".")


def knobs(parameters: Mapping[str, Any]) -> str:
    """A trial's knobs on one line: "N=2 T=4 lr=0.0003"."""
    return " ".join(f"{name}={_short(value)}" for name, value in parameters.items())


def _short(value: Any) -> Any:
    if value is None:
        return "null"
    return f"{value:.4g}" if isinstance(value, float) else value
