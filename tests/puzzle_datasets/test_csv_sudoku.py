import csv
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.sudoku import csv_source as sudoku_csv
from puzzle_datasets.kinds.sudoku import kernel as sudoku_kernel
from puzzle_datasets.kinds.sudoku import rules as sudoku
from puzzle_datasets.kinds.sudoku.csv_source import (
    SAMPLE_FOLDER,
    SudokuCsvSettings,
    SudokuExtremeSettings,
    SudokuSampleSettings,
    build_extreme,
    build_sample,
)
from puzzle_datasets.kinds.sudoku.rules import invariant
from puzzle_datasets.storage.schema import Manifest
from puzzle_datasets.storage.shards import Columns, read_rows
from puzzle_datasets.storage.writer import SetWriter

Row = dict[str, str]


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without numba a few puzzles are solved before the solver would be compiled."""
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr(sudoku_kernel, "compiled", sudoku_kernel.compiled.__wrapped__)


def sample(split: str, count: int) -> list[Row]:
    with (SAMPLE_FOLDER / f"{split}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))[-count:]


@pytest.fixture
def rows() -> dict[str, list[Row]]:
    return {"train": sample("train", 12), "test": sample("test", 8)}


def write(folder: Path, rows: dict[str, list[Row]]) -> SudokuExtremeSettings:
    folder.mkdir(exist_ok=True)
    for split, lines in rows.items():
        with (folder / f"{split}.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(lines[0]))
            writer.writeheader()
            writer.writerows(lines)
    return SudokuExtremeSettings(csv=str(folder))


def built(
    settings: SudokuCsvSettings, folder: Path, build: Callable[..., Manifest] = build_extreme
) -> Manifest:
    folder.mkdir()
    return build(settings, SetWriter(folder))


def pairs(folder: Path, split: str) -> Columns:
    groups = list(read_rows(folder / f"{split}-00000.parquet"))
    return {name: np.concatenate([group[name] for group in groups]) for name in groups[0]}


def questions(folder: Path, split: str = "train") -> list[str]:
    inputs = pairs(folder, split)["inputs"]
    return ["".join(".123456789"[token - 1] for token in grid) for grid in inputs]


def test_rows_become_pairs_in_their_order(rows: dict[str, list[Row]], tmp_path: Path) -> None:
    manifest = built(write(tmp_path / "csv", rows), tmp_path / "set")
    for split, first_group in (("train", 0), ("test", 12)):
        stored = pairs(tmp_path / "set", split)
        lines = rows[split]
        assert questions(tmp_path / "set", split) == [line["question"] for line in lines]
        assert stored["labels"].tolist() == [[int(d) + 1 for d in r["answer"]] for r in lines]
        assert stored["rating"].tolist() == [np.float32(line["rating"]) for line in lines]
        assert stored["clues"].tolist() == [81 - r["question"].count(".") for r in lines]
        assert stored["group"].tolist() == list(range(first_group, first_group + len(lines)))
        assert stored["puzzle"].tolist() == list(range(len(lines)))
        assert not stored["puzzle_identifier"].any()
    assert manifest.counts == {"groups": 20, "train_pairs": 12, "test_pairs": 8, "identities": 0}
    assert (manifest.vocab_size, manifest.seq_len, manifest.box) == (11, 81, (3, 3))
    assert manifest.tokens["1"] == "blank"


def test_statistics_are_those_of_the_rows(rows: dict[str, list[Row]], tmp_path: Path) -> None:
    figures = built(write(tmp_path / "csv", rows), tmp_path / "set").statistics
    ratings = [float(row["rating"]) for row in rows["train"]]
    assert figures["train_rating_mean"] == pytest.approx(np.mean(ratings), abs=1e-3)
    assert figures["train_rating_max"] == pytest.approx(max(ratings), abs=1e-3)
    assert figures["test_clues_min"] == min(81 - r["question"].count(".") for r in rows["test"])
    hard = sum(row["source"] == "hard" for row in rows["train"])
    assert (figures["train_rows_hard"], figures["train_solved_anew"]) == (hard, 12)
    assert figures["dropped_train"] == 0


def test_the_place_of_the_files_changes_no_byte(
    rows: dict[str, list[Row]], tmp_path: Path
) -> None:
    for place in ("here", "there"):
        built(write(tmp_path / place, rows), tmp_path / f"set_{place}")
    here, there = (
        {file.name: file.read_bytes() for file in (tmp_path / f"set_{place}").iterdir()}
        for place in ("here", "there")
    )
    assert here == there


def test_a_subsample_is_seeded_and_keeps_the_order(
    rows: dict[str, list[Row]], tmp_path: Path
) -> None:
    base = replace(write(tmp_path / "csv", rows), subsample=5, test_subsample=3)
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        built(replace(base, seed=seed), tmp_path / name)
    drawn = {name: questions(tmp_path / name) for name in ("one", "again", "other")}
    assert drawn["one"] == drawn["again"] != drawn["other"]
    assert len(questions(tmp_path / "one", "test")) == 3
    kept = set(drawn["one"])
    assert drawn["one"] == [r["question"] for r in rows["train"] if r["question"] in kept]
    assert len(kept) == 5


def test_low_ratings_are_left_out_of_both_splits(
    rows: dict[str, list[Row]], tmp_path: Path
) -> None:
    built(replace(write(tmp_path / "csv", rows), min_rating=20.0), tmp_path / "set")
    for split, lines in rows.items():
        hard = [line["question"] for line in lines if float(line["rating"]) >= 20]
        assert 0 < len(hard) < len(lines)
        assert questions(tmp_path / "set", split) == hard


def disguised(row: Row) -> Row:
    """Return the same problem: transposed, two rows of a band exchanged, digits renamed."""
    rename = str.maketrans("123456789", "592831467")

    def turned(text: str) -> str:
        grid = np.array(list(text)).reshape(9, 9).T[[1, 0, *range(2, 9)]]
        return "".join(grid.ravel()).translate(rename)

    return {**row, "question": turned(row["question"]), "answer": turned(row["answer"])}


def test_a_test_puzzle_in_disguise_is_dropped_from_training(
    rows: dict[str, list[Row]], tmp_path: Path
) -> None:
    kept = [row["question"] for row in rows["train"]]
    rows["train"][7:7] = [disguised(rows["test"][3])]
    manifest = built(write(tmp_path / "csv", rows), tmp_path / "set")
    assert manifest.statistics["dropped_train"] == 1
    assert questions(tmp_path / "set") == kept
    assert len(questions(tmp_path / "set", "test")) == len(rows["test"])


def test_training_rows_that_are_all_test_rows_are_refused(
    rows: dict[str, list[Row]], tmp_path: Path
) -> None:
    rows["train"] = [disguised(row) for row in rows["test"]]
    with pytest.raises(DatasetError, match=r"train\.csv has no row that is not also a test"):
        built(write(tmp_path / "csv", rows), tmp_path / "set")


def with_second_solution(row: Row) -> Row:
    """Blank clues until nothing determines the puzzle."""
    return {**row, "question": "." * 60 + row["question"][60:]}


@pytest.mark.parametrize("split", ["train", "test"])
def test_two_solutions_are_refused_by_line(
    split: str, rows: dict[str, list[Row]], tmp_path: Path
) -> None:
    rows[split][4] = with_second_solution(rows[split][4])
    refusal = rf"{split}\.csv has a fault in line 6: the puzzle has more than one solution; mend"
    with pytest.raises(DatasetError, match=refusal):
        built(write(tmp_path / "csv", rows), tmp_path / "set")
    assert not (tmp_path / "set" / "manifest.json").exists()


def test_a_large_file_is_solved_anew_in_part(
    rows: dict[str, list[Row]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sudoku_csv, "FORMAT", replace(sudoku_csv.FORMAT, most_deep_checks=4))
    settings = write(tmp_path / "csv", rows)
    assert built(settings, tmp_path / "set").statistics["train_solved_anew"] == 4
    rows["train"] = [with_second_solution(row) for row in rows["train"]]
    with pytest.raises(DatasetError, match="more than one solution"):
        built(write(tmp_path / "csv", rows), tmp_path / "other")


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (lambda q, a: (q, "1" * 81), "line 3: row 1 of the solution lacks digit"),
        (lambda q, a: (q, a[9:18] + a[:9] + a[18:]), "line 3: the clue . at row 1, column"),
        (lambda q, a: (q[:80], a), "line 3: question has 80 characters in place of 81; write all"),
        (lambda q, a: (q, "." + a[1:]), r"line 3: answer has the unknown character '\.'"),
    ],
)
def test_bad_rows_are_refused_by_line(
    change: Callable[[str, str], tuple[str, str]],
    refusal: str,
    rows: dict[str, list[Row]],
    tmp_path: Path,
) -> None:
    row = rows["train"][1]
    row["question"], row["answer"] = change(row["question"], row["answer"])
    with pytest.raises(DatasetError, match=refusal):
        built(write(tmp_path / "csv", rows), tmp_path / "set")


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"subsample": 13}, r"subsample is 13 but .*train\.csv has 12 such rows; give at most 12"),
        ({"test_subsample": 9}, "test_subsample is 9 but"),
        ({"min_rating": 1e4}, r"min_rating is 10000\.0 but the highest in .*test\.csv is"),
        ({"csv": "nowhere"}, r"csv is nowhere, where there is no train\.csv; give a folder"),
    ],
)
def test_settings_that_the_files_do_not_meet_are_refused(
    values: dict[str, Any], refusal: str, rows: dict[str, list[Row]], tmp_path: Path
) -> None:
    settings = replace(write(tmp_path / "csv", rows), **values)
    with pytest.raises(DatasetError, match=refusal) as refused:
        built(settings, tmp_path / "set")
    assert refused.value.field == next(iter(values))


@pytest.mark.parametrize(
    "values", [{"subsample": 0}, {"test_subsample": 0}, {"seed": -1}, {"augmentations": -1}]
)
def test_impossible_settings_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(DatasetError, match=f"{next(iter(values))} is"):
        SudokuSampleSettings(**values)


@pytest.mark.parametrize(
    ("augmentations", "mode"), [("fresh", "fresh"), (0, "stored"), (3, "table")]
)
def test_the_sample_builds(
    augmentations: int | Literal["fresh"], mode: str, tmp_path: Path
) -> None:
    settings = SudokuSampleSettings(subsample=6, test_subsample=4, augmentations=augmentations)
    manifest = built(settings, tmp_path / "set", build_sample)
    assert manifest.name == "sudoku-hard-sample"
    assert manifest.augmentation == mode
    assert manifest.counts["train_pairs"] == 6


def test_the_sample_is_what_its_page_says() -> None:
    grids = {}
    for split in ("train", "test"):
        lines = sample(split, 1000)
        text = [[*line["question"], *line["answer"]] for line in lines]
        tokens = np.where(np.array(text) == ".", "0", text).astype(np.uint8) + np.uint8(1)
        assert sudoku.find_fault(tokens[:, :81], tokens[:, 81:], 9) is None
        assert len({line["answer"] for line in lines}) == 1000
        assert sum(line["source"] == "hard" for line in lines) == 730
        grids[split] = tokens[:, :81]
    train, test = (invariant(inputs, 9) for inputs in grids.values())
    assert not np.intersect1d(train, test).size
