"""The parser of every command line of this project, and options for settings."""

import argparse
from collections.abc import Collection
from contextlib import suppress
from dataclasses import MISSING, Field, fields
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.options import alternatives, bounds_of, described, help_of, is_folder
from puzzle_datasets.common.reading import path_from
from puzzle_datasets.common.text import redact, shown

_LONGEST = 600
"""Characters of a message: words of a command line may be of any length."""

_PLACEHOLDERS = {int: "INT", float: "NUMBER", str: "TEXT"}


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations and raises `UserError` where it can't parse."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong, for `exit_status.guarded` to tell."""
        message = redact(message)
        short = message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…"
        raise UserError(None, None, f"see {self.prog} --help", problem=short)


def path(text: str) -> Path:
    """Return a path of a command line, for the `type` of an argument: errors name that one."""
    try:
        return path_from("", text, UserError)
    except UserError as error:
        problem = f"{shown(text)} is no path; {error.remedy}"
        raise argparse.ArgumentTypeError(problem) from error


def flag(field: str) -> str:
    """Return the option of a setting: `hidden_size` is --hidden-size, `M_max` is --M-max."""
    return f"--{field.replace('_', '-')}"


def add_settings(into: Any, settings: type[Any], without: Collection[str] = ()) -> None:
    """Add an option for each field of a dataclass of settings but those `without`.

    A folder without a default is an argument by its place, if it is the only one. What was not
    given is left out of the namespace, so that a command can tell them from defaults; see `given`.
    """
    hints = get_type_hints(settings)
    is_alone = sum(map(is_folder, fields(settings))) == 1
    for item in fields(settings):
        if item.name not in without:
            _add(into, item, hints[item.name], is_alone)


def given(arguments: argparse.Namespace, settings: type[Any]) -> dict[str, Any]:
    """Return the fields of a dataclass of settings that were given on the command line."""
    values = vars(arguments)
    names = [item.name for item in fields(settings) if item.name in values]
    return {n: tuple(v) if isinstance(v := values[n], list) else v for n in names}


def parsed(text: str, hint: Any) -> Any:
    """Return the value of a word; raises `ArgumentTypeError` where the type has no such value.

    >>> from typing import Literal
    >>> parsed("12", int | Literal["all"]), parsed("all", int | Literal["all"])
    (12, 'all')
    """
    admitted = alternatives(hint)
    for literal in admitted:
        if not isinstance(literal, type) and text == str(literal):
            return literal
    if NoneType in admitted and text == "none":
        return None
    for kind in (int, float, str):
        if kind in admitted:
            with suppress(ValueError):
                return kind(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no value; give {described(hint)}")


def _folder(text: str) -> str:
    """The text of a path, which settings are."""
    return str(path(text))


def _add(into: Any, item: Field[Any], hint: Any, is_alone: bool) -> None:
    several = get_origin(hint) is tuple
    one = get_args(hint)[0] if several else hint
    positional = item.default is MISSING and is_folder(item) and is_alone
    options: dict[str, Any] = {"dest": item.name, "default": argparse.SUPPRESS}
    if item.default is MISSING and is_folder(item):
        options = {} if is_alone else {"dest": item.name, "required": True}
    into.add_argument(
        item.name if positional else flag(item.name),
        metavar="DIR" if is_folder(item) else _placeholder(one),
        type=_folder if is_folder(item) else partial(parsed, hint=one),
        help=_help(item, hint),
        **options | ({"nargs": "*"} if several else {}),
    )


def _placeholder(hint: Any) -> str:
    parts = [part for part in alternatives(hint) if part is not NoneType]
    if not any(part in _PLACEHOLDERS for part in parts):
        return "{" + ",".join(map(str, parts)) + "}"
    return "|".join(_PLACEHOLDERS.get(part, str(part)) for part in parts)


def _help(item: Field[Any], hint: Any) -> str:
    text = help_of(item).replace("%", "%%")
    if item.default is MISSING:
        return text
    default = "none" if item.default is None else item.default
    if isinstance(default, tuple):
        default = " ".join(map(str, default))
    limits = f"{described(hint, bounds_of(item))}; " if str(bounds_of(item)) else ""
    return f"{text} ({limits}default: {default})"
