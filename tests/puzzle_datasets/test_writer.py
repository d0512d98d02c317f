import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.maze.source import MazeSettings
from puzzle_datasets.storage import dataset as decoded
from puzzle_datasets.storage.dataset import PuzzleDataset, decoded_columns
from puzzle_datasets.storage.schema import Card, Manifest, Split
from puzzle_datasets.storage.shards import GROUPS_PER_SHARD, ROW_GROUP, verify
from puzzle_datasets.storage.writer import Rows, SetWriter

CARD = Card(
    name="numbers",
    kind="sudoku",
    settings={},
    source="these tests",
    licence="none",
    vocab_size=256,
    seq_len=4,
    grid=(2, 2),
    tokens={str(token): "" for token in range(256)},
    augmentation="stored",
    groups=1,
    statistics={},
)
SHARD = ROW_GROUP * GROUPS_PER_SHARD


def tokens(first: int, count: int) -> np.ndarray:
    return (
        np.arange(4 * first, 4 * (first + count), dtype=np.uint64).astype(np.uint8).reshape(-1, 4)
    )


def runs(count: int, chunk: int) -> Iterator[Rows]:
    for first in range(0, count, chunk):
        size = min(chunk, count - first)
        clues = np.arange(first, first + size).astype(np.uint8)
        yield Rows.singles(tokens(first, size), tokens(first + 1, size), first, first, clues=clues)


def write(folder: Path, *, train: int, test: int = 2, chunk: int = 1000) -> Manifest:
    folder.mkdir(parents=True)
    writer = SetWriter(folder)
    assert writer.write_split("train", runs(train, chunk)) == train
    assert writer.write_split("test", runs(test, chunk)) == test
    return writer.finish(replace(CARD, groups=max(train, test)))


def published_by_hand(folder: Path) -> Manifest:
    """A set of mazes as `puzzle_datasets build` leaves it, but of a name that no kind knows."""
    prepare("maze", MazeSettings(side=7, train=10, test=2), folder.parent).rename(folder)
    file = folder / "manifest.json"
    manifest = replace(Manifest.from_json(file.read_text()), name="own", settings={})
    file.write_text(manifest.to_json())
    return manifest


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_the_size_of_runs_does_not_show(tmp_path: Path) -> None:
    count = 2 * ROW_GROUP + 77
    for chunk in (5000, ROW_GROUP, 10**6):
        write(tmp_path / str(chunk), train=count, chunk=chunk)
    assert contents(tmp_path / "5000") == contents(tmp_path / str(ROW_GROUP))
    assert contents(tmp_path / "5000") == contents(tmp_path / str(10**6))


@pytest.mark.parametrize(
    ("count", "shards"), [(SHARD, 1), (SHARD + 1, 2), (2 * SHARD, 2), (ROW_GROUP, 1), (1, 1)]
)
def test_shards_have_one_size_and_keep_the_order(count: int, shards: int, tmp_path: Path) -> None:
    manifest = write(tmp_path / "set", train=count, chunk=50_000)
    assert len(manifest.shards("train")) == shards
    assert manifest.counts["train_pairs"] == count
    assert verify(tmp_path / "set") == manifest
    columns = decoded_columns(tmp_path / "set", manifest)["train"]
    assert np.array_equal(columns["inputs"], tokens(0, count))
    assert np.array_equal(columns["labels"], tokens(1, count))
    assert np.array_equal(columns["clues"], np.arange(count).astype(np.uint8))
    assert columns["group"].dtype == np.int32


@given(chunks=st.lists(st.integers(1, 30), min_size=1, max_size=5))
def test_progress_is_told(chunks: list[int]) -> None:
    told: list[tuple[Split, int]] = []
    count = sum(chunks)
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr("puzzle_datasets.storage.writer.ROW_GROUP", 8)
        writer = SetWriter(Path(folder), lambda split, pairs: told.append((split, pairs)))
        parts = (Rows.singles(tokens(0, n), tokens(0, n), 0, 0) for n in chunks)
        writer.write_split("test", parts)
    assert told[-1] == ("test", count)
    assert [pairs for _, pairs in told] == [*range(8, count, 8), count]


