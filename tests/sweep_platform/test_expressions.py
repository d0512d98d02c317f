"""Expressions: text and tree are each other's inverse, and nothing but the grammar is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep_platform.common.errors import InputError
from sweep_platform.space.expressions.computing import (
    NoNumberError,
    compute,
    is_true,
    violation,
)
from sweep_platform.space.expressions.parsing import parse, parse_number, parse_statement
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
    names,
    written,
)

NUMBERS = st.one_of(st.integers(0, 99), st.floats(0, 1e6))
LEAVES = st.one_of(
    st.builds(Constant, NUMBERS),
    st.builds(Name, st.sampled_from(["N", "T", "hidden_size"])),
)


def _grown(below: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    rows = st.lists(below, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Negative, below),
        st.builds(Binary, st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]), below, below),
        st.builds(Call, st.sampled_from(["min", "max"]), rows),
    )


VALUES = st.recursive(LEAVES, _grown, max_leaves=8)


@st.composite
def _comparisons(draw: st.DrawFn) -> Comparison:
    operands = draw(st.lists(VALUES, min_size=2, max_size=3))
    symbols = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    return Comparison(tuple(draw(symbols) for _ in operands[1:]), tuple(operands))


def _joined(below: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    operands = st.lists(below, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Not, below), st.builds(Logic, st.sampled_from(["and", "or"]), operands)
    )


STATEMENTS = st.recursive(_comparisons(), _joined, max_leaves=4)
KNOBS = st.fixed_dictionaries(
    {"N": st.integers(0, 9), "T": st.integers(0, 9), "hidden_size": st.integers(1, 999)}
)


@given(st.one_of(VALUES, STATEMENTS))
def test_a_tree_is_what_its_text_parses_to(tree: Tree) -> None:
    text = written(tree)
    if len(text) <= 500:
        assert parse(text) == tree
        assert written(parse(text)) == text


@given(STATEMENTS, KNOBS)
def test_a_statement_is_violated_where_it_is_false(
    statement: Statement, values: dict[str, int]
) -> None:
    try:
        holds = is_true(statement, values)
    except NoNumberError:
        with pytest.raises(NoNumberError):
            violation(statement, values)
        return
    assert (violation(statement, values) <= 0) == holds


@given(VALUES, KNOBS)
def test_values_are_those_of_python(tree: Tree, values: dict[str, int]) -> None:
    """Of which they are a part; only here, and on trees made here, is it asked."""
    try:
        found = compute(tree, values)
    except NoNumberError:
        return
    scope = {"__builtins__": {}, "min": _least, "max": _most, **values}
    try:
        assert found == pytest.approx(eval(written(tree), scope), rel=1e-9)
    except OverflowError:
        pytest.fail("found a number where there is none")


def _least(*numbers: float) -> float:
    return min(numbers)


def _most(*numbers: float) -> float:
    return max(numbers)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "N <",
        "__import__('os').system('true') == 0",
        "N.real < 3",
        "[N] == 2",
        "N[0] < 2",
        "(lambda: 1)() < 2",
        "abs(N) < 2",
        "N if T else 2",
        "(N := 2) < 3",
        "N is 2",
        "N in 2",
        "True < N",
        "1e999 < N",
        "f'{N}' == 2",
        "min(N, key=T) < 2",
        "min() < 2",
        "N < 2 < (T < 3)",
        "N and T",
        "not N",
        "N @ T < 2",
        "~N < 2",
        "1j < N",
        "b'x' == N",
        "N < 2\nT < 2",
        "N\0 < 2",
        "(" * 245 + "N" + ")" * 245 + " < 2",
        "N < " + "1 + " * 200 + "1",
    ],
)
def test_what_is_not_in_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_statement(text)
    assert caught.value.problem
    assert caught.value.remedy


def test_statements_and_values_are_told_apart() -> None:
    with pytest.raises(InputError):
        parse_statement("N * T")
    with pytest.raises(InputError):
        parse_number("N < T")
    assert names(parse_statement("N * T <= max(hidden_size, 3)")) == {"N", "T", "hidden_size"}


@pytest.mark.parametrize(
    "text", ["N / T", "N // T", "N % T", "9 ** 9 ** 9 ** 9", "(0 - 1) ** 0.5", "model * 2"]
)
def test_what_comes_to_no_number_says_so(text: str) -> None:
    with pytest.raises(NoNumberError):
        compute(parse_number(text), {"N": 1, "T": 0, "model": "hrm"})


def test_texts_are_compared_by_equality_alone() -> None:
    statement = parse_statement("model == 'trm' or N <= 2")
    assert is_true(statement, {"model": "trm", "N": 9})
    assert violation(statement, {"model": "hrm", "N": 4}) == 0.5
    with pytest.raises(NoNumberError):
        is_true(parse_statement("model < 'trm'"), {"model": "hrm"})


def test_what_guards_a_division_is_asked_first() -> None:
    guarded = parse_statement("T == 0 or N / T < 2")
    assert is_true(guarded, {"N": 1, "T": 0})
    assert violation(guarded, {"N": 1, "T": 0}) <= 0
