"""Objects at a path and on S3: whole, listed, gone; and what a server that fails makes of them."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from s3_server import Gate, free_port

from sweep_platform.common.errors import InputError
from sweep_platform.store.storage.objects import (
    RETRY_SECONDS,
    TIMEOUT_SECONDS,
    Objects,
    StorageError,
    absolute,
    open_objects,
)


@pytest.fixture(params=["path", "file", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    if request.param == "s3":
        return open_objects(f"{request.getfixturevalue('s3')}/deep/root")
    scheme = "file://" if request.param == "file" else ""
    return open_objects(f"{scheme}{tmp_path}/deep/root")


def test_what_is_written_is_read_listed_and_removed(objects: Objects, tmp_path: Path) -> None:
    assert objects.list() == []
    assert objects.read("a/b") is None
    objects.write("a/b", b"old")
    objects.write("a/b", b"new")
    (tmp_path / "large").write_bytes(b"x" * (12 << 20))
    objects.below("a").put("c", tmp_path / "large")
    found = {one.name: one.size for one in objects.list()}
    assert found == {"a/b": 3, "a/c": 12 << 20}
    assert all(one.written > 1.6e9 for one in objects.list())
    assert [one.name for one in objects.below("a").list()] == ["b", "c"]
    assert objects.read("a/b") == b"new"
    objects.get("a/c", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == b"x" * (12 << 20)
    assert objects.has("a/b")
    for _ in range(2):
        objects.delete("a/b")
    assert not objects.has("a/b")
    with pytest.raises(StorageError):
        objects.get("a/b", tmp_path / "none")


def test_json_that_is_replaced_is_read_whole(objects: Objects) -> None:
    """The reader may be told the size of the former content, and find the next one."""
    done = threading.Event()

    def replace() -> None:
        for number in range(60):
            objects.write_json("a", "x" * (number % 7))
        done.set()

    objects.write_json("a", "")
    thread = threading.Thread(target=replace)
    thread.start()
    while not done.is_set():
        assert json.loads(objects.read("a") or b"") in {"x" * number for number in range(7)}
    thread.join()


def test_a_bucket_that_is_not_there_is_named(s3: str) -> None:
    objects = open_objects(f"{s3}-other/sweeps")
    with pytest.raises(StorageError, match="NO_SUCH_BUCKET") as caught:
        objects.write("a", b"")
    assert caught.value.filename == f"{s3}-other/sweeps/a"


class _Refusing(BaseHTTPRequestHandler):
    """Answers every request with the status of the server's name."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(int(self.server.status))  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _answer

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        return


@pytest.fixture(params=[403, 503, 507])
def refusing(request: pytest.FixtureRequest) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    server.status = request.param  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_a_server_that_refuses_is_an_error_of_the_disk(
    refusing: int, s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{refusing}")
    objects = open_objects(f"{s3}/sweeps")
    attempts = (
        lambda: objects.read("a"),
        lambda: objects.write("a", b"1"),
        lambda: objects.get("a", tmp_path / "a"),
        lambda: objects.has("a"),
        lambda: objects.list(),
        lambda: objects.delete("a"),
    )
    for attempt in attempts:
        with pytest.raises(StorageError) as caught:
            attempt()
        assert str(caught.value.filename).startswith(f"{s3}/sweeps")
        assert "\n" not in str(caught.value.strerror)


def test_a_file_that_cannot_be_written_is_no_fault_of_the_storage(
    objects: Objects, tmp_path: Path
) -> None:
    objects.write("a", b"1")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as caught:
        objects.get("a", tmp_path / "file" / "a")
    assert not isinstance(caught.value, StorageError)


def test_a_server_that_is_gone_comes_back(s3: str, s3_gate: Gate) -> None:
    objects = open_objects(f"{s3}/sweeps")
    objects.write("a", b"1")
    s3_gate.close()
    with pytest.raises(StorageError):
        objects.read("a")
    s3_gate.open()
    assert objects.read("a") == b"1"


def test_requests_are_given_up_without_a_server_of_ones_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    [s3], [gs] = (
        open_objects(f"{scheme}://bucket/x")._system.__reduce__()[1] for scheme in ("s3", "gs")
    )
    assert (s3["region"], s3["endpoint_override"]) == ("eu-west-1", "")
    assert s3["request_timeout"] == TIMEOUT_SECONDS
    assert 0 < s3["connect_timeout"] <= TIMEOUT_SECONDS
    assert gs["retry_time_limit"].total_seconds() == RETRY_SECONDS


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_given_up(s3: str, s3_gate: Gate) -> None:
    objects = open_objects(f"{s3}/sweeps")
    objects.write("a", b"1")
    s3_gate.stalls = True
    with pytest.raises(StorageError):
        objects.read("a")
    s3_gate.stalls = False


@pytest.mark.parametrize("url", ["s3://bucket/x?region=a", "s3://bucket/x#y"])
def test_a_url_is_a_place_alone(url: str) -> None:
    with pytest.raises(InputError, match="holds more than a place"):
        absolute(url)


@pytest.mark.parametrize(
    "url", ["http://host/x", "s3://", "ftp://host", "s3:///", "gs://", "azure://a/b"]
)
def test_what_is_no_storage(url: str) -> None:
    with pytest.raises(InputError, match="is no address of a storage"):
        absolute(url)


@pytest.mark.parametrize("url", ["s3://key:secret@bucket/x", "hdfs://me:secret@host/x"])
def test_credentials_in_a_url_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InputError) as caught:
        absolute(url)
    assert "secret" not in f"{caught.value!r} {caught.value}"


def test_paths_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("store") == absolute(f"file://{tmp_path}/store") == str(tmp_path / "store")


def test_the_servers_port_may_be_closed(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StorageError, match="connect"):
        open_objects(f"{s3}/x").list()
