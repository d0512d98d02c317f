"""Checkpoints in a storage: few, verified, and safe from workers that were given up for lost."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from s3_server import Gate

from sweep_platform.common.notice import Notice
from sweep_platform.store.storage.checkpoints import ObjectCheckpoints, fetch_step
from sweep_platform.store.storage.objects import Objects, open_objects

KEY = "0001-5f0c/measure-0"


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return open_objects(str(tmp_path / "store"))


def publish(
    objects: Objects, step: int, scratch: Path, keep: int = 2, content: bytes = b""
) -> None:
    store = ObjectCheckpoints(objects, keep, scratch=scratch)
    with store.hold(KEY) as path:
        put(path, step, content)
        store.publish(KEY, step)


def put(path: Path, step: int, content: bytes = b"") -> None:
    """Have the checkpoint of a step at the held path."""
    path.unlink(missing_ok=True)
    path.write_bytes(content or b"%d" % step)


def newest(objects: Objects, folder: Path) -> bytes | None:
    """What the next holder finds, on a host of its own."""
    (folder / "next").mkdir(exist_ok=True)
    with ObjectCheckpoints(objects, scratch=folder / "next").hold(KEY) as path:
        return path.read_bytes() if path.exists() else None


def names(objects: Objects) -> list[str]:
    """Names of checkpoints, the newest first."""
    found = [one.name for one in objects.below(KEY).list()]
    assert all(name.endswith(".pt") for name in found)
    return sorted(found, reverse=True)


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_no_more_stay_than_are_to_be_kept(objects: Objects, tmp_path: Path, keep: int) -> None:
    store = ObjectCheckpoints(objects, keep, scratch=tmp_path)
    with store.hold(KEY) as path:
        for step in range(5):
            put(path, step)
            store.publish(KEY, step)
            assert store.stored(KEY, 60)
            assert len(names(objects)) == min(keep, step + 1)
    publish(objects, 1000, tmp_path, keep)
    assert len(names(objects)) == keep
    assert newest(objects, tmp_path) == b"1000"


def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    objects: Objects, tmp_path: Path
) -> None:
    for step in (1, 2):
        publish(objects, step, tmp_path)
    objects.below(KEY).write(names(objects)[0], b"damaged")
    said: list[Notice] = []
    store = ObjectCheckpoints(objects, 2, said.append, scratch=tmp_path)
    with store.hold(KEY) as path:
        assert path.read_bytes() == b"1"
        put(path, 2)
        store.publish(KEY, 2)
    assert len(said) == 1
    assert newest(objects, tmp_path) == b"2"
    assert len(names(objects)) == 2, "the damaged one is gone"
    for name in names(objects):
        objects.below(KEY).write(name, b"damaged")
    assert newest(objects, tmp_path) is None


def test_that_of_a_step_is_fetched_or_none(objects: Objects, tmp_path: Path) -> None:
    for step in (1, 2):
        publish(objects, step, tmp_path)
    file = tmp_path / "fetched"
    assert not fetch_step(objects, KEY, 3, file)
    assert fetch_step(objects, KEY, 1, file)
    assert file.read_bytes() == b"1"
    objects.below(KEY).write(names(objects)[1], b"damaged")
    assert not fetch_step(objects, KEY, 1, file)


def test_what_a_dead_writer_left_goes_when_it_is_old(objects: Objects, tmp_path: Path) -> None:
    here = objects.below(KEY)
    for name in (".old.partial", ".new.partial"):
        here.write(name, b"half")
    os.utime(tmp_path / "store" / KEY / ".old.partial", (0, 0))
    publish(objects, 1, tmp_path)
    left = {one.name for one in here.list() if not one.name.endswith(".pt")}
    assert left == {".new.partial"}


class Interrupted(Objects):
    """Objects of a worker during one of whose writes another worker is at work."""

    between: Callable[[str], None] = staticmethod(lambda name: None)

    def below(self, name: str) -> Objects:
        inner = Interrupted(f"{self.url}/{name}", self._system, self._path(name))
        inner.between = self.between
        return inner

    def delete(self, name: str) -> None:
        self.between("before removing")
        super().delete(name)

    def put(self, name: str, file: Path) -> None:
        self.between("before an object")
        super().put(name, file)
        self.between("after an object")


@pytest.mark.parametrize("moment", ["before an object", "after an object", "before removing"])
@pytest.mark.parametrize("others", [1, 2, 3])
@pytest.mark.parametrize("keep", [1, 2])
def test_a_worker_given_up_for_lost_removes_nothing_that_counts(
    objects: Objects, tmp_path: Path, moment: str, others: int, keep: int
) -> None:
    """It stands still at some moment while its successor publishes, then goes on."""
    slow = Interrupted(objects.url, objects._system, objects._root)
    done: list[int] = []

    def successor(name: str) -> None:
        if name == moment and not done:
            for number in range(others):
                done.append(10 + number)
                publish(objects, done[-1], tmp_path / "there", keep)
                assert newest(objects, tmp_path) == b"%d" % done[-1]

    for step in range(1, 4):
        publish(objects, step, tmp_path / "here", keep)
    (tmp_path / "there").mkdir()
    slow.between = successor
    publish(slow, 5, tmp_path / "here", keep)
    assert len(done) == others
    assert newest(objects, tmp_path) == b"%d" % done[-1]
    publish(objects, 20, tmp_path / "there", keep)
    assert newest(objects, tmp_path) == b"20"
    assert len(names(objects)) == keep


@pytest.mark.parametrize("keep", [1, 2])
def test_a_worker_given_up_for_lost_that_goes_on_leaves_the_last_checkpoint(
    objects: Objects, tmp_path: Path, keep: int
) -> None:
    """It publishes again and again after its successor has come to the end."""
    stale = ObjectCheckpoints(objects, keep, scratch=tmp_path / "here")
    (tmp_path / "there").mkdir()
    publish(objects, 10, tmp_path / "there", keep)
    with stale.hold(KEY) as path:
        for step, content in ((90, b"90"), (100, b"final")):
            publish(objects, step, tmp_path / "there", keep, content)
        for step in (20, 30, 40):
            put(path, step, b"stale")
            stale.publish(KEY, step)
            assert stale.stored(KEY, 60)
            assert newest(objects, tmp_path) == b"final"
    assert len(names(objects)) == keep


def test_training_goes_on_while_the_storage_is_away(
    s3: str, s3_gate: Gate, tmp_path: Path
) -> None:
    objects, said = open_objects(s3), list[Notice]()
    store = ObjectCheckpoints(objects, 2, said.append, scratch=tmp_path)
    with store.hold(KEY) as path:
        s3_gate.close()
        for step in range(4):
            put(path, step)
            store.publish(KEY, step)
        while not said:
            assert not store.stored(KEY, 0.1)
        assert len(said) == 1
        assert "can't be written" in said[0].text
        s3_gate.open()
    assert newest(objects, tmp_path) == b"3"
    assert len(names(objects)) <= 2, "those that waited were superseded"
    assert len(said) == 1


def test_a_host_keeps_nothing_of_jobs_that_are_over(objects: Objects, tmp_path: Path) -> None:
    """Those of a killed worker go when the next job begins; one that is held stays."""
    scratch = tmp_path / "scratch"
    store = ObjectCheckpoints(objects, 2, scratch=scratch)
    with store.hold("other") as path:
        put(path, 1)
        dead = scratch / "killed"
        dead.mkdir()
        put(dead / "checkpoint.pt", 1)
        (scratch / "killed.lock").touch()
        publish(objects, 1, scratch)
        assert path.exists()
        assert len(list(scratch.iterdir())) == 2, "the folder that is held, and its lock"
    assert list(scratch.iterdir()) == []


def test_a_storage_that_is_away_keeps_no_job_that_broke(
    s3: str, s3_gate: Gate, tmp_path: Path
) -> None:
    store = ObjectCheckpoints(open_objects(s3), 2, scratch=tmp_path)
    with pytest.raises(ZeroDivisionError), store.hold(KEY) as path:
        s3_gate.close()
        path.write_bytes(b"lost")
        store.publish(KEY, 1)
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
