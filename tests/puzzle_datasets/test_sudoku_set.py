"""Sets of generated Sudoku: what is in them, and which can't be made."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.commands.prepare import build_at, folder_name, verify_all
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.sudoku import distinct as sudoku_distinct
from puzzle_datasets.kinds.sudoku import kernel as sudoku_kernel
from puzzle_datasets.kinds.sudoku import solver as sudoku_search
from puzzle_datasets.kinds.sudoku.augment import line_orders
from puzzle_datasets.kinds.sudoku.distinct import DistinctPuzzles
from puzzle_datasets.kinds.sudoku.kernel import count_solutions
from puzzle_datasets.kinds.sudoku.rules import BLANK, find_fault, invariant
from puzzle_datasets.kinds.sudoku.source import SudokuSettings, build
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import SPLITS, Tokens
from puzzle_datasets.storage.settings import settings_record
from puzzle_datasets.storage.shards import verify
from puzzle_datasets.storage.writer import SetWriter

TWINS: tuple[Literal["keep"], Literal["drop"]] = ("keep", "drop")

_LINES = line_orders(2, 2).numpy()
_GRID = np.arange(16).reshape(4, 4)
ARRANGEMENTS = [
    cells.ravel()
    for rows, columns in itertools.product(_LINES, _LINES)
    for cells in (_GRID[rows][:, columns], _GRID[rows][:, columns].T)
]
"""Every way in which symmetry moves the cells of a puzzle of side 4."""


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few puzzles are made before the kernels would be compiled."""
    monkeypatch.setattr(sudoku_kernel, "compiled", lambda: sudoku_search)


def made(settings: SudokuSettings, folder: Path) -> PuzzleDataset:
    folder.mkdir()
    build(settings, SetWriter(folder))
    verify(folder)
    return PuzzleDataset.open(folder)


def test_both_splits_hold_what_was_asked_for(tmp_path: Path) -> None:
    settings = SudokuSettings(side=4, train=150, test=50, clues=6)
    dataset = made(settings, tmp_path / "set")
    manifest = dataset.manifest
    assert (manifest.kind, manifest.box, manifest.grid) == ("sudoku", (2, 2), (4, 4))
    assert (manifest.vocab_size, manifest.seq_len) == (6, 16)
    assert manifest.augmentation == "fresh"
    assert manifest.tokens == {
        "0": "padding",
        "1": "blank",
        **{str(d + 1): f"digit {d}" for d in range(1, 5)},
    }
    assert manifest.statistics["test_clues_mean"] == 6
    for table, first, count in ((dataset.train, 0, 150), (dataset.test, 150, 50)):
        inputs, labels = table.inputs.numpy(), table.labels.numpy()
        assert find_fault(inputs, labels, 4) is None
        assert (count_solutions(inputs, 4) == 1).all()
        assert ((inputs > BLANK).sum(axis=1) == 6).all()
        assert (table.details["clues"] == 6).all()
        assert table.group.tolist() == list(range(first, first + count))


@pytest.mark.parametrize(("train", "test"), [(400, 400), (900, 20), (20, 900)])
def test_no_puzzle_comes_twice_and_no_problem_in_both_splits(
    tmp_path: Path, train: int, test: int
) -> None:
    """Side 4 has 36 problems without a needless clue, so that chance alone would mix them."""
    settings = SudokuSettings(side=4, train=train, test=test)
    dataset = made(settings, tmp_path / "set")
    splits = [table.inputs.numpy() for table in (dataset.train, dataset.test)]
    assert [len(np.unique(inputs, axis=0)) for inputs in splits] == [train, test]
    problems = [set(invariant(inputs, 4).tolist()) for inputs in splits]
    assert not problems[0] & problems[1]


def canonical(puzzle: Tokens) -> bytes:
    """Return the least that symmetry makes of a puzzle of side 4, digits in order of coming."""
    return min(in_order(puzzle[cells]) for cells in ARRANGEMENTS)


def in_order(puzzle: Tokens) -> bytes:
    renamed: dict[int, int] = {BLANK: BLANK}
    return bytes(renamed.setdefault(token, len(renamed) + 1) for token in puzzle.tolist())


