"""Every checkpoint store keeps its contract; `CheckpointStoreConformance` tries one."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sweep_platform.store.checkpoints import CheckpointStore, open_checkpoints

Reopen = Callable[[], CheckpointStore]


class CheckpointStoreConformance:
    """What any store must do; a subclass gives `reopen`, which opens the same store anew."""

    @pytest.fixture
    def reopen(self) -> Reopen:
        raise NotImplementedError

    def test_nothing_is_there_at_first(self, reopen: Reopen) -> None:
        with reopen().hold("a") as path:
            assert not path.exists()

    def test_the_newest_that_was_published_is_found(self, reopen: Reopen) -> None:
        for content in (b"old", b"new"):
            store = reopen()
            with store.hold("a") as path:
                path.write_bytes(content)
                store.publish("a")
        with reopen().hold("a") as path:
            assert path.read_bytes() == b"new"

    def test_keys_are_apart(self, reopen: Reopen) -> None:
        store = reopen()
        with store.hold("a") as path:
            path.write_bytes(b"a")
            store.publish("a")
        with store.hold("b") as path:
            assert not path.exists()

    def test_a_key_has_one_holder(self, reopen: Reopen) -> None:
        waiting, held = threading.Event(), threading.Event()

        def other() -> None:
            waiting.set()
            with reopen().hold("a"):
                held.set()

        with reopen().hold("a"):
            thread = threading.Thread(target=other)
            thread.start()
            assert waiting.wait(60)
            assert not held.is_set()
        thread.join(60)
        assert held.is_set()


class TestFolder(CheckpointStoreConformance):
    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Reopen:
        return lambda: open_checkpoints(str(tmp_path / "trials"))


class CopyingCheckpoints:
    """As an object store will work: a scratch folder a holder, and a copy that is published."""

    def __init__(self, published: dict[str, bytes], locks: dict[str, threading.Lock], root: Path):
        self._published, self._locks, self._root = published, locks, root

    @contextmanager
    def hold(self, key: str) -> Iterator[Path]:
        with self._locks.setdefault(key, threading.Lock()):
            path = self._root / key
            path.unlink(missing_ok=True)
            if key in self._published:
                path.write_bytes(self._published[key])
            yield path

    def publish(self, key: str) -> None:
        self._published[key] = (self._root / key).read_bytes()


class TestCopying(CheckpointStoreConformance):
    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Reopen:
        published: dict[str, bytes] = {}
        locks: dict[str, threading.Lock] = {}
        return lambda: CopyingCheckpoints(published, locks, tmp_path)
