"""The hardware that trials may be placed on, here or in a cluster."""

import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile

from puzzle_datasets.common.processors import cores
from puzzle_datasets.common.text import exact
from sweep_platform.common.environment import gpu_names
from sweep_platform.execution.connection import connected
from sweep_platform.execution.private import leaving_nodes
from sweep_platform.search.losses import Hosts
from sweep_platform.spec.schema import ResourceSpec

CLUSTER_GPUS = 8
"""From this many GPUs on, `--scale auto` takes the scale `cluster`."""


@dataclass(frozen=True)
class Node:
    """One host: CPU cores and GPUs; in a cluster also Ray's id of it, and its name.

    One that is `leaving`, as after a spot notice, takes no more trials. Of its GPUs it has these
    `kinds`, as Ray names them.
    """

    cpus: float
    gpus: float
    id: str = ""
    host: str = ""
    leaving: bool = False
    kinds: frozenset[str] = frozenset()

    def slots(self, resources: ResourceSpec) -> int:
        """Number of trials that run here at the same time; a trial does not span hosts or GPUs."""
        wanted = resources.accelerator_type
        if self.leaving or (wanted is not None and wanted not in self.kinds):
            return 0
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

    def slots(self, resources: ResourceSpec, avoided: Collection[str] = ()) -> int:
        """Number of trials that run at the same time, none of them on nodes that are avoided."""
        return sum(node.slots(resources) for node in self.nodes if node.id not in avoided)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of GPUs, as Ray names them."""
        return frozenset().union(*(node.kinds for node in self.nodes))

    def of_kind(self, kind: str | None) -> "Hardware":
        """The nodes that have this kind of GPU, or all for None."""
        return Hardware(tuple(one for one in self.nodes if kind is None or kind in one.kinds))

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


_KIND = "accelerator_type:"


class Resources:
    """The connected cluster's resources, looked up again as nodes come and go."""

    REFRESH_SECONDS = 1.0

    def __init__(self) -> None:
        self._known: Hardware | None = None
        self._at = 0.0
        self._hosts: tuple[Hardware, Hosts] | None = None

    def hardware(self) -> Hardware:
        """The resources, about a second old at most."""
        if self._known is None or time.monotonic() - self._at > self.REFRESH_SECONDS:
            self._known, self._at = nodes(), time.monotonic()
        return self._known

    @property
    def last_known(self) -> Hardware:
        """The resources as they were when they were looked up last; Ray is not asked."""
        return self._known or Hardware(())

    def hosts(self, resources: ResourceSpec) -> Hosts:
        """The nodes with a place for a trial, and those that leave the cluster."""
        now = self.hardware()
        if self._hosts is None or self._hosts[0] is not now:  # it is asked many times a second
            usable = {node.id: node.host for node in now.nodes if node.slots(resources)}
            leaving = frozenset(node.id for node in now.nodes if node.leaving)
            self._hosts = now, Hosts(usable, leaving)
        return self._hosts[1]


def accelerator_resource(kind: str) -> str:
    """What Ray calls a resource that only hosts with this kind of GPU have."""
    return f"{_KIND}{kind}"


def nodes() -> Hardware:
    """What Ray knows of the living nodes of its cluster now."""
    import ray

    leaving = leaving_nodes()
    return Hardware(
        tuple(
            Node(
                cpus=node["Resources"].get("CPU", 0),
                gpus=node["Resources"].get("GPU", 0),
                id=node["NodeID"],
                host=node["NodeManagerHostname"],
                leaving=node["NodeID"] in leaving,
                kinds=frozenset(
                    name.removeprefix(_KIND)
                    for name in node["Resources"]
                    if name.startswith(_KIND)
                ),
            )
            for node in ray.nodes()
            if node["Alive"]
        )
    )
