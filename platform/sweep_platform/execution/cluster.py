"""The hardware that trials may be placed on, here or in a cluster."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile

from puzzle_datasets.common.processors import cores
from puzzle_datasets.common.text import exact
from sweep_platform.common.environment import gpu_names
from sweep_platform.execution.connection import connected
from sweep_platform.spec.schema import ResourceSpec

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


def in_words(cpus: float, gpus: float) -> str:
    """Resources as people read them: "1 CPU core, 0 GPUs"."""
    cores, cards = "core" if cpus == 1 else "cores", "GPU" if gpus == 1 else "GPUs"
    return f"{exact(cpus)} CPU {cores}, {exact(gpus)} {cards}"


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
        return f"{in_words(self.cpus, self.gpus)}{nodes}"


def this_machine() -> Hardware:
    """Hardware of this host, as a local Ray would see it, without starting one."""
    return Hardware((Node(cpus=cores(), gpus=_visible_gpus()),))


def _visible_gpus() -> int:
    """GPUs that CUDA would see: the list ends at its first entry that is none, such as -1."""
    visible, found = os.environ.get("CUDA_VISIBLE_DEVICES"), len(gpu_names())
    if visible is None:
        return found
    listed = takewhile(_names_a_gpu, (one.strip() for one in visible.split(",") if one.strip()))
    return min(found, len(list(listed)))


def _names_a_gpu(entry: str) -> bool:
    return entry.isdecimal() or entry.startswith(("GPU-", "MIG-"))


@contextmanager
def hardware_at(address: str | None) -> Iterator[Hardware]:
    """The hardware for trials; a cluster at an address stays connected, none is started here."""
    if address is None:
        yield this_machine()
        return
    with connected(address):
        yield Resources().hardware()


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
