"""Arguments of the functions that users of a package call, held against hints and bounds."""

import inspect
import math
from collections.abc import Callable, Mapping
from functools import cache, wraps
from pathlib import Path
from types import NoneType
from typing import Any, ParamSpec, TypeVar, get_origin, get_type_hints

from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.options import Bounds, alternatives, described, require_names
from puzzle_datasets.common.text import suggest

Given = ParamSpec("Given")
Returned = TypeVar("Returned")
Class = TypeVar("Class")

_MANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def checked(
    error: type[UserError], **bounds: Bounds
) -> Callable[[Callable[Given, Returned]], Callable[Given, Returned]]:
    """Have a function raise `error`, of the argument, for what its hints and `bounds` don't admit.

    An argument that is missing, or that the function does not have, is one too.

        >>> half = checked(UserError, count=Bounds(least=0))(lambda *, count: count // 2)
        >>> half(count=-1)
        Traceback (most recent call last):
        puzzle_datasets.common.errors.UserError: count is -1; give a number of at least 0.
    """

    def decorate(function: Callable[Given, Returned]) -> Callable[Given, Returned]:
        @wraps(function)
        def call(*given: Given.args, **named: Given.kwargs) -> Returned:
            _require(function, given, named, bounds, error)
            return function(*given, **named)

        return call

    return decorate


def checked_names(error: type[UserError]) -> Callable[[type[Class]], type[Class]]:
    """Have a dataclass of settings raise `error` for a name that is none of them, or is missing.

    Its values are its own to check.
    """

    def decorate(settings: type[Class]) -> type[Class]:
        made: Callable[..., None] = settings.__init__

        @wraps(made)
        def make(self: Class, *unnamed: Any, **values: Any) -> None:
            if unnamed:
                problem = "has values without names"
                raise error.of(settings.__name__, problem, "name every setting", unnamed)
            require_names(settings, values, error)
            made(self, **values)

        settings.__init__ = make  # type: ignore[method-assign, assignment]
        return settings

    return decorate


def _require(
    function: Callable[..., Any],
    given: tuple[Any, ...],
    named: Mapping[str, Any],
    bounds: Mapping[str, Bounds],
    error: type[UserError],
) -> None:
    signature, hints = _known(function)
    called = function.__qualname__.removesuffix(".__init__")
    single = {n: one for n, one in signature.parameters.items() if one.kind not in _MANY}
    known = [name for name in single if name not in ("self", "cls")]
    takes_any = len(single) < len(signature.parameters)
    for name, value in named.items():
        if name not in known and not takes_any:
            raise error(name, value, suggest(name, known), problem=f"is no argument of {called}")
    try:
        values = signature.bind_partial(*given, **named).arguments
    except TypeError as fault:
        raise error.of(called, f"can't be called so ({fault})", "name the arguments") from fault
    for name, parameter in single.items():
        if name not in values:
            if parameter.default is parameter.empty:
                raise error(name, None, "give it", problem="is missing")
            continue
        value, hint, bound = values[name], hints.get(name, Any), bounds.get(name)
        if not _fits(value, hint) or (bound and value is not None and not bound.admit(value)):
            raise error(name, value, f"give {_described(hint, bound)}")


@cache
def _known(function: Callable[..., Any]) -> tuple[inspect.Signature, dict[str, Any]]:
    """The signature, and hints; those that only a type checker can resolve are texts."""
    try:
        hints = get_type_hints(function)
    except NameError:
        hints = dict(function.__annotations__)
    return inspect.signature(function), hints


def _fits(value: Any, hint: Any) -> bool:
    if isinstance(hint, str):
        return hint.rpartition(".")[2] in {one.__name__ for one in type(value).__mro__}
    return any(_is(value, part) for part in alternatives(hint))


def _is(value: Any, part: Any) -> bool:
    """Return True if a value is a literal, or of a type; any one is of a protocol."""
    if part is Any or getattr(part, "_is_protocol", False):
        return True
    if part in (int, float):
        return type(value) is int or (type(value) is part and math.isfinite(value))
    kind = get_origin(part) or part
    if isinstance(kind, type):
        return isinstance(value, kind)
    return type(value) is type(part) and bool(value == part)


def _described(hint: Any, bound: Bounds | None) -> str:
    if hint is Any:
        return f"a number{bound}"
    if isinstance(hint, str):
        return f"a {hint.rpartition('.')[2]}"
    if Path in (parts := alternatives(hint)):  # which may be a text too
        return "a path or none" if NoneType in parts else "a path"
    return described(hint, bound)
