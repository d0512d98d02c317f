"""An S3 server on loopback, and a gate before any server: open, closed, slow or stalled."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_SERVE = """\
import sys
from moto.server import ThreadedMotoServer
ThreadedMotoServer(ip_address="127.0.0.1", port=int(sys.argv[1]), verbose=False).start()
sys.stdin.read()  # its end is that of whoever started this
"""
PATIENCE = 600.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(port: int) -> dict[str, str]:
    """The environment of whoever is to reach a server at this port."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "s3cr3t-of-tests",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class S3Server:
    """A server in a process of its own; what it holds ends with it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        with (folder / "s3.log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _SERVE, str(self.port)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert self._process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _answers(self) -> bool:
        with socket.socket() as knock:
            return knock.connect_ex(("127.0.0.1", self.port)) == 0

    def make_bucket(self, name: str) -> None:
        from pyarrow.fs import S3FileSystem

        S3FileSystem(
            endpoint_override=f"http://127.0.0.1:{self.port}",
            region="us-east-1",
            access_key="a",
            secret_key="b",
            allow_bucket_creation=True,
        ).create_dir(name)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


class Gate:
    """Passes connections on to a port; `close` refuses all and cuts what there is.

    `stalls` holds back whatever is sent; `delay` are seconds by which each piece comes late.
    """

    def __init__(self, to: int) -> None:
        self.port, self._to = free_port(), to
        self._listener: socket.socket | None = None
        self._ends: list[socket.socket] = []
        self._lock = threading.Lock()
        self.stalls, self.delay = False, 0.0
        self.open()

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        _in_thread(self._accept, self._listener)

    def close(self) -> None:
        assert self._listener is not None
        _shut(self._listener)
        with self._lock:
            for end in self._ends:
                _shut(end)
            self._ends.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._to))
                except OSError:
                    _shut(near)  # the server is away: whoever comes is cut off, as it would do
                    continue
                with self._lock:
                    self._ends += [near, far]
                _in_thread(self._pass, near, far)
                _in_thread(self._pass, far, near)

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                while self.stalls:
                    time.sleep(0.05)
                time.sleep(self.delay)
                sink.sendall(data)
        _shut(source)
        _shut(sink)


def _in_thread(work: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
