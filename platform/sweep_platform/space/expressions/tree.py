"""An expression as a tree, and as the text that parses to that tree."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Union

Tree = Union["Constant", "Name", "Negative", "Binary", "Call", "Comparison", "Not", "Logic"]


@dataclass(frozen=True)
class Constant:
    """A number or a text in quotes."""

    value: int | float | str


@dataclass(frozen=True)
class Name:
    """A knob, another setting, or a cost."""

    name: str


@dataclass(frozen=True)
class Negative:
    """The number below zero."""

    operand: Tree


@dataclass(frozen=True)
class Binary:
    """Two numbers put together by one of `+ - * / // % **`."""

    operator: str
    left: Tree
    right: Tree


@dataclass(frozen=True)
class Call:
    """`min` or `max` of numbers."""

    function: str
    arguments: tuple[Tree, ...]


@dataclass(frozen=True)
class Comparison:
    """Values compared in a row, as in `1 <= N < 4`: one operator fewer than there are operands."""

    operators: tuple[str, ...]
    operands: tuple[Tree, ...]


@dataclass(frozen=True)
class Not:
    """The opposite of a statement."""

    operand: Tree


@dataclass(frozen=True)
class Logic:
    """Two or more statements joined by `and` or by `or`."""

    operator: str
    operands: tuple[Tree, ...]


Statement = Comparison | Not | Logic
"""What is true or false."""

_RANKS = {"or": 1, "and": 2, "not": 3, "compare": 4}
_RANKS |= dict.fromkeys("+-", 5) | dict.fromkeys(("*", "/", "//", "%"), 6)
_RANKS |= {"negative": 7, "**": 8}
_LEAF = 9
"""How tightly each binds what stands beside it."""


def parts(tree: Tree) -> tuple[Tree, ...]:
    """The trees right below one."""
    match tree:
        case Negative(operand) | Not(operand):
            return (operand,)
        case Binary(_, left, right):
            return left, right
        case Call(_, below) | Comparison(_, below) | Logic(_, below):
            return below
    return ()


def names(tree: Tree) -> frozenset[str]:
    """Every name in a tree."""
    return frozenset(_names(tree))


def _names(tree: Tree) -> Iterator[str]:
    if isinstance(tree, Name):
        yield tree.name
    for part in parts(tree):
        yield from _names(part)


def written(tree: Tree) -> str:
    """The tree as text, in no more brackets than it needs.

    >>> written(Binary("*", Binary("+", Name("N"), Constant(1)), Name("T")))
    '(N + 1) * T'
    """
    match tree:
        case Constant(value):
            return repr(value)
        case Name(name):
            return name
        case Negative(operand):
            return f"-{_inside(operand, 7)}"
        case Not(operand):
            return f"not {_inside(operand, 3)}"
        case Binary("**", left, right):
            return f"{_inside(left, 9)} ** {_inside(right, 7)}"
        case Binary(operator, left, right):
            rank = _RANKS[operator]
            return f"{_inside(left, rank)} {operator} {_inside(right, rank + 1)}"
        case Call(function, arguments):
            return f"{function}({', '.join(map(written, arguments))})"
        case Logic(operator, operands):
            rank = _RANKS[operator] + 1
            return f" {operator} ".join(_inside(one, rank) for one in operands)
        case Comparison(operators, operands):
            first, *rest = (_inside(one, 5) for one in operands)
            pairs = zip(operators, rest, strict=True)
            return " ".join([first, *(f"{operator} {one}" for operator, one in pairs)])


def _inside(tree: Tree, least: int) -> str:
    """The tree as a part of another, in brackets where it binds less than `least`."""
    return written(tree) if _rank(tree) >= least else f"({written(tree)})"


def _rank(tree: Tree) -> int:
    match tree:
        case Binary(operator) | Logic(operator):
            return _RANKS[operator]
        case Negative():
            return _RANKS["negative"]
        case Not():
            return _RANKS["not"]
        case Comparison():
            return _RANKS["compare"]
    return _LEAF
