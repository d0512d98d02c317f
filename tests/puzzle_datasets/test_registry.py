"""What sets refuse before anything is built."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from puzzle_datasets.commands.prepare import puzzle_set
from puzzle_datasets.common.errors import DatasetError

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


@pytest.mark.parametrize(
    ("name", "splits", "said"),
    [
        ("sudoku-extreme", {}, r"where there is no train\.csv"),
        ("maze-hard", {}, r"where there is no train\.csv"),
        ("sudoku-extreme", {"train": SUDOKU}, r"where there is no test\.csv"),
        ("sudoku-extreme", {"train": SUDOKU, "test": HEADER}, r"test\.csv has no row"),
        (
            "sudoku-extreme",
            {"train": "question\n", "test": SUDOKU},
            r"line 1: there are 0",
        ),
        (
            "sudoku-extreme",
            {"train": MAZE, "test": SUDOKU},
            "line 2: question has 9 characters in place of 81; write all 81",
        ),
        (
            "maze-hard",
            {"train": MAZE, "test": LARGER_MAZE},
            "line 2: question has 16 characters in place of 9; spaces at the ends",
        ),
        ("maze-hard", {"train": HEADER + "a,S G,SoG,1\n", "test": MAZE}, "which fill no square"),
    ],
)
def test_files_that_can_not_be_imported_are_refused_at_once(
    name: str, splits: dict[str, str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=said) as refused:
        check(name, {"csv": csv_folder(tmp_path, **splits)})
    assert refused.value.field == "csv"


def official_folder(folder: Path) -> None:
    """Write a folder of one 4 by 4 Sudoku in each split."""
    (folder / "identifiers.json").write_text('["<blank>"]')
    solution = np.array([[2, 3, 4, 5, 4, 5, 2, 3, 3, 2, 5, 4, 5, 4, 3, 2]])
    arrays = {
        "inputs": solution,
        "labels": solution,
        "puzzle_identifiers": np.array([0]),
        "puzzle_indices": np.array([0, 1]),
        "group_indices": np.array([0, 1]),
    }
    sizes = {"vocab_size": 6, "seq_len": 16, "num_puzzle_identifiers": 1}
    for split in ("train", "test"):
        (folder / split).mkdir()
        (folder / split / "dataset.json").write_text(json.dumps({"sets": ["all"], **sizes}))
        for part, array in arrays.items():
            np.save(folder / split / f"all__{part}.npy", array)


def nest_deeply(folder: Path) -> None:
    (folder / "test" / "dataset.json").write_text("[" * 100_000)


def remove_labels(folder: Path) -> None:
    (folder / "test" / "all__labels.npy").unlink()


def remove_names(folder: Path) -> None:
    (folder / "identifiers.json").unlink()


def remove_test(folder: Path) -> None:
    (folder / "test" / "dataset.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (remove_test, r"test.dataset\.json can't be read"),
        (nest_deeply, r"test.dataset\.json can't be read"),
        (remove_labels, r"all__labels\.npy can't be read"),
        (remove_names, r"identifiers\.json can't be read"),
    ],
)
def test_published_folders_that_can_not_be_imported_are_refused_at_once(
    spoil: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    official_folder(tmp_path)
    check("official", {"folder": str(tmp_path)})
    spoil(tmp_path)
    with pytest.raises(DatasetError, match=said) as refused:
        check("official", {"folder": str(tmp_path)})
    assert refused.value.field == "folder"


def test_a_kind_that_does_not_fit_the_folder_names_the_kind(tmp_path: Path) -> None:
    official_folder(tmp_path)
    with pytest.raises(DatasetError, match="kind is arc, but") as refused:
        check("official", {"folder": str(tmp_path), "kind": "arc"})
    assert refused.value.field == "kind"
