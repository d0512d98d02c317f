"""A sweep's folder in its storage: kept up by one driver, and taken up on another head."""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from s3_server import Gate

from puzzle_datasets.common.files import append_json_line, write_json
from sweep_platform.common.errors import InputError
from sweep_platform.store.storage import mirror as mirroring
from sweep_platform.store.storage import mirrored
from sweep_platform.store.storage.mirror import Mirror
from sweep_platform.store.storage.mirrored import mirrored as newest_of
from sweep_platform.store.storage.mirrored import require_newest, restore
from sweep_platform.store.storage.objects import Objects, open_objects

SOON = 60.0


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirroring, "PACK_SECONDS", 0.02)
    monkeypatch.setattr(mirroring, "AGAIN_SECONDS", 0.02)


@pytest.fixture(params=["path", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    root = request.getfixturevalue("s3") if request.param == "s3" else str(tmp_path / "store")
    return open_objects(f"{root}/toy")


class Head:
    """A driver with its folder."""

    def __init__(self, objects: Objects, root: Path) -> None:
        root.mkdir(exist_ok=True)
        self.root, self.said, self._number = root, list[str](), 0
        self.mirror = Mirror(objects, root, "the sweep", self.said.append)

    def work(self) -> None:
        self._number += 1
        append_json_line(self.root / "sessions.jsonl", self._number)
        write_json(self.root / "sweep.json", self._number)
        self.mirror.look()

    def work_until(self, condition: object) -> None:
        deadline = time.monotonic() + SOON
        while not condition():  # type: ignore[operator]
            assert time.monotonic() < deadline
            self.work()
            time.sleep(0.01)


@pytest.fixture
def head(objects: Objects, tmp_path: Path) -> Iterator[Head]:
    found = Head(objects, tmp_path / "head")
    found.mirror.begin()
    yield found
    found.mirror.close(SOON)


def tree(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and path.name != mirrored.MARK)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def here(objects: Objects) -> Objects:
    return objects.below("mirror")


def test_another_head_has_the_folder_as_it_was(
    objects: Objects, head: Head, tmp_path: Path
) -> None:
    head.work_until(lambda: mirrored.read(here(objects)).packs > 3)  # type: ignore[union-attr]
    assert head.mirror.close(SOON)
    restore(here(objects), tmp_path / "other")
    assert tree(tmp_path / "other") == tree(head.root)
    assert newest_of(here(objects)).ended


def followed(objects: Objects, head: Head, root: Path) -> Head:
    """A driver that took over from a head, which is at work all the while.

    Between its look at the pointer and its own writing a head does not see another one, which then
    gives way in its place.
    """
    while True:
        follower = Head(objects, root)
        follower.mirror.begin()
        head.work_until(partial(one_gave_way, head, follower))
        if head.mirror.taken_over:
            return follower
        assert not follower.mirror.close(SOON)


def one_gave_way(head: Head, follower: Head) -> bool:
    """Whether another driver took over from one of these; the second works on."""
    follower.work()
    return bool(head.mirror.taken_over or follower.mirror.taken_over)


def test_a_head_that_died_may_be_followed_after_a_minute(
    objects: Objects, head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head.work_until(lambda: mirrored.read(here(objects)).packs > 1)  # type: ignore[union-attr]
    with pytest.raises(InputError, match="is written by another driver"):
        restore(here(objects), tmp_path / "other")
    monkeypatch.setattr(mirrored, "DEAD_SECONDS", 0.0)
    restore(here(objects), tmp_path / "other")
    follower = followed(objects, head, tmp_path / "other")
    assert "another driver" in str(head.mirror.taken_over)
    assert not head.mirror.close(SOON)
    with pytest.raises(InputError, match="is older than its mirror"):
        require_newest(here(objects), head.root)
    follower.work()
    assert follower.mirror.close(SOON)
    restore(here(objects), tmp_path / "third")
    assert tree(tmp_path / "third") == tree(follower.root)


def test_a_session_begins_a_generation_and_removes_the_former(
    objects: Objects, head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head.work_until(lambda: mirrored.read(here(objects)).packs > 1)  # type: ignore[union-attr]
    assert head.mirror.close(SOON)
    again = Head(objects, head.root)
    again.mirror.begin()
    monkeypatch.setattr(mirroring, "MOST_PACKS", 3)
    again.work_until(lambda: newest_of(here(objects)).generation.startswith("000004"))
    assert again.mirror.close(SOON)
    newest = newest_of(here(objects))
    packs = [one.name for one in here(objects).list() if one.name.endswith(".tar")]
    assert packs == [mirrored.pack_name(newest, number) for number in range(newest.packs)]
    restore(here(objects), tmp_path / "other")
    assert tree(tmp_path / "other") == tree(again.root)


def test_a_storage_that_is_away_is_made_up_for(s3: str, s3_gate: Gate, tmp_path: Path) -> None:
    objects = open_objects(f"{s3}/toy")
    head = Head(objects, tmp_path / "head")
    head.mirror.begin()
    head.work_until(lambda: mirrored.read(here(objects)).packs > 1)  # type: ignore[union-attr]
    s3_gate.close()
    head.work_until(lambda: head.said)
    for _ in range(3):
        head.work()
    assert len(head.said) == 1
    s3_gate.open()
    assert head.mirror.close(SOON)
    restore(here(objects), tmp_path / "other")
    assert tree(tmp_path / "other") == tree(head.root)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_driver_that_died_as_it_began_is_not_in_its_own_way(
    objects: Objects, head: Head, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    head.work_until(lambda: mirrored.read(here(objects)).packs > 1)  # type: ignore[union-attr]
    assert head.mirror.close(SOON)
    real = Objects.write_json

    def dies(self: Objects, name: str, content: object) -> None:
        if moment == "after":
            real(self, name, content)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Objects, "write_json", dies)
        Head(objects, head.root).mirror.begin()
    again = Head(objects, head.root)
    again.mirror.begin()
    assert again.mirror.close(SOON)


def test_a_storage_that_stays_away_holds_no_session_up(
    s3: str, s3_gate: Gate, tmp_path: Path
) -> None:
    head = Head(open_objects(f"{s3}/toy"), tmp_path / "head")
    head.mirror.begin()
    s3_gate.close()
    head.work_until(lambda: head.said)
    assert not head.mirror.close(0.2)
    s3_gate.open()


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"sweep": 1}'])
def test_a_damaged_mirror_is_refused(tmp_path: Path, content: bytes) -> None:
    objects = open_objects(str(tmp_path / "store"))
    here(objects).write("newest.json", content)
    with pytest.raises(InputError, match="is damaged"):
        restore(here(objects), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_pack_that_is_missing_leaves_no_folder(
    objects: Objects, head: Head, tmp_path: Path
) -> None:
    head.work_until(lambda: mirrored.read(here(objects)).packs > 2)  # type: ignore[union-attr]
    assert head.mirror.close(SOON)
    newest = newest_of(here(objects))
    here(objects).write(mirrored.pack_name(newest, 1), b"damaged")
    with pytest.raises(InputError, match="is damaged"):
        restore(here(objects), tmp_path / "other")
    here(objects).delete(mirrored.pack_name(newest, 1))
    with pytest.raises(OSError):
        restore(here(objects), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_nothing_is_no_mirror(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no mirror"):
        restore(here(open_objects(str(tmp_path / "store"))), tmp_path / "other")


def test_a_clock_that_is_behind_lets_nobody_in(objects: Objects, head: Head) -> None:
    newest = replace(newest_and(head, objects), beat=time.time() + 1000)
    assert newest.alive


def newest_and(head: Head, objects: Objects) -> mirrored.Newest:
    head.work_until(lambda: mirrored.read(here(objects)).packs)  # type: ignore[union-attr]
    return newest_of(here(objects))
