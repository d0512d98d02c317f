from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, Literal, get_type_hints

import pytest

from puzzle_datasets.commands.registry import PUZZLE_SETS
from puzzle_datasets.common.settings import (
    Settings,
    choices,
    described,
    make_settings,
    option,
    parse,
    settings_record,
)
from puzzle_datasets.storage.schema import DatasetError


@dataclass(frozen=True, kw_only=True)
class Example:
    folder: str = option(MISSING, "a folder", files=("deep/*.csv",))
    side: int = option(9, "a side")
    share: float = option(0.5, "a share")
    tasks: int | Literal["all"] = option("all", "how many")
    limit: int | None = option(None, "at most")


def test_what_is_not_given_has_its_default() -> None:
    made = make_settings(Example, {"folder": "x", "tasks": 3})
    assert made == Example(folder="x", side=9, share=0.5, tasks=3, limit=None)


@pytest.mark.parametrize(
    ("values", "key", "said"),
    [
        ({}, "folder", "folder is missing; give a folder"),
        ({"folder": "x", "sid": 4}, "sid", "sid is no setting of this set; did you mean side?"),
        ({"folder": "x", "side": "4"}, "side", "side is '4'; give a whole number"),
        ({"folder": "x", "side": True}, "side", "side is True; give a whole number"),
        ({"folder": "x", "side": 4.0}, "side", "side is 4.0; give a whole number"),
        ({"folder": "x", "share": None}, "share", "share is None; give a number"),
        ({"folder": "x", "tasks": "some"}, "tasks", "tasks is 'some'; give a whole number or all"),
        ({"folder": "x", "limit": []}, "limit", "give a whole number or none"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(values: dict[str, Any], key: str, said: str) -> None:
    with pytest.raises(DatasetError) as caught:
        make_settings(Example, values)
    assert caught.value.key == key
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("side", "4", 4),
        ("side", "four", "four"),
        ("share", "1e-2", 0.01),
        ("tasks", "all", "all"),
        ("tasks", "12", 12),
        ("limit", "none", None),
        ("limit", "7", 7),
        ("folder", "12", "12"),
        ("folder", "none", "none"),
    ],
)
def test_words_are_read_by_type(key: str, text: str, value: object) -> None:
    assert parse(text, get_type_hints(Example)[key]) == value


def test_whole_numbers_and_fractions_name_one_set() -> None:
    whole, fraction = (make_settings(Example, {"folder": "x", "share": n}) for n in (1, 1.0))
    assert type(whole.share) is float
    assert repr(whole) == repr(fraction)


def test_types_are_described_in_words() -> None:
    assert described(int | Literal["all"]) == "a whole number or all"
    assert described(float | None) == "a number or none"


def test_unknown_names_get_the_near_one_or_all() -> None:
    assert choices("mase", ["maze", "sudoku"]) == "did you mean maze?"
    assert choices("chess", ["maze", "sudoku"]) == "choose from maze, sudoku"


def test_a_path_is_recorded_by_what_it_holds(tmp_path: Path) -> None:
    for place in ("here", "there"):
        (tmp_path / place / "deep").mkdir(parents=True)
        (tmp_path / place / "deep" / "file.csv").write_text("content")

    def recorded(place: str) -> dict[str, Any]:
        settings: Settings = make_settings(Example, {"folder": str(tmp_path / place)})
        return settings_record(settings)

    here = recorded("here")
    assert here == recorded("there")
    assert str(tmp_path) not in str(here)
    (tmp_path / "there" / "deep" / "notes.txt").write_text("is not read")
    (tmp_path / "there" / "file.csv").write_text("is not read either")
    assert here == recorded("there")
    (tmp_path / "there" / "deep" / "file.csv").write_text("changed")
    assert here != recorded("there")
    (tmp_path / "here" / "deep" / "file.csv").rename(tmp_path / "here" / "deep" / "new.csv")
    assert here != recorded("here")


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    settings = make_settings(Example, {"folder": str(tmp_path / "nowhere")})
    with pytest.raises(DatasetError, match="nowhere, which can't be read") as caught:
        settings_record(settings)
    assert caught.value.key == "folder"


@pytest.mark.parametrize("name", sorted(PUZZLE_SETS))
def test_every_set_explains_each_setting(name: str) -> None:
    chosen = PUZZLE_SETS[name]
    assert chosen.summary
    for item in chosen.settings.__dataclass_fields__.values():
        assert item.metadata["help"], item.name
