"""Nodes of a Ray cluster on loopback, each a process of its own, as `ray start` makes them."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psutil

PATIENCE = 120.0


def environment() -> dict[str, str]:
    """That of a user who has a token, which goes to every node, driver and worker."""
    token = secrets.token_hex(32)
    return {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}


@contextmanager
def head(env: Mapping[str, str], *options: str) -> Iterator[str]:
    """The head of a cluster; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="ray") as folder:  # its sockets want a short path
        own = ("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder}")
        with _started(env, *own, *options) as process:
            _wait(lambda: _answers(port) or process.poll() is not None)
            assert process.poll() is None
            yield f"127.0.0.1:{port}"


@contextmanager
def node(env: Mapping[str, str], address: str, *options: str) -> Iterator[psutil.Popen]:
    """A node that joins the cluster at an address; yields the process that keeps it."""
    with _started(env, f"--address={address}", *options) as process:
        yield process


@contextmanager
def _started(env: Mapping[str, str], *options: str) -> Iterator[psutil.Popen]:
    here = ("--block", "--node-ip-address=127.0.0.1", "--disable-usage-stats")
    ports = ("--min-worker-port=0", "--max-worker-port=0")
    process = psutil.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", "start", *here, *ports, *options],
        env=dict(env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def _wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def _answers(port: int) -> bool:
    with socket.socket() as knock:
        return knock.connect_ex(("127.0.0.1", port)) == 0


_COUNT = """
import sys, time
from ray._raylet import GcsClient
client = GcsClient(address=sys.argv[1])
while sum(one.state == 0 for one in client.get_all_node_info().values()) != int(sys.argv[2]):
    time.sleep(0.1)
"""


def wait_for_nodes(env: Mapping[str, str], address: str, number: int) -> None:
    """Wait until so many nodes have joined the cluster, asked by a process with its token."""
    command = [sys.executable, "-c", _COUNT, address, str(number)]
    subprocess.run(command, env=dict(env), check=True, timeout=PATIENCE)
