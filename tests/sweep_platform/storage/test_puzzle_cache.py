"""A host that does not see the driver's puzzles fetches or builds them, and proves them equal."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.storage.shards import read_manifest, verify
from sweep_platform.space import puzzle_cache
from sweep_platform.space.dataset import DatasetAddress, prepare
from sweep_platform.space.puzzle_cache import (
    PuzzleSource,
    prepared_at,
    put_set,
    puzzles_here,
)
from sweep_platform.spec.schema import DatasetSpec
from sweep_platform.store.storage.objects import open_objects

SPEC = DatasetSpec.model_validate({"name": "sudoku", "side": 4, "train": 8, "test": 4})
SOURCE = PuzzleSource(dataset=SPEC.model_dump(mode="json"))


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DatasetAddress:
    """The driver's puzzles, which this host does not see."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = prepare(SPEC, tmp_path / "data")
    manifest = read_manifest(folder)
    return DatasetAddress(folder=str(folder), name=manifest.name, fingerprint=manifest.fingerprint)


@pytest.fixture
def unseen(address: DatasetAddress, tmp_path: Path) -> DatasetAddress:
    shutil.move(tmp_path / "data", tmp_path / "elsewhere")
    return address


def stored(tmp_path: Path, url: str) -> str:
    [folder] = (tmp_path / "elsewhere").iterdir()
    put_set(open_objects(url), folder)
    return url


def not_built(*_: object) -> None:
    raise AssertionError("it was to be fetched")


def test_a_set_that_is_put_somewhere_is_broken_off_between_two_files(
    address: DatasetAddress, tmp_path: Path
) -> None:
    objects, looks = open_objects(str(tmp_path / "store")), iter((False, False, True))
    with pytest.raises(KeyboardInterrupt):
        put_set(objects, Path(address.folder), lambda: next(looks))
    assert len(objects.list()) == 2
    assert not objects.has("manifest.json")


def test_the_drivers_folder_goes_first(address: DatasetAddress) -> None:
    assert puzzles_here(address, SOURCE) == address
    assert not puzzle_cache.cache().exists()


def test_they_are_fetched_once(
    unseen: DatasetAddress, tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = stored(tmp_path, f"{s3}/set")
    monkeypatch.setattr(puzzle_cache, "prepare", not_built)
    source = replace(SOURCE, urls=(str(tmp_path / "nowhere"), url))
    found = puzzles_here(unseen, source)
    assert verify(Path(found.folder)).fingerprint == unseen.fingerprint
    open_objects(url).delete("manifest.json")
    assert puzzles_here(unseen, source) == found


def test_a_damaged_copy_is_fetched_anew(unseen: DatasetAddress, tmp_path: Path) -> None:
    source = PuzzleSource(urls=(stored(tmp_path, str(tmp_path / "store")),))
    found = puzzles_here(unseen, source)
    [shard, *_] = Path(found.folder).glob("*.parquet")
    shard.write_bytes(shard.read_bytes()[:-1])
    assert puzzles_here(unseen, source) == found
    verify(Path(found.folder))


def test_without_a_storage_they_are_built_from_the_same_settings(unseen: DatasetAddress) -> None:
    assert puzzles_here(unseen, SOURCE).fingerprint == unseen.fingerprint


OTHERS = {
    "none": PuzzleSource(),
    "other settings": PuzzleSource(dataset={**SOURCE.dataset, "seed": 9}),
    "no set": PuzzleSource(urls=("/nowhere/at/all",)),
    "no server": PuzzleSource(urls=("s3://bucket/set",)),
}


@pytest.mark.parametrize("source", OTHERS.values(), ids=OTHERS)
def test_a_host_that_cannot_have_them_names_the_folder(
    unseen: DatasetAddress, source: PuzzleSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(DatasetError) as caught:
        puzzles_here(unseen, source)
    assert caught.value.field == unseen.folder
    assert caught.value.unread == (source is OTHERS["no server"])


def test_other_puzzles_in_a_storage_are_not_taken(unseen: DatasetAddress, tmp_path: Path) -> None:
    url = stored(tmp_path, str(tmp_path / "store"))
    other = replace(unseen, fingerprint="0" * 64)
    with pytest.raises(DatasetError):
        puzzles_here(other, PuzzleSource(urls=(url,)))


def test_data_at_a_url_are_built_there_once(
    address: DatasetAddress, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{s3}/data"
    built = prepared_at(SPEC, url)
    assert verify(built).fingerprint == address.fingerprint
    shutil.rmtree(puzzle_cache.cache())
    monkeypatch.setattr(puzzle_cache, "prepare", not_built)
    fetched = prepared_at(SPEC, url)
    assert fetched == built
    assert verify(fetched).fingerprint == address.fingerprint