def test_a_set_without_training_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no train pair"):
        write(tmp_path / "set", train=0)


def test_one_decoded_copy_serves_all_readers(tmp_path: Path) -> None:
    published_by_hand(tmp_path / "set")
    one, other = (PuzzleDataset.open(tmp_path / "set") for _ in range(2))
    [copy] = [path for path in (tmp_path / decoded.FOLDER).iterdir() if path.is_dir()]
    before = {file: file.stat().st_mtime_ns for file in copy.rglob("*.npy")}
    assert one.train.inputs.equal(other.train.inputs)
    PuzzleDataset.open(tmp_path / "set")
    assert {file: file.stat().st_mtime_ns for file in copy.rglob("*.npy")} == before
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert str(copy / "train" / "inputs.npy") in maps.read_text()


def test_nobody_can_change_the_copy_of_others(tmp_path: Path) -> None:
    published_by_hand(tmp_path / "set")
    one, other = (PuzzleDataset.open(tmp_path / "set") for _ in range(2))
    one.train.inputs.zero_()
    assert other.train.inputs.any()


def test_the_copy_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write(tmp_path / "set", train=ROW_GROUP + 3)
    copied = decoded_columns(tmp_path / "set", manifest)

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(decoded, "make_folder", refuse)
    private = decoded_columns(tmp_path / "set", manifest)
    for split in ("train", "test"):
        assert copied[split].keys() == private[split].keys()
        for name, values in copied[split].items():
            assert np.array_equal(values, private[split][name])
            assert values.dtype == private[split][name].dtype


@pytest.mark.parametrize("damage", ["cut", "removed", "empty"])
def test_a_damaged_copy_is_made_again(damage: str, tmp_path: Path) -> None:
    manifest = write(tmp_path / "set", train=5000)
    decoded_columns(tmp_path / "set", manifest)
    file = tmp_path / decoded.FOLDER / manifest.fingerprint[:16] / "train" / "inputs.npy"
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:9000] if damage == "cut" else b"")
    columns = decoded_columns(tmp_path / "set", manifest)["train"]
    assert np.array_equal(columns["inputs"], tokens(0, 5000))


def test_grids_of_another_length_are_refused(tmp_path: Path) -> None:
    manifest = replace(published_by_hand(tmp_path / "set"), seq_len=81, grid=(9, 9))
    (tmp_path / "set" / "manifest.json").write_text(manifest.to_json())
    with pytest.raises(DatasetError, match=r"has inputs as .*\[49\], not .*\[81\]; delete"):
        PuzzleDataset.open(tmp_path / "set")


def test_a_killed_decoding_leaves_nothing_that_is_used(tmp_path: Path) -> None:
    manifest = write(tmp_path / "set", train=10)
    copy = tmp_path / decoded.FOLDER / manifest.fingerprint[:16]
    partial = copy.with_name(f".{copy.name}.partial") / "train"
    partial.mkdir(parents=True)
    (partial / "inputs.npy").write_bytes(b"half")
    assert np.array_equal(
        decoded_columns(tmp_path / "set", manifest)["train"]["inputs"], tokens(0, 10)
    )
    assert not partial.exists()


def test_a_manifest_that_counts_otherwise_is_refused(tmp_path: Path) -> None:
    manifest = published_by_hand(tmp_path / "set")
    file = tmp_path / "set" / "manifest.json"
    file.write_text(manifest.to_json().replace('"train_pairs": 10', '"train_pairs": 11'))
    with pytest.raises(DatasetError, match="promises 11 train pairs, not 10; delete"):
        PuzzleDataset.open(tmp_path / "set")
