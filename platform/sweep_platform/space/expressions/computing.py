"""What an expression comes to for values of its names, and how far a statement is from true."""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from sweep_platform.common.errors import InputError
from sweep_platform.space.expressions.tree import (
    Binary,
    Call,
    Comparison,
    Constant,
    Logic,
    Name,
    Negative,
    Not,
    Statement,
    Tree,
)

Value = bool | int | float | str | None
Values = Mapping[str, Value]

_LEAST = 1e-12
"""A violation that is above zero, of what is missed by nothing: a < b where both are alike."""

_MOST_BITS = 1_024
"""Of a whole number; beyond it powers are computed as floats, which overflow."""

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_OPPOSITES = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}


class NoNumberError(InputError):
    """An expression that comes to nothing with these values, as it divides by zero."""


def compute(tree: Tree, values: Values) -> Value:
    """The value of an expression that is no statement. Raises `NoNumberError`."""
    match tree:
        case Constant(value):
            return value
        case Name(name):
            return values[name]
        case Negative(operand):
            return -_number(operand, values)
        case Binary(symbol, left, right):
            return _combined(symbol, _number(left, values), _number(right, values))
        case Call(function, arguments):
            numbers = [_number(one, values) for one in arguments]
            return min(numbers) if function == "min" else max(numbers)
    raise AssertionError(f"{tree} is a statement")


def is_true(tree: Statement, values: Values) -> bool:
    """Whether a statement is true. Raises `NoNumberError`."""
    match tree:
        case Not(operand):
            return not is_true(_stated(operand), values)
        case Logic("and", operands):
            return all(is_true(_stated(one), values) for one in operands)
        case Logic(_, operands):
            return any(is_true(_stated(one), values) for one in operands)
        case Comparison(operators, operands):
            found = [compute(one, values) for one in operands]
            rows = zip(operators, found, found[1:], strict=False)
            return all(_compared(symbol, a, b) for symbol, a, b in rows)


def violation(tree: Statement, values: Values) -> float:
    """How far a statement is from true: above zero where it is false, else zero or below.

    Numbers are told apart by their share of the larger one, from -1 to 1, so that a sampler can
    weigh FLOPs against layers. Raises `NoNumberError`.

    >>> from sweep_platform.space.expressions.parsing import parse_statement
    >>> violation(parse_statement("N * T <= 32"), {"N": 8, "T": 8})
    0.5
    """
    match tree:
        case Not(operand):
            return violation(_opposite(_stated(operand)), values)
        case Logic(joint, operands):
            return _joined(joint, operands, values)
        case Comparison(operators, operands):
            found = [compute(one, values) for one in operands]
            rows = zip(operators, found, found[1:], strict=False)
            return max(_distance(symbol, a, b) for symbol, a, b in rows)


def _joined(joint: str, operands: tuple[Tree, ...], values: Values) -> float:
    """The violation of joined statements, up to the first one that decides, as `is_true` goes."""
    found: list[float] = []
    for one in operands:
        found.append(violation(_stated(one), values))
        if (found[-1] > 0) == (joint == "and"):
            break
    return max(found) if joint == "and" else min(found)


def _opposite(tree: Statement) -> Statement:
    match tree:
        case Not(operand):
            return _stated(operand)
        case Logic(joint, operands):
            opposites = tuple(_opposite(_stated(one)) for one in operands)
            return Logic("or" if joint == "and" else "and", opposites)
        case Comparison(operators, operands):
            rows = zip(operators, operands, operands[1:], strict=False)
            pairs = tuple(Comparison((_OPPOSITES[symbol],), (a, b)) for symbol, a, b in rows)
            return pairs[0] if len(pairs) == 1 else Logic("or", pairs)


def _stated(tree: Tree) -> Statement:
    assert isinstance(tree, Statement), "the parser joins statements alone"
    return tree


def _compared(symbol: str, a: Value, b: Value) -> bool:
    if symbol not in ("==", "!=") and not (_is_number(a) and _is_number(b)):
        odd = b if _is_number(a) else a
        raise _fault(odd, f"compares {odd!r} by {symbol}", "compare it by == or !=")
    return _COMPARISONS[symbol](a, b)


def _distance(symbol: str, a: Value, b: Value) -> float:
    gap = _share(a, b) if isinstance(a, int | float) and isinstance(b, int | float) else 1.0
    return -gap if _compared(symbol, a, b) else max(gap, _LEAST)


def _share(a: float, b: float) -> float:
    """The difference of two numbers as a share of the larger one, 1 at most."""
    larger = max(abs(a), abs(b))
    return 1.0 if math.isinf(larger) else min(1.0, abs(a - b) / (larger or 1))


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(tree: Tree, values: Values) -> float:
    value = compute(tree, values)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    what = f"{tree.name}, which is {value!r}" if isinstance(tree, Name) else repr(value)
    raise _fault(value, f"computes with {what}", "compute with numbers")


def _combined(symbol: str, a: float, b: float) -> float:
    try:
        found = _power(a, b) if symbol == "**" else _arithmetic(symbol, a, b)
    except ZeroDivisionError:
        raise _fault(b, "divides by zero", "let its divisor be above 0") from None
    except OverflowError:
        found = math.inf
    if isinstance(found, complex) or not math.isfinite(found):
        raise _fault(found, "comes to no number", "keep its numbers small")
    return found


def _arithmetic(symbol: str, a: float, b: float) -> float:
    match symbol:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            return a / b
        case "//":
            return a // b
    return a % b


def _power(a: float, b: float) -> float | complex:
    whole = isinstance(a, int) and isinstance(b, int) and b >= 0
    exact = whole and int(a).bit_length() * int(b) <= _MOST_BITS
    found: float | complex = a**b if exact else float(a) ** float(b)
    return found


def _fault(value: object, problem: str, remedy: str) -> NoNumberError:
    return NoNumberError(None, value, remedy, problem=problem)
