"""However a set is damaged, with its hashes put right, opening it is a refusal or a sound set."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from puzzle_datasets.commands.prepare import prepare, verify_all
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.maze.source import MazeSettings
from puzzle_datasets.storage import dataset, structure
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import GROUP_FILE, IDENTITY_FILE, MANIFEST_FILE
from puzzle_datasets.storage.shards import file_hash, shard_file, write_shard

TRAIN, TEST = shard_file("train"), shard_file("test")
in_one_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def maze_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare("maze", MazeSettings(side=5, train=6, test=3), tmp_path_factory.mktemp("mazes"))


@pytest.fixture
def arc_set(small_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_folder, tmp_path / "home" / "set"))


@pytest.fixture
def maze_set(maze_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(maze_folder, tmp_path / "home" / "set"))


def change_manifest(folder: Path, **values: Any) -> None:
    file = folder / MANIFEST_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def rehash(folder: Path, file: str) -> None:
    files = json.loads((folder / MANIFEST_FILE).read_text())["files"]
    change_manifest(folder, files=files | {file: file_hash(folder / file)})


def rewrite(folder: Path, file: str, change: Callable[[pa.Table], pa.Table]) -> None:
    write_shard(change(pq.read_table(folder / file)), folder / file)
    rehash(folder, file)


def with_column(name: str, values: Any) -> Callable[[pa.Table], pa.Table]:
    """A change that sets or adds a column, to one value or many."""

    def change(table: pa.Table) -> pa.Table:
        kind = table.schema.field(name).type if name in table.column_names else pa.int32()
        listed = values if isinstance(values, list) else [values] * len(table)
        column = pa.array(listed, kind)
        if name in table.column_names:
            return table.set_column(table.column_names.index(name), name, column)
        return table.append_column(name, column)

    return change


def refused(folder: Path) -> str:
    """What opening a set and verifying it say, which is one sentence each."""
    with pytest.raises(DatasetError) as opened:
        PuzzleDataset.open(folder)
    with pytest.raises(DatasetError) as verified:
        list(verify_all(folder))
    assert str(folder) in str(verified.value)
    assert "\n" not in str(opened.value)
    return str(opened.value)


@pytest.mark.parametrize("name", ["../../../evil", "/tmp/evil", "extra"])
def test_columns_of_no_kind_are_refused_and_nothing_is_written(
    name: str, maze_set: Path, tmp_path: Path
) -> None:
    rewrite(maze_set, TRAIN, with_column(name, 1))
    before = set(tmp_path.rglob("*"))
    assert f"{TRAIN} has a column {name!r}, which its kind does not" in refused(maze_set)
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (TRAIN, lambda table: table.slice(0, 0), "manifest.json promises 6 train pairs, not 0"),
        (TRAIN, lambda table: table.drop_columns("length"), "lacks the column length"),
        (TRAIN, lambda table: table.drop_columns("inputs"), "lacks the column inputs"),
        (TRAIN, with_column("inputs", b"\xff" * 25), "a token of its input is not in the"),
        (TEST, with_column("labels", b"\xff" * 25), "a token of its label is not in the"),
        (TRAIN, with_column("group", -1), "its group"),
        (TRAIN, with_column("group", 10**6), "its group is beyond those counted"),
        (TRAIN, with_column("puzzle_identifier", 7), "its identifier is none of the set"),
        (TEST, with_column("puzzle", None), "lacks values in some rows"),
    ],
)
def test_a_shard_is_refused_for_its_content(
    file: str, change: Callable[[pa.Table], pa.Table], said: str, maze_set: Path
) -> None:
    rewrite(maze_set, file, change)
    assert said in refused(maze_set)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (IDENTITY_FILE, with_column("dihedral", 9), "its dihedral transform is none"),
        (IDENTITY_FILE, with_column("colours", b"\0" * 10), "its colours are no permutation"),
        (IDENTITY_FILE, with_column("group", 10**6), "its group is none of the set"),
        (IDENTITY_FILE, lambda table: table.slice(1), "rows, not"),
        (GROUP_FILE, with_column("name", None), "lacks values in some rows"),
        (GROUP_FILE, lambda table: table.slice(1), "rows, not"),
        (TRAIN, with_column("h_in", 200), "its h_in is not from 1 to"),
    ],
)
def test_a_table_is_refused_for_its_content(
    file: str, change: Callable[[pa.Table], pa.Table], said: str, arc_set: Path
) -> None:
    rewrite(arc_set, file, change)
    assert said in refused(arc_set)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"box": [0, 0]}, "has 0 as box[0]"),
        ({"box": [1, 1]}, "says box (1, 1) of a maze grid"),
        ({"kind": "chess"}, "kind is 'chess'; choose from"),
        ({"counts": {"groups": 9, "train_pairs": 6, "test_pairs": 3, "identities": 5}}, "5 ident"),
        ({"vocab_size": 10**9}, "says vocab_size 1000000000"),
    ],
)
def test_a_manifest_is_refused_for_its_content(
    values: dict[str, Any], said: str, maze_set: Path
) -> None:
    change_manifest(maze_set, **values)
    with pytest.raises(DatasetError) as caught:
        PuzzleDataset.open(maze_set)
    assert said in str(caught.value)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("file", [MANIFEST_FILE, TRAIN])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), os.mkdir])
def test_what_is_no_regular_file_is_refused(
    file: str, make: Callable[[Path], object], maze_set: Path
) -> None:
    (maze_set / file).unlink()
    make(maze_set / file)
    assert f"{file} is no regular file" in refused(maze_set)


def test_a_shard_that_unpacks_without_bounds_is_refused(
    maze_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(structure, "SMALL", 0)
    monkeypatch.setattr(structure, "MOST_UNPACKED", 100)

    def blown_up(table: pa.Table) -> pa.Table:
        return pa.table(
            {name: pa.repeat(table[name][0], 3_000_000) for name in table.column_names}
        )

    rewrite(maze_set, TRAIN, blown_up)
    assert "would unpack to 150,000,000 bytes of tokens" in refused(maze_set)


def unread(table: pa.Table) -> pa.Table:
    """The table with a column that nobody reads."""
    return table.append_column("more", pa.array([1] * len(table)))


def swollen(table: pa.Table) -> pa.Table:
    """The table with one long name, which takes little room however often it is there."""
    return table.set_column(1, "name", pa.array(["x" * 10_000_000] * len(table)))


def repeated(table: pa.Table) -> pa.Table:
    columns = {name: pa.repeat(table[name][0], 3_000_000) for name in table.column_names}
    return pa.table(columns, schema=table.schema)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (IDENTITY_FILE, repeated, "has 3000000 rows, not"),
        (GROUP_FILE, repeated, "has 3000000 rows, not"),
        (IDENTITY_FILE, unread, "has a column 'more', which its kind does not"),
        (GROUP_FILE, unread, "has a column 'more', which its kind does not"),
        (IDENTITY_FILE, with_column("name", 5), "has a column 'name', which its kind does not"),
        (GROUP_FILE, swollen, "holds texts too long for names"),
    ],
)
def test_a_table_beside_the_shards_is_judged_before_it_is_read(
    file: str, change: Callable[[pa.Table], pa.Table], said: str, arc_set: Path
) -> None:
    rewrite(arc_set, file, change)
    assert said in refused(arc_set)


def test_a_set_that_neither_disk_nor_memory_holds_is_refused(
    maze_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(dataset, "make_folder", refuse)
    assert len(PuzzleDataset.open(maze_set).train) == 6
    monkeypatch.setattr(dataset, "memory", lambda: 899)
    with pytest.raises(DatasetError, match="takes 900 B of memory, which this machine has not"):
        PuzzleDataset.open(maze_set)


def archive(path: Path) -> None:
    with path.open("wb") as stream:
        np.savez(stream, a=np.ones(3))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("make", [os.mkfifo, archive])
def test_a_decoded_copy_that_holds_no_array_is_made_again(
    make: Callable[[Path], object], maze_set: Path
) -> None:
    before = PuzzleDataset.open(maze_set).train.inputs.clone()
    [file] = maze_set.parent.glob(".decoded/*/train/inputs.npy")
    file.unlink()
    make(file)
    assert PuzzleDataset.open(maze_set).train.inputs.equal(before)


@pytest.mark.parametrize(
    "spoilt",
    [
        np.zeros((6, 24), np.uint8),
        np.full((6, 25), 255, np.uint8),
        np.zeros((6, 25), np.float64),
        np.array([{}] * 6, object),
        np.zeros((5, 25), np.uint8),
    ],
    ids=["width", "tokens", "type", "objects", "rows"],
)
def test_a_decoded_copy_of_other_content_is_made_again(spoilt: np.ndarray, maze_set: Path) -> None:
    before = PuzzleDataset.open(maze_set).train.inputs.clone()
    [file] = maze_set.parent.glob(".decoded/*/train/inputs.npy")
    file.unlink()
    np.save(file, spoilt, allow_pickle=True)
    assert PuzzleDataset.open(maze_set).train.inputs.equal(before)


@in_one_folder
@given(data=st.data())
def test_any_bytes_in_place_of_a_file_are_a_refusal_or_a_sound_set(
    maze_folder: Path,
    small_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
) -> None:
    name = data.draw(st.sampled_from([TRAIN, TEST, IDENTITY_FILE, GROUP_FILE]))
    whole = maze_folder if name in (TRAIN, TEST) else small_folder
    folder = Path(shutil.copytree(whole, tmp_path_factory.mktemp("home") / "set"))
    content = bytearray((folder / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(content))))
    (folder / name).write_bytes(content[:cut])
    rehash(folder, name)
    open_or_refuse(folder)


@in_one_folder
@given(data=st.data())
def test_any_bytes_in_a_decoded_copy_leave_the_set_sound(
    maze_folder: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = Path(shutil.copytree(maze_folder, tmp_path_factory.mktemp("home") / "set"))
    PuzzleDataset.open(folder)
    files = sorted(folder.parent.glob(".decoded/*/*/*.npy"))
    file = data.draw(st.sampled_from(files))
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.unlink()
    file.write_bytes(content[: data.draw(st.one_of(st.none(), st.integers(0, len(content))))])
    open_or_refuse(folder)


EXTREME = st.sampled_from(
    [-1, 0, 1, 2**31, 10**18, 10**4000, 0.5, 1e308, "", "../x", None, [], {}]
)


@in_one_folder
@given(data=st.data())
def test_any_value_in_a_manifest_is_a_refusal_or_a_sound_set(
    maze_folder: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = Path(shutil.copytree(maze_folder, tmp_path_factory.mktemp("home") / "set"))
    content = json.loads((folder / MANIFEST_FILE).read_text())
    key = data.draw(st.sampled_from(sorted(content)))
    if isinstance(content[key], dict) and data.draw(st.booleans()):
        inner = data.draw(st.sampled_from([*sorted(content[key]), "new"]))
        content[key][inner] = data.draw(EXTREME)
    else:
        content[key] = data.draw(EXTREME)
    (folder / MANIFEST_FILE).write_text(json.dumps(content))
    open_or_refuse(folder)


def open_or_refuse(folder: Path) -> None:
    try:
        dataset = PuzzleDataset.open(folder)
    except DatasetError as error:
        assert "\n" not in str(error)
        return
    assert len(dataset.train) == dataset.manifest.counts["train_pairs"]
    assert int(dataset.train.inputs.max()) < dataset.manifest.vocab_size


def test_a_set_whose_rows_can_not_be_read_is_refused(
    maze_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The header of a damaged shard may tell of rows that are not there."""

    def refuse(folder: Path, fill: Callable[[Path], object]) -> None:
        raise OSError("read-only")

    monkeypatch.setattr(dataset, "make_folder", refuse)
    monkeypatch.setattr(dataset, "read_rows", lambda path: iter(()))
    with pytest.raises(DatasetError, match="holds 0 of 6 train pairs"):
        PuzzleDataset.open(maze_set)
