"""Hosts of a Ray cluster whose file systems are really separate: raylets in mount namespaces."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from s3_server import free_port

PATIENCE = 600.0
_RAY = (sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats")
_WAIT = """\
import sys, time, ray
ray.init(sys.argv[1], logging_level=50, log_to_driver=False)
while ray.cluster_resources().get("CPU", 0) < int(sys.argv[2]):
    time.sleep(0.2)
"""
_PORTS = ("--min-worker-port=0", "--max-worker-port=0")
_CHECKOUT = Path(__file__).parents[2]
_ASIDE = "/mnt"
"""Where the checkout is seen while its place is hidden."""


def why_no_namespaces() -> str | None:
    """Why no host of its own can be made here; None where it can."""
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.strip()


class Hosts:
    """A head without processors, beside the driver, and nodes that see none of its folders.

    Each node has an empty file system of its own in place of every folder in `private`, and none
    of the variables that tell how a storage is reached. It sees this checkout wherever that is.
    """

    def __init__(self, environment: Mapping[str, str], private: Sequence[Path]) -> None:
        self._environment = {k: v for k, v in environment.items() if not k.startswith("AWS_")}
        self._private = (*private, Path(tempfile.gettempdir()))
        self._folder = tempfile.TemporaryDirectory(prefix="ray")  # sockets want a short path
        self.address = f"127.0.0.1:{free_port()}"
        self._started: list[psutil.Popen] = []
        host, port = self.address.split(":")
        head = ["--head", "--num-cpus=0", "--include-dashboard=false", f"--port={port}"]
        self._start(*head, f"--node-ip-address={host}", f"--temp-dir={self._folder.name}")
        self._wait_for(int(port))

    def add(self, number: int) -> psutil.Popen:
        """Start a node with one processor; another number is another host."""
        mounts = [f"mount -t tmpfs tmpfs {folder}" for folder in self._private]
        if any(_CHECKOUT.is_relative_to(folder) for folder in self._private):
            again = [f"mkdir -p {_CHECKOUT}", f"mount --bind {_ASIDE} {_CHECKOUT}"]
            mounts = [f"mount --bind {_CHECKOUT} {_ASIDE}", *mounts, *again]
        script = " && ".join([*mounts, 'exec "$@"'])
        apart = ("unshare", "-m", "sh", "-c", script, "node")
        where = (f"--address={self.address}", f"--node-ip-address=127.0.0.{number}")
        return self._start(*where, "--num-cpus=1", before=apart)

    def wait_for(self, processors: int) -> None:
        """Wait until nodes with so many processors have joined."""
        command = [sys.executable, "-c", _WAIT, self.address, str(processors)]
        deadline = time.monotonic() + PATIENCE
        with subprocess.Popen(command, env=self._environment) as waiting:
            while waiting.poll() is None:
                lost = [process.args for process in self._started if process.poll() is not None]
                if lost or time.monotonic() > deadline:
                    waiting.kill()
                assert not lost
                time.sleep(0.1)
        assert waiting.returncode == 0

    def _start(self, *options: str, before: Sequence[str] = ()) -> psutil.Popen:
        process = psutil.Popen(
            [*before, *_RAY, *_PORTS, *options],
            env=self._environment,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def _wait_for(self, port: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    return
            assert self._started[0].poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def close(self) -> None:
        """End all, nodes first."""
        for process in reversed(self._started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._started:
            try:
                process.wait(PATIENCE)
            except psutil.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        self._folder.cleanup()
