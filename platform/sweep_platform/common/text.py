"""Texts for people: a trial's knobs on a line, and addresses without their secrets."""

import textwrap
from collections.abc import Mapping
from typing import Any

from puzzle_datasets.common.page import printable
from puzzle_datasets.common.text import HIDDEN as HIDDEN
from puzzle_datasets.common.text import redact as redact

_LONGEST = 200
"""Characters of it."""


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
