"""Remedies for values of a wrong type, in place of pydantic's complaints about Python types."""

from collections.abc import Mapping, Sequence
from typing import Any

from puzzle_datasets.common.errors import UserError

_WANTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than_equal": "a number of at most {le:g}",
    "multiple_of": "a multiple of {multiple_of}",
    "string_type": "a word (in quotes if it looks like a number)",
    "string_pattern_mismatch": "letters, digits, `.`, `_` and `-`, a letter or digit first",
    "literal_error": "{expected}",
    "tuple_type": "a list such as [1, 2]",
    "too_short": "at least {min_length} entry",
    "dict_type": "`key: value` settings below it",
    "model_type": "`key: value` settings below it",
}
"""By pydantic's type of error."""


def remedy(problems: Sequence[Mapping[str, Any]]) -> str:
    """Pydantic's complaints about one value, each a way in which it might have been right."""
    first = problems[0]
    if first["type"] not in _WANTED:
        return str(first["msg"])
    types = {problem["type"] for problem in problems}
    told = [p for p in problems if p["type"] != "int_type" or "float_type" not in types]
    ways = dict.fromkeys(_WANTED[p["type"]].format(**p.get("ctx", {})) for p in told)
    return "write " + " or ".join(ways)


def raised(problem: Mapping[str, Any]) -> UserError | None:
    """The error that a validator of ours raised; None for a complaint of pydantic's own."""
    error = problem.get("ctx", {}).get("error")
    return error if isinstance(error, UserError) else None
