"""Every invariant of a set, damaged by itself with the hash put right, is refused by name."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from puzzle_datasets.commands.prepare import prepare, verify_all
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.maze import rules as maze
from puzzle_datasets.kinds.maze.source import MazeSettings
from puzzle_datasets.kinds.sudoku import kernel as sudoku_kernel
from puzzle_datasets.kinds.sudoku import kind as sudoku_checks
from puzzle_datasets.kinds.sudoku import solver as sudoku_search
from puzzle_datasets.kinds.sudoku.source import SudokuSettings
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import GROUP_FILE, IDENTITY_FILE, MANIFEST_FILE
from puzzle_datasets.storage.shards import (
    Columns,
    file_hash,
    shard_file,
    to_columns,
    to_table,
    write_shard,
)

Change = Callable[[Columns], Any]
TRAIN, TEST = shard_file("train"), shard_file("test")


@pytest.fixture(scope="module", autouse=True)
def uncompiled() -> Any:
    """So few puzzles are solved before the kernels would be compiled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sudoku_kernel, "compiled", lambda: sudoku_search)
        yield


@pytest.fixture(scope="module")
def sudoku_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = SudokuSettings(side=4, train=6, test=3, clues=6)
    return prepare("sudoku", settings, tmp_path_factory.mktemp("sets"))


@pytest.fixture(scope="module")
def maze_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = MazeSettings(side=7, family="random-walls", train=6, test=3, min_length=6)
    return prepare("maze", settings, tmp_path_factory.mktemp("sets"))


def copy_of(folder: Path, into: Path) -> Path:
    return Path(shutil.copytree(folder, into / "set"))


def change_manifest(folder: Path, **values: Any) -> None:
    file = folder / MANIFEST_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def rewrite(folder: Path, file: str, table: pa.Table) -> None:
    """Write a table in place of another, and its hash into the manifest."""
    write_shard(table, folder / file)
    files = json.loads((folder / MANIFEST_FILE).read_text())["files"]
    change_manifest(folder, files=files | {file: file_hash(folder / file)})


def columns_of(folder: Path, file: str) -> Columns:
    batch = pq.read_table(folder / file).combine_chunks().to_batches()[0]
    return {name: values.copy() for name, values in to_columns(batch).items()}


def damage(folder: Path, file: str, change: Change) -> None:
    columns = columns_of(folder, file)
    change(columns)
    rewrite(folder, file, to_table(columns))


def put(column: str, row: int, value: Any) -> Change:
    """Return a change of one row of a column, or of one token of it if the value is a pair."""

    def change(columns: Columns) -> None:
        if isinstance(value, tuple):
            columns[column][row, value[0]] = value[1]
        else:
            columns[column][row] = value

    return change


