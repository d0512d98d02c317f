"""From the text of an expression to its tree: numbers, names, + - * / // % **, comparisons, logic.

Python's own grammar reads the text; of what it knows, the listed parts alone are taken over.
"""

import ast
import math
from functools import lru_cache

from puzzle_datasets.common.text import suggest
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

LONGEST = 500
"""Characters of an expression; so none is nested deeper than the parser goes."""

FUNCTIONS = ("min", "max")

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
_COMPARED: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_REMEDY = "write numbers, names, + - * / // % **, comparisons, and, or, not, min(...), max(...)"


@lru_cache(maxsize=1_000)
def parse(text: str) -> Tree:
    """The tree of an expression.

    Raises `InputError`, of no field yet, with problem and remedy: it is none.

    >>> parse("N * T")
    Binary(operator='*', left=Name(name='N'), right=Name(name='T'))
    """
    if len(text) > LONGEST:
        raise _fault(text, f"has over {LONGEST} characters", "write a shorter one")
    try:
        return _tree(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise _fault(text, "is no expression", _REMEDY) from None


def parse_statement(text: str) -> Statement:
    """The tree of an expression that is true or false. Raises as `parse`."""
    tree = parse(text)
    if not isinstance(tree, Statement):
        raise _fault(text, "is neither true nor false", "compare it, as in N * T <= 32")
    return tree


def parse_number(text: str) -> Tree:
    """The tree of an expression that comes to a value. Raises as `parse`."""
    tree = parse(text)
    if isinstance(tree, Statement):
        raise _fault(text, "comes to no number", "write one such as hidden_size / 64")
    return tree


def _fault(text: str, problem: str, remedy: str) -> InputError:
    return InputError(None, text, remedy, problem=problem)


def _tree(node: ast.expr) -> Tree:
    match node:
        case ast.Constant(value=value) if isinstance(value, int | float | str):
            if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
                raise _fault(ast.unparse(node), f"holds {ast.unparse(node)}", _REMEDY)
            return Constant(value)
        case ast.Name(id=name):
            return Name(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return Negative(_value(operand))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return Not(_statement(operand))
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _BINARY:
            return Binary(_BINARY[type(operator)], _value(left), _value(right))
        case ast.BoolOp(op=joint, values=values):
            operator_name = "and" if isinstance(joint, ast.And) else "or"
            return Logic(operator_name, tuple(map(_statement, values)))
        case ast.Compare(left=left, ops=ops, comparators=others):
            if all(type(one) in _COMPARED for one in ops):
                operators = tuple(_COMPARED[type(one)] for one in ops)
                return Comparison(operators, tuple(map(_value, (left, *others))))
        case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]) if arguments:
            if function not in FUNCTIONS:
                problem = f"calls {function}"
                raise _fault(ast.unparse(node), problem, suggest(function, FUNCTIONS))
            return Call(function, tuple(map(_value, arguments)))
    written = ast.unparse(node)
    raise _fault(written, f"holds {written[:40]}, which has no meaning here", _REMEDY)


def _value(node: ast.expr) -> Tree:
    tree = _tree(node)
    if isinstance(tree, Statement):
        raise _fault(ast.unparse(node), f"computes with {ast.unparse(node)[:40]}", _REMEDY)
    return tree


def _statement(node: ast.expr) -> Statement:
    tree = _tree(node)
    if not isinstance(tree, Statement):
        problem = f"joins {ast.unparse(node)[:40]}, which is neither true nor false"
        raise _fault(ast.unparse(node), problem, "compare it, as in N * T <= 32")
    return tree
