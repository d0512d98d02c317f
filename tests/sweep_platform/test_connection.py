"""Reaching and starting Ray: who answers at an address, and what becomes of a start that fails."""

import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import ray

from puzzle_datasets.common.errors import RunError
from sweep_platform.common.errors import InputError
from sweep_platform.execution import connection, probe
from sweep_platform.execution.connection import connected
from sweep_platform.execution.probe import HeadWatch, require_ray

TOKEN = "c4" * 20
"""Of the head that `head` stands for."""


class Head(grpc.GenericRpcHandler):
    """Answers whether it lives, as the head of a cluster with a token does."""

    def service(self, details: Any) -> Any:
        if not details.method.endswith("CheckAlive"):
            return None
        welcome = ("authorization", f"Bearer {TOKEN}") in details.invocation_metadata

        def answer(request: bytes, context: Any) -> bytes:
            if not welcome:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken")
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


@contextmanager
def serving(*handlers: grpc.GenericRpcHandler) -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


@pytest.fixture
def head() -> Iterator[str]:
    with serving(Head()) as address:
        yield address


def asking(home: Path, address: str, **more: str) -> str:
    """What a process of a user with this home says that asks at an address, Ray imported first."""
    code = (
        "import sweep_platform.execution.ray_tune;"
        "from sweep_platform.execution.probe import require_ray;"
        f"require_ray({address!r})"
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    environment = {**kept, "HOME": str(home), **more}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return (done.stderr.splitlines() or ["welcome"])[-1]


def test_the_token_of_this_host_is_offered(head: str, tmp_path: Path) -> None:
    """Ray itself offers none to an address that was given, and reads its mode when imported."""
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text(TOKEN)
    assert asking(tmp_path, head) == "welcome"


def test_a_wrong_token_is_named(head: str, tmp_path: Path) -> None:
    said = asking(tmp_path, head, RAY_AUTH_TOKEN="wrong" * 8, RAY_AUTH_MODE="token")
    assert "asks for another token than this host offers" in said


@pytest.mark.parametrize("address", ["ray://me:secret@{}", "me:secret@{}", "me:secret@nowhere"])
def test_no_password_of_an_address_is_told(
    address: str,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        place = f"127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(InputError) as caught:
        require_ray(address.format(place))
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(caught.value.value)


def test_a_port_that_is_not_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(InputError, match="something else listens there"):
            require_ray(address)


def test_a_head_that_is_silent_for_long_is_lost_once() -> None:
    """It answers again after 30 seconds, and never after the second time."""
    seconds = itertools.count(step=10)
    answers = iter([False, False, True, *[False] * 5])
    lost = threading.Event()
    with HeadWatch(lambda: next(answers), lost.set, 0.001, clock=lambda: next(seconds)):
        assert lost.wait(60)
    assert list(answers) == []


def test_a_question_that_fails_here_tells_nothing_of_the_head() -> None:
    seconds = itertools.count(step=100)
    asked, lost = threading.Event(), threading.Event()
    failures = iter([OSError("too many open files")] * 3)

    def alive() -> bool:
        if failure := next(failures, None):
            raise failure
        asked.set()
        return True

    with HeadWatch(alive, lost.set, 0.001, clock=lambda: next(seconds)):
        assert asked.wait(60)
    assert not lost.is_set()


@pytest.mark.parametrize("path", ["", "/nowhere"])
def test_a_path_without_what_starts_workers(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("PATH", path)
    with pytest.raises(InputError, match="PATH names no folder with bash"), connected(None):
        pass


def test_a_machine_that_does_not_reach_itself_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "LOOPBACK", "192.0.2.1")  # of examples: nobody has it
    monkeypatch.setattr(ray, "init", pytest.fail)
    with (
        pytest.raises(RunError, match=r"nothing answers on 192\.0\.2\.1 \(.*; bring it up"),
        connected(None),
    ):
        pass


def test_a_head_behind_tls_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USE_TLS", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        require_ray(f"127.0.0.1:{silent.getsockname()[1]}")


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ray starts to come, each a complaint or empty for one that is well."""
    outcomes: list[str] = []

    def init(address: str, **options: Any) -> None:
        if complaint := outcomes.pop(0):
            raise Exception(complaint)

    monkeypatch.setattr(ray, "init", init)
    return outcomes


LATE = "The current node timed out during startup. This could happen"


def test_a_start_that_is_late_is_tried_again(
    starts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    starts += [LATE, LATE, ""]
    with connected(None):
        pass
    assert starts == []
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert all(line.startswith("Ray did not start (The current node timed out") for line in said)


def test_a_start_that_never_comes_is_one_sentence(starts: list[str]) -> None:
    starts += [LATE, LATE, LATE, ""]
    sentence = r"^Ray does not start on this machine \(The current"
    with pytest.raises(RunError, match=sentence), connected(None):
        raise AssertionError("it is not there")
    assert starts == [""]


GONE = [
    ("ray._private.ray_constants", "ENABLE_RAY_CLUSTER"),
    ("ray._private.worker", "print_to_stdstream"),
    ("ray._common.utils", "get_default_ray_temp_dir"),
]


def test_a_ray_that_lacks_what_is_private_starts(
    starts: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module, name in GONE:
        monkeypatch.delattr(f"{module}.{name}")
    starts.append("")
    with connected(None):
        pass
    assert "listens on all interfaces" in capsys.readouterr().out


def test_a_ray_whose_token_cannot_be_had_is_left_to_ray(
    head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "ray._private.authentication.grpc_authentication_client_interceptor"
    monkeypatch.setitem(sys.modules, module, None)
    require_ray(head)


def test_a_head_without_our_question_is_joined() -> None:
    with serving() as address:
        require_ray(address)


def test_a_long_path_for_temporary_files_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    short = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setattr(connection, "SHORT", short)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path / ("long" * 15)))
    ours = short / f"ray-{os.getuid()}"
    try:
        assert connection._temp_folder() == str(ours)
        assert ours.is_dir()
        monkeypatch.setenv("TMPDIR", str(short))
        assert connection._temp_folder() is None
    finally:
        shutil.rmtree(short)