def refusal(folder: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        list(verify_all(folder))
    message = str(caught.value)
    assert message.startswith(f"{folder}/")
    assert f"delete {folder}" in message
    return message


@pytest.mark.parametrize("kind", ["small_folder", "sudoku_folder", "maze_folder"])
def test_a_sound_set_passes_every_check(kind: str, request: pytest.FixtureRequest) -> None:
    passed = [line.partition(":")[0] for line in verify_all(request.getfixturevalue(kind))]
    assert passed[0] == "hashes"
    assert "sharing" in passed
    assert len(set(passed)) == len(passed) >= 9


def test_a_changed_byte_is_refused_by_the_hash(sudoku_folder: Path, tmp_path: Path) -> None:
    folder = copy_of(sudoku_folder, tmp_path)
    content = bytearray((folder / TEST).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / TEST).write_bytes(content)
    assert f"{TEST} is damaged" in refusal(folder)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"seq_len": 17}, "seq_len 17 of a grid of 4 by 4"),
        ({"num_puzzle_identifiers": 5}, "says 5 identifiers of 0 identities"),
        ({"box": [4, 1]}, r"box \(4, 1\) of a sudoku grid"),
        ({"vocab_size": 7}, "explains other tokens than 0 to 6"),
        ({"counts": {"groups": 9}}, "has counts other than"),
        (
            {"counts": {"groups": 10, "identities": 0, "test_pairs": 3, "train_pairs": 6}},
            "counts 10 groups of 9 pairs",
        ),
        ({"augmentation": "stored"}, "is augmented stored, unlike its settings"),
        ({"settings": {"side": 9, "augmentations": "fresh"}}, "says .*, but its settings come to"),
        ({"statistics": {f"figure_{n}": 1.0 for n in range(1_001)}}, "has 1001 statistics"),
        ({"settings": {f"setting_{n}": 1 for n in range(1_001)}}, "has 1001 statistics or set"),
        ({"licence": "x" * 1_001}, "has a text of over 1000 characters"),
        ({"statistics": {"x" * 1_001: 1.0}}, "has a text of over 1000 characters"),
        ({"seq_len": 25, "grid": [5, 5]}, "a sudoku grid|no such set has|come to"),
        ({"settings": {"side": "four"}}, "has settings.side that no such set has"),
        ({"settings": {"sides": 4}}, "has settings.sides that no such set has"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    values: dict[str, Any], said: str, sudoku_folder: Path, tmp_path: Path
) -> None:
    folder = copy_of(sudoku_folder, tmp_path)
    change_manifest(folder, **values)
    with pytest.raises(DatasetError, match=f"{MANIFEST_FILE} .*{said}"):
        list(verify_all(folder))


def test_wrong_counts_are_refused(sudoku_folder: Path, tmp_path: Path) -> None:
    folder = copy_of(sudoku_folder, tmp_path)
    counts = json.loads((folder / MANIFEST_FILE).read_text())["counts"]
    change_manifest(folder, counts=counts | {"train_pairs": 7})
    assert "says train 7, but its settings come to 6" in refusal(folder)
    change_manifest(folder, name="own", settings={})
    assert "promises 7 train pairs, not 6" in refusal(folder)


def test_a_group_without_a_row_is_refused(sudoku_folder: Path, tmp_path: Path) -> None:
    folder = copy_of(sudoku_folder, tmp_path)

    def put_last_two_together(columns: Columns) -> None:
        columns["group"][2] = columns["group"][1]

    damage(folder, TEST, put_last_two_together)
    for look in (PuzzleDataset.open, lambda given: list(verify_all(given))):
        with pytest.raises(DatasetError, match="counts group 8, which has no row"):
            look(folder)


def test_an_unnamed_file_is_refused(sudoku_folder: Path, tmp_path: Path) -> None:
    folder = copy_of(sudoku_folder, tmp_path)
    rewrite(folder, GROUP_FILE, pa.table({"group": pa.array([0])}))
    assert "names other files" in refusal(folder)


def test_missing_and_mistyped_columns_are_refused(sudoku_folder: Path, tmp_path: Path) -> None:
    folder = copy_of(sudoku_folder, tmp_path)
    table = pq.read_table(folder / TRAIN)
    rewrite(folder, TRAIN, table.drop_columns(["clues"]))
    assert f"{TRAIN} lacks the column clues" in refusal(folder)
    at = table.column_names.index("group")
    rewrite(folder, TRAIN, table.set_column(at, "group", table.column("group").cast(pa.int64())))
    assert f"{TRAIN} has group as int64, not int32" in refusal(folder)


@pytest.mark.parametrize(
    ("file", "change", "row", "said"),
    [
        (TEST, put("inputs", 1, (5, 6)), 1, "a token of its input is not in the vocabulary"),
        (TEST, put("labels", 2, (0, 99)), 2, "a token of its label is not in the vocabulary"),
        (TRAIN, put("group", 3, 1), 3, "its group comes before"),
        (TEST, put("group", 2, 9), 2, "its group is beyond those counted"),
        (TRAIN, put("puzzle", 2, 3), 2, "its puzzle is neither"),
        (TRAIN, put("puzzle", 0, 1), 0, "its puzzle is neither"),
        (TRAIN, put("puzzle", slice(1, None), range(5)), 1, "its group is not that of its puzzle"),
        (TRAIN, put("puzzle_identifier", 4, 1), 4, "its identifier is none of the set"),
        (TRAIN, put("clues", 4, 5), 4, "its clues are not as many"),
        (TEST, put("labels", 0, (slice(0, 4), [2, 2, 2, 2])), 0, "row 1 of the solution lacks"),
    ],
)
def test_faulty_rows_are_refused(
    file: str, change: Change, row: int, said: str, sudoku_folder: Path, tmp_path: Path
) -> None:
    folder = copy_of(sudoku_folder, tmp_path)
    damage(folder, file, change)
    assert f"{file} has a fault in row {row} (from 0): {said}" in refusal(folder)


