"""Settings as fields of a frozen dataclass: type, bounds and help stand beside each field.

They feed the check of a value, the command line, the pages of documentation and the JSON schema.

    @dataclass(frozen=True, kw_only=True)
    class Maze:
        side: int = option(15, "rows and columns", least=5)

        def __post_init__(self) -> None:
            check(self, DatasetError)
"""

import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.files import visible_files
from puzzle_datasets.common.text import shown, suggest

_LONGEST_NAME = 80

MOST_LISTED = 1_000
"""Values that one setting may list."""

_WORDS: dict[Any, tuple[str, str]] = {
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("a text", "texts"),
    bool: ("true or false", "truth values"),
    NoneType: ("none", "none"),
}


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Bounds of the numbers of a setting: `least` and `most` are admitted, the others are not."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def admit(self, value: float) -> bool:
        """Return True if a number lies within."""
        return (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        """As a person writes them behind "a number": " from 0 to below 1"."""
        least, most, above, below = map(_plain, (self.least, self.most, self.above, self.below))
        low = high = ""
        if least:
            low = f" from {least}" if most or below else f" of at least {least}"
        elif above:
            low = f" above {above}"
        if most:
            high = f" to {most}" if low else f" of at most {most}"
        elif below:
            high = f" to below {below}" if low else f" below {below}"
        return low + high


def _plain(bound: float | None) -> str:
    """A bound as a person writes it: 1000000 in full, 1e+30 in short; empty without one."""
    if bound is None:
        return ""
    return f"{bound:.0f}" if bound == int(bound) and abs(bound) < 1e7 else f"{bound:g}"


def option(
    default: Any,
    help: str,  # noqa: A002
    *,
    files: Sequence[str] | Callable[[Path], list[Path]] = (),
    later: bool = False,
    **bounds: float,
) -> Any:
    """Return a field of a dataclass of settings, with `Bounds` of its number or numbers.

    Without a `default`, which is then `MISSING` of dataclasses, a value has to be given. A setting
    that names a folder of the user has patterns of the `files` that are read there, or a function
    that lists them: what depends on the setting is known by their content, not by their place.
    One that came `later` than sets that are about is recorded only where it isn't at its default,
    so that those keep their names.
    """
    about = {"help": help, "bounds": Bounds(**bounds), "files": files, "later": later}
    return field(default=default, metadata=about)


def hints_of(cls: type[Any]) -> dict[str, Any]:
    """Return the type of each field of a dataclass; those that it has as texts are resolved."""
    return _hints(cast(Hashable, cls))


@cache
def _hints(cls: Any) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {item.name: hints[item.name] for item in fields(cls)}


def help_of(item: Field[Any]) -> str:
    """Return the meaning of a setting, in a line."""
    return str(item.metadata["help"])


def bounds_of(item: Field[Any]) -> Bounds:
    """Return the bounds of a setting's numbers."""
    found: Bounds = item.metadata["bounds"]
    return found


def is_folder(item: Field[Any]) -> bool:
    """Return True if a setting names a folder of the user."""
    return bool(item.metadata["files"])


def is_later(item: Field[Any]) -> bool:
    """Return True if a setting is recorded only where it isn't at its default."""
    return bool(item.metadata["later"])


def files_of(item: Field[Any], folder: Path) -> list[Path]:
    """Return the files that are read of the folder that a setting names. Raises `OSError`."""
    files = item.metadata["files"]
    found: list[Path] = files(folder) if callable(files) else visible_files(folder, files)
    return found


def check(settings: Any, error: type[UserError]) -> None:
    """Raise `error` of the setting whose value is not of its type, not finite or out of bounds."""
    hints = hints_of(type(settings))
    for item in fields(settings):
        value, hint = getattr(settings, item.name), hints[item.name]
        if isinstance(value, tuple) and len(value) > MOST_LISTED:
            raise error.of(item.name, f"lists {len(value)} values", f"give at most {MOST_LISTED}")
        fits = is_of(value, hint)
        if fits and isinstance(value, int | float | tuple):
            fits = all(map(bounds_of(item).admit, _numbers(value)))
        if not fits:
            raise error(item.name, value, f"give {described(hint, bounds_of(item))}")


def require(
    settings: object,
    name: str,
    possible: bool,
    remedy: str,
    error: type[UserError],
    also: tuple[str, ...] = (),
) -> None:
    """Raise `error`, of the setting `name`, unless `possible`; it has to go `also` with others."""
    if not possible:
        raise error(name, getattr(settings, name), remedy, also=also)


def make(cls: type[Any], values: Mapping[str, Any], error: type[UserError]) -> Any:
    """Return settings of a class from plain values, such as a file's; raise `error` for others."""
    require_names(cls, values, error)
    hints = hints_of(cls)
    return cls(**{name: _as_hinted(value, hints[name]) for name, value in values.items()})


def require_names(cls: type[Any], values: Mapping[str, Any], error: type[UserError]) -> None:
    """Raise `error` for a value that is no setting of a class, or a setting that has no value."""
    items = fields(cls)
    known = [item.name for item in items]
    for name in values:
        if name not in known:
            called = name if len(str(name)) <= _LONGEST_NAME else shown(name)
            remedy = suggest(str(name), known)
            raise error(str(called), values[name], remedy, problem="is no setting")
    for item in items:
        if item.default is MISSING and item.name not in values:
            raise error(item.name, None, f"give {help_of(item)}", problem="is missing")


_EXACT = frozenset({str, int, bool, NoneType})
"""Types whose every value is one of the type."""


def is_of(value: Any, hint: Any) -> bool:
    """Return True if a value is of a type; whole numbers are numbers, truth values neither."""
    admitted = alternatives(hint)
    if type(value) in _EXACT and type(value) in admitted:
        return True
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(is_of(one, get_args(hint)[0]) for one in value)
    if isinstance(value, float) and not math.isfinite(value):
        return False
    literal = any(value == part and type(value) is type(part) for part in admitted)
    return literal or type(value) in admitted or (type(value) is int and float in admitted)


def described(hint: Any, bounds: Bounds | None = None) -> str:
    """Return the values of a type within bounds: "a whole number of at least 1 or none"."""
    several = get_origin(hint) is tuple
    limits = str(bounds or "")
    parts = [
        _WORDS[part][several] + (limits if part in (int, float) else "")
        if part in _WORDS
        else _named(part)
        for part in alternatives(get_args(hint)[0] if several else hint)
    ]
    return ", ".join(parts[:-1]) + (" or " if parts[:-1] else "") + parts[-1]


def _named(part: Any) -> str:
    """A class or a literal value as people write it."""
    kind = get_origin(part) or part
    if kind is Callable:
        return "a function"
    if not isinstance(kind, type):
        return str(kind)
    return f"a {kind.__module__.partition('.')[0]}.{kind.__name__}"


@cache
def alternatives(hint: Any) -> tuple[Any, ...]:
    """Return the types and literal values that a hint admits."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(part for inner in get_args(hint) for part in alternatives(inner))
    if get_origin(hint) is Literal:
        return get_args(hint)
    return (hint,)


def plain(settings: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """Return settings as plain values, as JSON has them, in the order of their fields."""
    values = {item.name: getattr(settings, item.name) for item in fields(settings)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if name not in without
    }


def defaults(cls: type[Any]) -> dict[str, Any]:
    """Return the defaults of settings, as JSON has them; None of one that has to be given.

    >>> @dataclass
    ... class Pair:
    ...     first: int
    ...     second: tuple[int, ...] = (1, 2)
    >>> defaults(Pair)
    {'first': None, 'second': [1, 2]}
    """
    given = {item.name: item.default for item in fields(cls)}
    return {
        name: None if value is MISSING else list(value) if isinstance(value, tuple) else value
        for name, value in given.items()
    }


def _numbers(value: Any) -> list[float]:
    listed = value if isinstance(value, tuple) else (value,)
    return [one for one in listed if isinstance(one, int | float) and not isinstance(one, bool)]


def _as_hinted(value: Any, hint: Any) -> Any:
    """Return 20.0 for 20 where a fraction is admitted, so that both name one setting."""
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_as_hinted(one, get_args(hint)[0]) for one in value)
    admitted = alternatives(hint)
    is_whole = type(value) is int and float in admitted and int not in admitted
    return float(value) if is_whole else value
