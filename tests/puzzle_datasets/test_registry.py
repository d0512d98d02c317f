"""What sets refuse before anything is built."""

from pathlib import Path
from typing import Any

import pytest

from puzzle_datasets.commands.prepare import puzzle_set

HEADER = "source,question,answer,rating\n"
SUDOKU = HEADER + f"a,{'.' * 81},{'1' * 81},1\n"
MAZE = HEADER + "a,S G #    ,SoG #    ,1\n"
LARGER_MAZE = HEADER + f"a,SG{' ' * 14},SG{' ' * 14},1\n"


def check(name: str, values: dict[str, Any]) -> None:
    chosen = puzzle_set(name)
    chosen.check(chosen.settings_from(values))


def csv_folder(folder: Path, **splits: str) -> str:
    for split, text in splits.items():
        (folder / f"{split}.csv").write_text(text)
    return str(folder)


@pytest.mark.parametrize("name", ["sudoku-extreme", "maze-hard"])
def test_published_files_are_not_fetched_to_check_settings(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("used the network"))
    check(name, {})


@pytest.mark.parametrize(("name", "text"), [("sudoku-extreme", SUDOKU), ("maze-hard", MAZE)])
def test_good_files_pass(name: str, text: str, tmp_path: Path) -> None:
    check(name, {"csv": csv_folder(tmp_path, train=text, test=text)})