@given(st.integers(0, 2**32), st.sampled_from([6, 7, 8]))
def test_without_twins_no_test_puzzle_is_another_up_to_symmetry(seed: int, clues: int) -> None:
    puzzles = DistinctPuzzles(
        side=4, clues=clues, wanted={"train": 10, "test": 40}, seed=seed, test_twins=False
    )
    forms = {
        split: [canonical(puzzle) for inputs, _ in puzzles.of(split) for puzzle in inputs]
        for split in SPLITS
    }
    assert len(set(forms["test"])) == len(forms["test"]) == 40
    assert not set(forms["test"]) & set(forms["train"])


def test_twins_come_where_they_are_kept(tmp_path: Path) -> None:
    """So the property above is one that chance does not give; `verify` counts them."""
    dataset = made(SudokuSettings(side=4, train=20, test=60, clues=5), tmp_path / "set")
    twins = 60 - len(set(map(canonical, dataset.test.inputs.numpy())))
    assert twins > 0
    assert any(line.startswith(f"twins: {twins} of 60") for line in verify_all(tmp_path / "set"))


def test_a_set_without_twins_is_another_set_and_keeping_them_goes_unsaid(tmp_path: Path) -> None:
    kept, dropped = (SudokuSettings(side=4, clues=6, test_twins=twins) for twins in TWINS)
    assert "test_twins" not in settings_record(kept)
    assert folder_name("sudoku", kept) != folder_name("sudoku", dropped)
    small = [replace(one, train=20, test=10) for one in (kept, dropped)]
    build_at("sudoku", small[1], tmp_path / "set")
    assert any(line.startswith("twins: 0 of 10") for line in verify_all(tmp_path / "set"))
    with pytest.raises(DatasetError, match="with test_twins 'drop', not 'keep'"):
        build_at("sudoku", small[0], tmp_path / "set")


def test_too_few_problems_for_the_test_set_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of side 4, 96 problems have five clues."""
    monkeypatch.setattr(sudoku_distinct, "_PATIENCE", 100)
    monkeypatch.setattr(sudoku_distinct, "DRAWS_PER_PUZZLE", 1)
    settings = SudokuSettings(side=4, train=1, test=97, clues=5, test_twins="drop")
    with pytest.raises(DatasetError, match=r"test is 97, but .* found only \d+ distinct") as error:
        made(settings, tmp_path / "set")
    assert error.value.field == "test"


def test_another_seed_gives_another_set(tmp_path: Path) -> None:
    settings = [SudokuSettings(side=4, train=30, test=10, seed=seed) for seed in (0, 1)]
    sets = [made(one, tmp_path / str(one.seed)) for one in settings]
    files = [set(dataset.manifest.files.values()) for dataset in sets]
    assert not files[0] & files[1]


def test_the_seed_decides_which_problems_are_for_the_test(tmp_path: Path) -> None:
    problems = []
    for seed in (0, 1):
        settings = SudokuSettings(side=4, train=300, test=300, seed=seed)
        dataset = made(settings, tmp_path / str(seed))
        splits = (dataset.train, dataset.test)
        problems.append([set(invariant(t.inputs.numpy(), 4).tolist()) for t in splits])
    assert len(problems[0][1] & problems[1][0]) > 3


def test_when_new_puzzles_get_rare_the_number_found_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sudoku_distinct, "_PATIENCE", 100)
    monkeypatch.setattr(sudoku_distinct, "DRAWS_PER_PUZZLE", 1)
    settings = SudokuSettings(side=4, train=2000, test=1, clues=4)
    with pytest.raises(
        DatasetError, match=r"train is 2000, but .* only 1\d+ .* fewer puz"
    ) as error:
        made(settings, tmp_path / "set")
    assert error.value.field == "train"


def test_clues_that_never_come_are_refused_with_those_that_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sudoku_distinct, "_PATIENCE", 10)
    monkeypatch.setattr(sudoku_distinct, "_FEWEST_DRAWS", 16)
    with pytest.raises(DatasetError, match=r"clues is 17, but the fewest .*; give 2\d") as error:
        made(SudokuSettings(clues=17, train=1, test=1), tmp_path / "set")
    assert error.value.field == "clues"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("side", 5),
        ("train", 0),
        ("test", -1),
        ("clues", 16),
        ("clues", 81),
        ("augmentations", -1),
        ("seed", -1),
    ],
)
def test_impossible_settings_are_refused(key: str, value: int) -> None:
    with pytest.raises(DatasetError, match=f"{key} is {value}; ") as error:
        SudokuSettings(**{key: value})
    assert error.value.field == key
