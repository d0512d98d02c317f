"""Every checkpoint store keeps its contract; `CheckpointStoreConformance` tries one."""

import hashlib
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from sweep_platform.store.checkpoints import CheckpointStore, open_checkpoints
from sweep_platform.store.storage.checkpoints import ObjectCheckpoints
from sweep_platform.store.storage.objects import open_objects

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
        for step, content in enumerate((b"old", b"new")):
            store = reopen()
            with store.hold("a") as path:
                path.write_bytes(content)
                store.publish("a", step)
        with reopen().hold("a") as path:
            assert path.read_bytes() == b"new"

    def test_one_that_begins_anew_is_followed(self, reopen: Reopen) -> None:
        """A checkpoint that its training refuses is found by no other holder again."""
        for step, content in ((8, b"refused"), (3, b"anew")):
            store = reopen()
            with store.hold("a") as path:
                path.write_bytes(content)
                store.publish("a", step)
        with reopen().hold("a") as path:
            assert path.read_bytes() == b"anew"

    def test_what_was_published_is_found_by_its_digest(
        self, reopen: Reopen, tmp_path: Path
    ) -> None:
        """Also by others than its holder, who may not change it."""
        assert reopen().digest("a") is None
        store, place = reopen(), tmp_path / "here.pt"
        with store.hold("a") as path:
            path.write_bytes(b"weights")
            store.publish("a", 3)
        sha256 = hashlib.sha256(b"weights").hexdigest()
        assert reopen().digest("a") == sha256
        found = reopen().find("a", sha256, place)
        assert found
        assert found.read_bytes() == b"weights"
        for key, other in (("a", "0" * 64), ("b", sha256)):
            assert reopen().find(key, other, tmp_path / "none.pt") is None
        assert not (tmp_path / "none.pt").exists()

    def test_keys_are_apart(self, reopen: Reopen) -> None:
        store = reopen()
        with store.hold("a") as path:
            path.write_bytes(b"a")
            store.publish("a", 1)
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

    def test_what_is_published_is_stored_soon(self, reopen: Reopen) -> None:
        store = reopen()
        with store.hold("a") as path:
            path.write_bytes(b"new")
            store.publish("a", 1)
            assert store.stored("a", 60)

    def test_a_worker_that_breaks_leaves_what_was_stored(self, reopen: Reopen) -> None:
        store = reopen()
        with suppress(ZeroDivisionError), store.hold("a") as path:
            path.write_bytes(b"new")
            store.publish("a", 1)
            assert store.stored("a", 60)
            raise ZeroDivisionError
        with reopen().hold("a") as path:
            assert path.read_bytes() == b"new"


class TestFolder(CheckpointStoreConformance):
    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Reopen:
        return lambda: open_checkpoints(str(tmp_path / "trials"))


class TestObjects(CheckpointStoreConformance):
    """A storage, at a path and on S3; each opening is a worker on the same host."""

    @pytest.fixture(params=["path", "s3"])
    def reopen(self, request: pytest.FixtureRequest, tmp_path: Path) -> Reopen:
        root = request.getfixturevalue("s3") if request.param == "s3" else str(tmp_path / "store")
        return lambda: ObjectCheckpoints(open_objects(root), 2, scratch=tmp_path)
