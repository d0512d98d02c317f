"""Ray: reach a cluster or start one on this machine, and what its resources allow."""

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from puzzle_datasets.common.processors import cores
from sweep_platform.common.environment import gpu_names
from sweep_platform.common.errors import InputError
from sweep_platform.spec.schema import ResourceSpec

CONNECT_SECONDS = 5.0
LAST_PORT = 65535
CLUSTER_GPUS = 8
"""From this many GPUs on, `--scale auto` takes the scale `cluster`."""


@dataclass(frozen=True)
class Node:
    """One host: CPU cores and GPUs."""

    cpus: float
    gpus: float

    def slots(self, resources: ResourceSpec) -> int:
        """Number of trials that run here at the same time; a trial does not span hosts or GPUs."""
        by_cpu = _times(self.cpus, resources.cpus)
        if not resources.gpus:
            return by_cpu
        if resources.gpus < 1:
            return min(by_cpu, int(self.gpus) * _times(1, resources.gpus))
        return min(by_cpu, _times(self.gpus, resources.gpus))


def _times(whole: float, part: float) -> int:
    return int(whole / part + 1e-9)


@dataclass(frozen=True)
class Hardware:
    """The hosts that trials may be placed on."""

    nodes: tuple[Node, ...]

    @property
    def cpus(self) -> float:
        """CPU cores of all nodes."""
        return sum(node.cpus for node in self.nodes)

    @property
    def gpus(self) -> float:
        """GPUs of all nodes."""
        return sum(node.gpus for node in self.nodes)

    def slots(self, resources: ResourceSpec) -> int:
        """Number of trials that run at the same time."""
        return sum(node.slots(resources) for node in self.nodes)

    def scales(self) -> tuple[str, ...]:
        """The scales that `auto` takes here, the best first."""
        if self.gpus == 0:
            return ("laptop",)
        many = len(self.nodes) > 1 or self.gpus >= CLUSTER_GPUS
        return ("cluster", "gpu") if many else ("gpu",)

    def __str__(self) -> str:
        nodes = f", {len(self.nodes)} nodes" if len(self.nodes) > 1 else ""
        return f"{self.cpus:g} CPU cores, {self.gpus:g} GPUs{nodes}"


def this_machine() -> Hardware:
    """Hardware of this host, as a local Ray would see it, without starting one."""
    return Hardware((Node(cpus=cores(), gpus=_visible_gpus()),))


def _visible_gpus() -> int:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = len(gpu_names())
    return found if visible is None else min(found, len([i for i in visible.split(",") if i]))


@contextmanager
def hardware_at(address: str | None) -> Iterator[Hardware]:
    """The hardware for trials; a cluster at an address stays connected, none is started here."""
    if address is None:
        yield this_machine()
        return
    with connected(address):
        yield Resources().hardware()


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Hold a connection to Ray; one that was started here ends with its workers."""
    try:
        connect(address)
        yield
    finally:
        if ray := sys.modules.get("ray"):
            ray.shutdown()  # also what was half started when an interruption came


def connect(address: str | None) -> None:
    """Join the Ray cluster at `address`, or start one here. Raises `InputError`: no answer."""
    if address is not None:
        _require_answer(address)
        _offer_token()
    import ray

    # What Ray's loggers say of trials, the display and the report say better.
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    options = {"logging_level": logging.CRITICAL, "log_to_driver": False}
    with _kept_sigterm():
        if address is None:
            ray.init("local", include_dashboard=False, num_cpus=cores(), **options)
            return
        try:
            ray.init(address=address, runtime_env={"py_modules": _our_packages()}, **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise _no_answer(address, str(error).splitlines()[0]) from None


@contextmanager
def _kept_sigterm() -> Iterator[None]:
    """Keep SIGTERM's handler from Ray; raise `KeyboardInterrupt` if Ray heard one meanwhile."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGTERM, handler)


class Resources:
    """The connected cluster's resources, looked up again as nodes come and go."""

    REFRESH_SECONDS = 5.0

    def __init__(self) -> None:
        self._known: Hardware | None = None
        self._at = 0.0

    def hardware(self) -> Hardware:
        """The resources, at most a few seconds old."""
        if self._known is None or time.monotonic() - self._at > self.REFRESH_SECONDS:
            self._known, self._at = self._look(), time.monotonic()
        return self._known

    @staticmethod
    def _look() -> Hardware:
        import ray

        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return Hardware(tuple(Node(has.get("CPU", 0), has.get("GPU", 0)) for has in alive))


def _require_answer(address: str) -> None:
    """Knock at the address, since Ray itself would wait for minutes."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal() or int(port) > LAST_PORT:
        raise InputError("--address", address, "write HOST:PORT or auto")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, UnicodeError) as error:
        raise _no_answer(address, str(error)) from None


def _offer_token() -> None:
    """Send this host's Ray token where there is one.

    `ray start` asks for it as soon as a local Ray has left one behind, but a driver that joins
    does not offer it by itself. Clusters that ask for none do not mind.
    """
    named = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys()
    if named or (Path.home() / ".ray" / "auth_token").exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def _no_answer(address: str, problem: str) -> InputError:
    return InputError(
        f"--address {address}",
        address,
        "start one with `ray start --head`, correct the address, or leave it out to run here",
        problem=f"is not answered by a Ray cluster ({problem})",
    )


def _our_packages() -> list[object]:
    import hrm
    import puzzle_datasets
    import sweep_platform

    return [hrm, puzzle_datasets, sweep_platform]
