"""Checkpoints in a storage: few, verified, and safe from workers that were given up for lost."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from s3_server import Gate

from sweep_platform.store.storage.checkpoints import ObjectCheckpoints, fetch_newest
from sweep_platform.store.storage.objects import Objects, open_objects

KEY = "0001-5f0c/measure-0"


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return open_objects(str(tmp_path / "store"))


def publish(objects: Objects, content: bytes, scratch: Path, keep: int = 2) -> None:
    store = ObjectCheckpoints(objects, keep, scratch=scratch)
    with store.hold(KEY) as path:
        path.write_bytes(content)
        store.publish(KEY)


def newest(objects: Objects, folder: Path) -> bytes | None:
    file = folder / "fetched"
    return file.read_bytes() if fetch_newest(objects, KEY, file) else None


def names(objects: Objects) -> list[str]:
    return [one.name for one in objects.below(KEY).list() if one.name.endswith(".pt")]


def pointer(objects: Objects) -> dict[str, object]:
    found: dict[str, object] = json.loads(objects.below(KEY).read("newest.json") or b"")
    return found


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_no_more_stay_than_are_to_be_kept(objects: Objects, tmp_path: Path, keep: int) -> None:
    store = ObjectCheckpoints(objects, keep, scratch=tmp_path)
    with store.hold(KEY) as path:
        for number in range(5):
            path.unlink(missing_ok=True)
            path.write_bytes(bytes([number]))
            store.publish(KEY)
            assert store.stored(KEY, 60)
            assert len(names(objects)) == min(keep, number + 1)
    publish(objects, b"other", tmp_path, keep)
    assert sorted(names(objects)) == sorted(pointer(objects)["kept"])  # type: ignore[call-overload]
    assert newest(objects, tmp_path) == b"other"


def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    objects: Objects, tmp_path: Path
) -> None:
    for content in (b"first", b"second"):
        publish(objects, content, tmp_path)
    objects.below(KEY).write(str(pointer(objects)["name"]), b"secont")
    said: list[str] = []
    store = ObjectCheckpoints(objects, 2, said.append, scratch=tmp_path)
    with store.hold(KEY) as path:
        assert path.read_bytes() == b"first"
    assert len(said) == 1
    objects.below(KEY).delete(str(pointer(objects)["name"]))
    assert newest(objects, tmp_path) == b"first"


@pytest.mark.parametrize("pointed", [b"{", b"[]", b'{"kept": [3]}', None])
def test_without_its_pointer_the_newest_that_is_whole_is_found(
    objects: Objects, tmp_path: Path, pointed: bytes | None
) -> None:
    publish(objects, b"content", tmp_path)
    here = objects.below(KEY)
    here.delete("newest.json") if pointed is None else here.write("newest.json", pointed)
    assert newest(objects, tmp_path) == b"content"
    here.write(names(objects)[0], b"damaged")
    assert newest(objects, tmp_path) is None


class Interrupted(Objects):
    """Objects of a worker during one of whose writes another worker is at work."""

    between: Callable[[str], None] = staticmethod(lambda name: None)

    def below(self, name: str) -> Objects:
        inner = Interrupted(f"{self.url}/{name}", self._system, self._path(name))
        inner.between = self.between
        return inner

    def write(self, name: str, content: bytes) -> None:
        self.between(name)
        super().write(name, content)

    def put(self, name: str, file: Path) -> None:
        self.between("before an object")
        super().put(name, file)
        self.between("after an object")


@pytest.mark.parametrize("moment", ["before an object", "after an object", "newest.json"])
@pytest.mark.parametrize("others", [1, 2, 3])
@pytest.mark.parametrize("keep", [1, 2])
def test_a_worker_given_up_for_lost_removes_nothing_that_counts(
    objects: Objects, tmp_path: Path, moment: str, others: int, keep: int
) -> None:
    """It stands still at some moment while its successor publishes, then goes on."""
    slow = Interrupted(objects.url, objects._system, objects._root)
    done: list[bytes] = []

    def successor(name: str) -> None:
        if name == moment and not done:
            for number in range(others):
                done.append(b"successor %d" % number)
                publish(objects, done[-1], tmp_path / "there", keep)
                assert newest(objects, tmp_path) == done[-1]

    publish(objects, b"before", tmp_path / "here", keep)
    (tmp_path / "there").mkdir()
    slow.between = successor
    publish(slow, b"slow", tmp_path / "here", keep)
    assert len(done) == others
    assert str(pointer(objects)["name"]) in names(objects)
    assert newest(objects, tmp_path) == b"slow"
    publish(objects, b"after", tmp_path / "there", keep)
    assert newest(objects, tmp_path) == b"after"
    assert str(pointer(objects)["name"]) in names(objects)


def test_training_goes_on_while_the_storage_is_away(
    s3: str, s3_gate: Gate, tmp_path: Path
) -> None:
    objects, said = open_objects(s3), list[str]()
    store = ObjectCheckpoints(objects, 2, said.append, scratch=tmp_path)
    with store.hold(KEY) as path:
        s3_gate.close()
        for number in range(4):
            path.unlink(missing_ok=True)
            path.write_bytes(bytes([number]))
            store.publish(KEY)
        while not said:
            assert not store.stored(KEY, 0.1)
        assert "can't be written" in said[0]
        s3_gate.open()
    assert newest(objects, tmp_path) == bytes([3])
    assert len(names(objects)) <= 2, "those that waited were superseded"
    assert len(said) == 1


def test_a_storage_that_is_away_keeps_no_job_that_broke(
    s3: str, s3_gate: Gate, tmp_path: Path
) -> None:
    store = ObjectCheckpoints(open_objects(s3), 2, scratch=tmp_path)
    with pytest.raises(ZeroDivisionError), store.hold(KEY) as path:
        s3_gate.close()
        path.write_bytes(b"lost")
        store.publish(KEY)
        raise ZeroDivisionError
    assert not list(tmp_path.rglob("*.pt"))


_DIES = """
import os, sys
from pathlib import Path
from sweep_platform.store.storage.checkpoints import ObjectCheckpoints
from sweep_platform.store.storage.objects import open_objects
store = ObjectCheckpoints(open_objects(sys.argv[1]), scratch=Path(sys.argv[2]))
with store.hold("dead") as path:
    path.write_bytes(b"x")
    os._exit(0)
"""


def test_what_a_killed_worker_left_on_its_host_is_removed(
    objects: Objects, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    subprocess.run([sys.executable, "-c", _DIES, objects.url, str(scratch)], check=True)
    assert list(scratch.rglob("*.pt"))
    store, other = (ObjectCheckpoints(objects, 2, scratch=scratch) for _ in range(2))
    with store.hold(KEY) as path:
        path.write_bytes(b"at work")
        with other.hold("another"):
            assert list(scratch.rglob("*.pt")) == [path]
    assert not list(scratch.iterdir())
