"""How manifests record settings: equal on all machines, paths by what lies there."""

from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

import pytest

from puzzle_datasets.commands.prepare import puzzle_sets
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.options import option
from puzzle_datasets.storage.settings import settings_record


@dataclass(frozen=True, kw_only=True)
class Example:
    folder: str = option(MISSING, "a folder", files=("deep/*.csv",))


def recorded(folder: Path) -> dict[str, Any]:
    return settings_record(Example(folder=str(folder)))


def test_a_path_is_recorded_by_what_it_holds(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "file.csv").write_text("content")
    here, there = tmp_path / "here", tmp_path / "there"
    first = recorded(here)
    assert first == recorded(there)
    assert str(tmp_path) not in str(first)
    (there / "deep" / "notes.txt").write_text("is not read")
    (there / "file.csv").write_text("is not read either")
    assert first == recorded(there)
    (there / "deep" / "file.csv").write_text("changed")
    assert first != recorded(there)
    (here / "deep" / "file.csv").rename(here / "deep" / "new.csv")
    assert first != recorded(here)


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere, which can't be read") as caught:
        recorded(tmp_path / "nowhere")
    assert caught.value.field == "folder"


@pytest.mark.parametrize("name", sorted(puzzle_sets()))
def test_every_set_explains_each_setting(name: str) -> None:
    chosen = puzzle_sets()[name]
    assert chosen.summary
    for item in chosen.settings.__dataclass_fields__.values():
        assert item.metadata["help"], item.name
