"""Settings: checked by type and bounds, made from plain values, and read from a command line."""

import argparse
import math
import string
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.common.command_line import Parser, add_settings, flag, parsed
from puzzle_datasets.common.command_line import given as given_of
from puzzle_datasets.common.errors import DatasetError, UserError
from puzzle_datasets.common.options import (
    Bounds,
    bounds_of,
    check,
    described,
    help_of,
    is_folder,
    make,
    option,
    plain,
    require,
)
from puzzle_datasets.common.text import suggest


@dataclass(frozen=True, kw_only=True)
class Example:
    folder: str = option(MISSING, "a folder", files=("deep/*.csv",))
    side: Literal[4, 6, 9] = option(9, "rows and columns")
    share: float = option(0.5, "a share, in 100 %", least=0, below=1)
    tasks: int | Literal["all"] = option("all", "how many", least=1)
    limit: int | None = option(None, "at most", above=0)
    names: tuple[str, ...] = option(("a", "b"), "some names")
    sizes: tuple[int, ...] = option((), "some sizes", most=9)

    def __post_init__(self) -> None:
        check(self, DatasetError)


def test_what_is_not_given_has_its_default() -> None:
    made = make(Example, {"folder": "x", "tasks": 3, "sizes": [1, 2]}, DatasetError)
    assert made == Example(folder="x", tasks=3, sizes=(1, 2))
    assert plain(made, without=["folder"])["sizes"] == [1, 2]


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({}, "folder", "folder is missing; give a folder."),
        ({"folder": "x", "sid": 4}, "sid", "sid is no setting; did you mean side?"),
        ({"folder": "x", "sizes": [1] * 1_001}, "sizes", "sizes lists 1001 values; give at most"),
        ({"folder": "x", "side": "4"}, "side", "side is '4'; give 4, 6 or 9."),
        ({"folder": "x", "side": True}, "side", "give 4, 6 or 9"),
        ({"folder": "x", "side": 4.0}, "side", "side is 4.0"),
        ({"folder": "x", "share": None}, "share", "give a number from 0 to below 1."),
        ({"folder": "x", "share": math.nan}, "share", "share is nan"),
        ({"folder": "x", "share": 1}, "share", "share is 1.0"),
        ({"folder": "x", "tasks": "some"}, "tasks", "give a whole number of at least 1 or all."),
        ({"folder": "x", "tasks": 0}, "tasks", "tasks is 0"),
        ({"folder": "x", "limit": []}, "limit", "give a whole number above 0 or none."),
        ({"folder": "x", "sizes": [1, 10]}, "sizes", "give whole numbers of at most 9."),
        ({"folder": "x", "names": ["a", 1]}, "names", "give texts."),
    ],
)
def test_a_wrong_setting_is_refused_by_name(values: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(DatasetError) as refused:
        make(Example, values, DatasetError)
    assert refused.value.field == field
    assert said in str(refused.value)


def test_coupled_settings_are_named() -> None:
    settings = Example(folder="x", limit=3)
    require(settings, "limit", True, "give less", DatasetError)
    with pytest.raises(DatasetError) as refused:
        require(settings, "limit", False, "give less", DatasetError, also=("share",))
    error = refused.value
    assert (error.field, error.value, error.also) == ("limit", 3, ("share",))
    assert error.sentence("--limit") == "--limit is 3; give less."


@given(st.integers(-5, 5), *[st.none() | st.integers(-5, 5)] * 4)
def test_bounds_admit_what_lies_within(
    value: int, least: Any, most: Any, above: Any, below: Any
) -> None:
    bounds = Bounds(least=least, most=most, above=above, below=below)
    assert bounds.admit(value) == (
        (least is None or least <= value)
        and (most is None or value <= most)
        and (above is None or above < value)
        and (below is None or value < below)
    )


def test_whole_numbers_and_fractions_name_one_setting() -> None:
    whole, fraction = (make(Example, {"folder": "x", "share": n}, UserError) for n in (0, 0.0))
    assert repr(whole) == repr(fraction)


def test_types_are_described_in_words() -> None:
    assert described(int | Literal["all"]) == "a whole number or all"
    assert described(float | None) == "a number or none"
    assert described(tuple[int, ...], Bounds(least=1)) == "whole numbers of at least 1"


def test_unknown_names_get_the_near_one_or_all() -> None:
    assert suggest("mase", ["maze", "sudoku"]) == "did you mean maze?"
    assert suggest("chess", ["maze", "sudoku"]) == "choose from maze, sudoku"


def parser() -> Parser:
    made = Parser(prog="example")
    add_settings(made, Example)
    return made


WORDS = st.text(string.ascii_lowercase, min_size=1)


@given(
    st.builds(
        Example,
        folder=WORDS,
        side=st.sampled_from([4, 6, 9]),
        share=st.floats(0, 1, exclude_max=True),
        tasks=st.integers(1) | st.just("all"),
        limit=st.none() | st.integers(1),
        names=st.lists(WORDS).map(tuple),
        sizes=st.lists(st.integers(0, 9)).map(tuple),
    )
)
def test_every_setting_can_be_given_on_the_command_line(settings: Example) -> None:
    words = [settings.folder]
    for name, value in plain(settings, without=["folder"]).items():
        listed = value if isinstance(value, list) else ["none" if value is None else value]
        words += [flag(name), *map(str, listed)]
    found = given_of(parser().parse_args(words), Example)
    assert make(Example, found, DatasetError) == settings


def test_only_what_is_given_is_found() -> None:
    arguments = parser().parse_args(["x", "--tasks", "3"])
    assert given_of(arguments, Example) == {"folder": "x", "tasks": 3}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["x", "--side", "5"], "'5' is no value; give 4, 6 or 9"),
        (["x", "--share", "half"], "'half' is no value; give a number"),
        (["x", "--shar", "0.5"], "unrecognized arguments: --shar"),
        ([], "required: DIR"),
    ],
)
def test_what_can_not_be_parsed_is_raised(words: list[str], said: str) -> None:
    with pytest.raises(UserError, match="see example --help") as refused:
        parser().parse_args(words)
    assert said in str(refused.value)


def test_a_word_without_a_value_is_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        parsed("none", int)


def test_help_names_meaning_bounds_and_default() -> None:
    text = " ".join(parser().format_help().split())
    for item in fields(Example):
        assert help_of(item) in text
        assert str(bounds_of(item)).strip() in text
    assert "(a number from 0 to below 1; default: 0.5)" in text
    assert "(default: a b)" in text
    assert [item.name for item in fields(Example) if is_folder(item)] == ["folder"]
    assert Path("deep/a.csv").match(fields(Example)[0].metadata["files"][0])