def test_a_puzzle_with_two_solutions_is_refused(sudoku_folder: Path, tmp_path: Path) -> None:
    def take_away_two_digits(columns: Columns) -> None:
        labels = columns["labels"][2]
        columns["inputs"][2] = np.where(labels <= 3, 1, labels)
        columns["clues"][2] = 8

    folder = copy_of(sudoku_folder, tmp_path)
    damage(folder, TRAIN, take_away_two_digits)
    assert f"{TRAIN} has a fault in row 2 (from 0): its puzzle has more" in refusal(folder)


def test_many_puzzles_are_solved_by_sample(
    sudoku_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sudoku_checks, "MOST_SOLVED_ANEW", 2)
    lines = "\n".join(verify_all(sudoku_folder))
    assert "train uniqueness: 2 of 6" in lines
    assert "test uniqueness: 2 of 3" in lines


def copy_puzzle(source: Columns, into: Columns, transform: Callable[[Any], Any]) -> None:
    """Replace the first row's puzzle and solution by the source's last, transformed."""
    for name in source:
        if name in ("inputs", "labels"):
            side = int(source[name].shape[1] ** 0.5)
            into[name][0] = transform(source[name][-1].reshape(side, side)).ravel()
        elif name not in ("group", "puzzle", "puzzle_identifier"):
            into[name][0] = source[name][-1]


@pytest.mark.parametrize("kind", ["sudoku", "maze"])
def test_a_shared_puzzle_is_refused_unless_published_so(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = copy_of(request.getfixturevalue(f"{kind}_folder"), tmp_path)
    train = columns_of(folder, TRAIN)
    damage(folder, TEST, lambda test: copy_puzzle(train, test, np.transpose))
    assert (
        f"{TEST} has a fault in row 0 (from 0): its puzzle is that of row 5 of {TRAIN}"
    ) in refusal(folder)
    change_manifest(folder, name="official", augmentation="stored")
    assert any("sharing: 1 of 3" in line for line in verify_all(folder))


def detour(columns: Columns) -> None:
    """Give the first maze a long way round an open square, next to the short one."""
    text = "Soo....", "o.o....", "G.o....", "o.o....", "ooo....", ".......", "......."
    tokens = np.array([[".SGo".index(letter) for letter in row] for row in text], np.uint8)
    label = np.array([maze.OPEN, maze.START, maze.GOAL, maze.PATH], np.uint8)[tokens].ravel()
    label[7] = maze.OPEN
    columns["labels"][0] = label
    columns["inputs"][0] = np.where(label == maze.PATH, maze.OPEN, label)
    columns["length"][0], columns["n_shortest"][0] = 2, 1


def test_labels_longer_than_need_be_have_to_be_counted(maze_folder: Path, tmp_path: Path) -> None:
    folder = copy_of(maze_folder, tmp_path)
    damage(folder, TRAIN, detour)
    assert "counts 0 train labels that are not shortest, not 1" in refusal(folder)
    change_manifest(folder, statistics={"train_labels_not_shortest": 1})
    assert "train rules: 6 labels hold a path from S to G, 5 shortest ones" in list(
        verify_all(folder)
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: put("labels", 1, (c["labels"][1] == maze.PATH, maze.OPEN))(c), "connect"),
        (put("length", 1, 50), "its length"),
        (put("n_shortest", 1, 1e9), "its shortest paths"),
    ],
)
def test_faulty_mazes_are_refused(
    change: Change, said: str, maze_folder: Path, tmp_path: Path
) -> None:
    folder = copy_of(maze_folder, tmp_path)
    damage(folder, TEST, change)
    message = refusal(folder)
    assert f"{TEST} has a fault in row 1 (from 0): " in message
    assert said in message


