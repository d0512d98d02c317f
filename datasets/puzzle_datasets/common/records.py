"""Frozen dataclasses made of plain values, such as a JSON file's; types and bounds are held."""

from collections.abc import Hashable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from puzzle_datasets.common.options import Bounds, alternatives, described, is_of
from puzzle_datasets.common.text import shown

Record = TypeVar("Record")


class MisfitError(ValueError):
    """Plain values don't make a record; `problem` is said of what holds them, such as a file."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class ContradictionError(ValueError):
    """Values that are each of their type make no record together; said of these, as "has …"."""


def record_from(values: Any, cls: type[Record], within: str = "") -> Record:
    """Return the record whose `dataclasses.asdict` the values are, also after a way through JSON.

    Fields may be plain values, tuples, mappings, enumerations and records, or None; their numbers
    are declared with bounds, see `puzzle_datasets.common.bounded`. `within` is the key of the
    values in what holds them. Raises `MisfitError` where a key is missing or unknown, a value is
    not of its field's type or out of bounds, or the record raises `ContradictionError`.

        >>> from dataclasses import dataclass
        >>> from puzzle_datasets.common.bounded import Count
        >>> @dataclass
        ... class Pair:
        ...     first: Count
        ...     second: Count = 0
        >>> record_from({"first": 1}, Pair)
        Pair(first=1, second=0)
    """
    if not isinstance(values, Mapping):
        raise _misfit(within or "its content", values, "a mapping of keys")
    known = _types(cast(Hashable, cls))
    prefix = f"{within}." if within else ""
    for name in values:
        if name not in known:
            raise MisfitError(f"has the key {shown(f'{prefix}{name}')}, which is unknown here")
    for name in _required(cast(Hashable, cls)):
        if name not in values:
            raise MisfitError(f"lacks the key '{prefix}{name}'")
    made = {name: _typed(value, known[name], prefix + name) for name, value in values.items()}
    try:
        return cls(**made)
    except ContradictionError as error:
        raise MisfitError(f"has {within} that {error}" if within else str(error)) from None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Type:
    """The type of a field, taken apart once: the hint without bounds, and the bounds.

    Besides None, which it `admits_none`, it has one alternative, a `part` of an `origin` such as
    tuple, with the types `inner` of its members, or `several`. It `repeats` where members are any
    number of one type. Its values are those of a mapping, a record or an enumeration, or else
    numbers and texts of the `plain` types or others.
    """

    hint: Any
    bounds: Bounds
    part: Any
    origin: Any
    several: bool
    inner: "tuple[_Type, ...]"
    repeats: bool
    admits_none: bool
    is_mapping: bool
    is_record: bool
    is_member: bool
    plain: frozenset[Any]


@cache
def _types(cls: Any) -> dict[str, _Type]:
    hints = get_type_hints(cls, include_extras=True)
    for item in fields(cls):
        assert _is_bounded(hints[item.name]), f"{cls.__name__}.{item.name} needs bounds"
    return {item.name: _type(hints[item.name]) for item in fields(cls)}


def _is_bounded(hint: Any) -> bool:
    """Return True if every number of a hint is declared with bounds."""
    if get_origin(hint) is Annotated:
        return True
    return hint not in (int, float) and all(map(_is_bounded, get_args(hint)))


def _type(hint: Any) -> _Type:
    bare, bounds = _parted(hint)
    [part, *others] = [one for one in alternatives(bare) if one is not NoneType]
    arguments, origin = get_args(part), get_origin(part) or part
    is_class = isinstance(part, type)
    return _Type(
        hint=bare,
        bounds=bounds,
        plain=frozenset({int, float, str} & set(alternatives(bare))),
        part=part,
        origin=origin,
        admits_none=NoneType in alternatives(bare),
        is_mapping=isinstance(origin, type) and issubclass(origin, Mapping),
        is_record=is_class and is_dataclass(part),
        is_member=is_class and issubclass(part, Enum) and not others,
        several=bool(others),
        inner=tuple(_type(one) for one in arguments if one is not Ellipsis),
        repeats=arguments[-1:] == (Ellipsis,),
    )


def _parted(hint: Any) -> tuple[Any, Bounds]:
    """A hint without the bounds of its numbers, and these."""
    if get_origin(hint) is Annotated:
        bare, bounds, *_ = get_args(hint)
        return bare, bounds
    if get_origin(hint) not in (Union, UnionType):
        return hint, Bounds()
    parted = [_parted(part) for part in get_args(hint)]
    bounds = next((bounds for _, bounds in parted if bounds != Bounds()), Bounds())
    return Union[tuple(bare for bare, _ in parted)], bounds  # noqa: UP007


@cache
def _required(cls: Any) -> list[str]:
    """Names of fields without a default."""
    return [
        item.name
        for item in fields(cls)
        if item.default is MISSING and item.default_factory is MISSING
    ]


def _typed(value: Any, known: _Type, key: str) -> Any:
    """The value as its field has it: a list as a tuple, a mapping as a record, a text as enum."""
    hint, origin = known.hint, known.origin
    if hint is Any or (value is None and known.admits_none):
        return value
    if origin is tuple and isinstance(value, list | tuple):
        return _tuple(value, known, key)
    if known.is_mapping and isinstance(value, Mapping):
        return _mapping(value, known, key)
    if known.is_record:
        return record_from(value, known.part, key)
    if known.is_member:
        return _member(value, known.part, key)
    if _fits(value, known):
        return float(value) if hint is float else value  # tables hold no whole number of any size
    raise _misfit(key, value, _described(hint, known.bounds))


def _fits(value: Any, known: _Type) -> bool:
    """Whether a value is a plain one of a type, within its bounds."""
    if type(value) in known.plain:
        if type(value) is str:
            return True
        return (type(value) is int or isfinite(value)) and known.bounds.admit(value)
    if known.origin in (tuple, dict, Mapping) or not is_of(value, known.hint):
        return False
    return type(value) not in (int, float) or known.bounds.admit(value)


def _tuple(values: list[Any] | tuple[Any, ...], known: _Type, key: str) -> Any:
    """Members of one type, `tuple[int, ...]`, or of one type each, `tuple[int, str]`."""
    each = known.inner * len(values) if known.repeats else known.inner
    if len(each) != len(values):
        raise _misfit(key, values, f"a list of {len(each)}")
    return tuple(
        _typed(v, t, f"{key}[{n}]") for n, (v, t) in enumerate(zip(values, each, strict=True))
    )


def _mapping(values: Mapping[Any, Any], known: _Type, key: str) -> Mapping[Any, Any]:
    """The mapping as it is, of keys and values of its types."""
    names, each = known.inner
    for name, value in values.items():
        if not _fits(name, names):
            _typed(name, names, f"a key of {key}")
        if each.hint is not Any and not _fits(value, each):
            _typed(value, each, f"{key}.{shown(name)}")
    return values


def _member(value: Any, enum: type[Enum], key: str) -> Enum:
    try:
        return enum(value)
    except ValueError:
        raise _misfit(key, value, f"one of {', '.join(str(one.value) for one in enum)}") from None


def _described(hint: Any, bounds: Bounds) -> str:
    origins = {get_origin(part) or part for part in alternatives(hint)}
    if tuple in origins:
        return "a list"
    return "a mapping of keys" if origins & {dict, Mapping} else described(hint, bounds)


def _misfit(key: str, value: Any, wanted: str) -> MisfitError:
    return MisfitError(f"has {shown(value)} as {key}, which is not {wanted}")
