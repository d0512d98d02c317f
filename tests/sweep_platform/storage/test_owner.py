"""A storage is proven before anything is spent, and is one sweep's alone."""

import os
from pathlib import Path

import pytest
from s3_server import Gate

from sweep_platform.common.errors import InputError
from sweep_platform.store.storage.owner import claim, claimed, owner_of, require_own, usable


def test_a_storage_that_can_be_used_keeps_nothing_of_the_proof(s3: str, tmp_path: Path) -> None:
    for url in (f"{s3}/sweeps", str(tmp_path / "store")):
        assert usable(url).list() == []


def refusal(url: str, seconds: float = 20.0) -> str:
    with pytest.raises(InputError) as caught:
        usable(url, seconds)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(url)
    return message


def test_a_bucket_that_is_not_there(s3: str) -> None:
    assert "NO_SUCH_BUCKET" in refusal(f"{s3}-other/sweeps")


def test_a_server_that_is_not_there(s3: str, s3_gate: Gate) -> None:
    s3_gate.close()
    assert "can't be used" in refusal(s3)


def test_a_server_that_does_not_answer(s3: str, s3_gate: Gate) -> None:
    s3_gate.stalls = True
    assert "takes over 0.5 s" in refusal(s3, 0.5)
    s3_gate.stalls = False


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refusal(str(tmp_path / "file" / "store"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        with open("/dev/full", "wb", buffering=0) as device:  # noqa: PTH123
            device.write(b"1")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left" in refusal(str(tmp_path / "store"))


def test_one_sweep_owns_a_folder(s3: str) -> None:
    objects = usable(s3).below("arc")
    require_own(objects, None)
    claim(objects, "first")
    claim(objects, "first")
    assert owner_of(objects) == "first"
    for other in ("second", None):
        with pytest.raises(InputError, match="already holds another sweep"):
            require_own(objects, other)
    claim(usable(s3).below("maze"), "second")


def test_a_folder_of_which_no_sweep_came_is_nobodys(s3: str) -> None:
    objects = usable(s3).below("arc")
    with pytest.raises(ZeroDivisionError), claimed(objects, "first"):
        objects.write("mirror/newest.json", b"{}")
        raise ZeroDivisionError
    assert objects.list() == []
    with claimed(objects, "second"):
        objects.write("mirror/newest.json", b"{}")
    with pytest.raises(ZeroDivisionError), claimed(objects, "second"):
        raise ZeroDivisionError
    assert owner_of(objects) == "second"
    assert objects.has("mirror/newest.json"), "it is of a session before"


@pytest.mark.parametrize("content", [b"{", b"[]", b"null"])
def test_an_owner_that_is_damaged_is_nobody(tmp_path: Path, content: bytes) -> None:
    objects = usable(str(tmp_path))
    objects.write("owner.json", content)
    with pytest.raises(InputError, match="is damaged"):
        require_own(objects, "first")