def shift(columns: Columns) -> None:
    """Move the first input that has room a row down, its border with it."""
    row = int((columns["h_in"] < 5).argmax())
    columns["inputs"][row] = np.roll(columns["inputs"][row], 6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("inputs", 1, (0, 0)), "its input is no full rectangle"),
        (put("h_out", 1, 5), "its label is no full rectangle"),
        (shift, "its input does not lie in the corner"),
        (lambda c: c["labels"].__setitem__(c["labels"] == 1, 0), "wrong end-of-sequence border"),
        (put("puzzle_identifier", slice(None), 3), "its identifier is of another group"),
    ],
)
def test_faulty_arc_rows_are_refused(
    change: Change, said: str, small_folder: Path, tmp_path: Path
) -> None:
    folder = copy_of(small_folder, tmp_path)
    damage(folder, TEST, change)
    message = refusal(folder)
    assert f"{TEST} has a fault in row" in message
    assert said in message
    assert said in refusal_at_opening(folder)


def refusal_at_opening(folder: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        PuzzleDataset.open(folder)
    return str(caught.value)


def blank_all(columns: Columns) -> None:
    columns["inputs"][:] = 1
    columns["clues"][:] = 0


def swap(columns: Columns) -> None:
    columns["inputs"], columns["labels"] = columns["labels"], columns["inputs"]


@pytest.mark.parametrize("file", [TRAIN, TEST])
@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("sudoku", lambda c: c["labels"].__setitem__(slice(None), 2), "the solution"),
        ("sudoku", lambda c: c["labels"].__setitem__(0, c["inputs"][0]), "the solution has token"),
        ("sudoku", swap, "the solution has token"),
        ("sudoku", blank_all, "its clues are too few"),
        ("sudoku", put("clues", 1, 3), "row 1 (from 0): its clues are not as many"),
        ("maze", lambda c: c["labels"].__setitem__(slice(None), c["inputs"]), "do not connect"),
        ("maze", swap, "its maze holds tokens other than"),
        ("maze", put("length", 2, 40), "row 2 (from 0): its length is not"),
    ],
)
def test_what_breaks_the_rules_is_refused_at_opening(
    kind: str,
    change: Change,
    said: str,
    file: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    folder = copy_of(request.getfixturevalue(f"{kind}_folder"), tmp_path)
    damage(folder, file, change)
    message = refusal_at_opening(folder)
    assert said in message
    assert "delete" in message
    if file == TRAIN:
        assert said in refusal(folder)


def test_of_many_rows_evenly_spread_ones_are_proven_at_opening(
    sudoku_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("puzzle_datasets.storage.dataset.MOST_PROVEN", 3 * 16)
    folder = copy_of(sudoku_folder, tmp_path)
    damage(folder, TRAIN, put("clues", 1, 3))  # rows 0, 2 and 5 are looked at
    assert PuzzleDataset.open(folder).train.inputs.shape == (6, 16)
    damage(folder, TRAIN, put("clues", 5, 3))
    assert "train row 5 (from 0)" in refusal_at_opening(folder)


def test_rows_of_too_many_cells_are_proven_by_verify_alone(
    sudoku_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("puzzle_datasets.storage.dataset.LARGEST_PROVEN", 15)
    folder = copy_of(sudoku_folder, tmp_path)
    damage(folder, TRAIN, put("clues", 5, 3))
    assert PuzzleDataset.open(folder).train.inputs.shape == (6, 16)
    with pytest.raises(DatasetError, match="row 5"):
        list(verify_all(folder))


def repeat_recipe(columns: Columns) -> None:
    columns["dihedral"][2] = columns["dihedral"][1]
    columns["colours"][2] = columns["colours"][1]


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (IDENTITY_FILE, put("dihedral", 1, 8), "row 1 (from 0): its dihedral transform is none"),
        (IDENTITY_FILE, put("colours", 1, (3, 10)), "row 1 (from 0): its colours are no perm"),
        (IDENTITY_FILE, put("colours", 1, ([0, 1], [1, 0])), "row 1 (from 0): its colours"),
        (IDENTITY_FILE, put("dihedral", 0, 1), "row 0 (from 0): it is the first of its group"),
        (IDENTITY_FILE, put("group", 1, 2), "row 1 (from 0): its group is neither"),
        (IDENTITY_FILE, repeat_recipe, "row 2 (from 0): its recipe is that of an earlier"),
        (IDENTITY_FILE, put("identifier", 5, 5), "does not count identifier from 1"),
        (GROUP_FILE, put("group", 5, 5 + 1), "does not count group from 0"),
        (GROUP_FILE, lambda c: c["name"].__setitem__(1, c["name"][0]), "two groups one name"),
    ],
)
def test_faulty_arc_tables_are_refused(
    file: str, change: Change, said: str, small_folder: Path, tmp_path: Path
) -> None:
    folder = copy_of(small_folder, tmp_path)
    damage(folder, file, change)
    message = refusal(folder)
    assert file in message
    assert said in message


def test_short_and_mistyped_tables_are_refused(small_folder: Path, tmp_path: Path) -> None:
    folder = copy_of(small_folder, tmp_path)
    table = pq.read_table(folder / GROUP_FILE)
    rewrite(folder, GROUP_FILE, table.slice(0, 9))
    assert f"{GROUP_FILE} has 9 rows, not {len(table)}" in refusal(folder)
    rewrite(folder, GROUP_FILE, table.drop_columns(["name"]))
    assert f"{GROUP_FILE} lacks the column name" in refusal(folder)


def test_identities_that_come_out_the_same_are_refused(small_folder: Path, tmp_path: Path) -> None:
    """Recolour, in the second identity of every task, two colours that the task does not have."""
    folder = copy_of(small_folder, tmp_path)
    rows = [columns_of(folder, file) for file in (TRAIN, TEST)]

    def recolour(columns: Columns) -> None:
        for second in np.flatnonzero(np.diff(columns["group"], prepend=-1)) + 1:
            pairs = [
                split[name][split["group"] == columns["group"][second]]
                for split in rows
                for name in ("inputs", "labels")
            ]
            tokens = np.unique(np.concatenate([tokens.ravel() for tokens in pairs]))
            absent = np.setdiff1d(np.arange(3, 12), tokens)[:2] - 2
            if len(absent) == 2:
                columns["dihedral"][second] = 0
                columns["colours"][second] = np.arange(10)
                columns["colours"][second, absent] = absent[::-1]

    damage(folder, IDENTITY_FILE, recolour)
    assert "its task comes out as under row" in refusal(folder)


def test_arc_pairs_of_other_tasks_are_counted(small_folder: Path, tmp_path: Path) -> None:
    """Put a training pair, and then its mirror image, in place of another task's test pair."""
    folder = copy_of(small_folder, tmp_path)
    train = columns_of(folder, TRAIN)
    square = np.flatnonzero((train["h_in"] == 6) & (train["h_out"] == 6) & (train["w_in"] == 6))
    row = next(r for r in square if train["w_out"][r] == 6)
    pair = {name: train[name][row].reshape(6, 6) for name in ("inputs", "labels")}

    def plant(columns: Columns, transform: Callable[[Any], Any]) -> None:
        at = int((columns["group"] != train["group"][row]).argmax())
        for name, grid in pair.items():
            columns[name][at] = transform(grid).ravel()
        for size in ("h_in", "w_in", "h_out", "w_out"):
            columns[size][at] = 6

    for transform, exact in ((np.array, 1), (np.transpose, 0)):
        damage(folder, TEST, lambda columns, t=transform: plant(columns, t))
        last = list(verify_all(folder))[-1]
        assert last.startswith(f"sharing: {exact} of 69 test pairs equal")
        assert "1 do up to rotation" in last
