"""Where the trials of a sweep run, in words: its nodes, what of them is busy, trials on each."""

from collections.abc import Mapping

from puzzle_datasets.common.text import exact
from sweep_platform.execution.cluster import Hardware
from sweep_platform.spec.schema import ResourceSpec

MOST_NAMED = 8
"""Nodes that are named, those with most trials first."""


def load(hardware: Hardware, running: Mapping[str, int], resources: ResourceSpec) -> list[str]:
    """How busy a cluster is, and which node has how many trials; empty for a single node.

    `running` are the trials on each node, by its id.

    >>> from sweep_platform.execution.cluster import Node
    >>> nodes = Node(8, 4, "a", "one"), Node(8, 4, "b", "two")
    >>> load(Hardware(nodes), {"a": 2, "b": 1}, ResourceSpec(gpus=1))
    ['2 nodes, 3 of 8 GPUs busy', 'one 2, two 1']
    """
    nodes = [node for node in hardware.nodes if node.cpus or node.gpus]
    if len(nodes) < 2:
        return []
    trials = sum(running.values())
    what, each, there = "CPU cores", resources.cpus, hardware.cpus
    if resources.gpus:
        what, each, there = "GPUs", resources.gpus, hardware.gpus
    busy = f"{exact(trials * each)} of {exact(there)} {what}"
    nodes.sort(key=lambda node: -running.get(node.id, 0))
    named = [f"{node.host} {running.get(node.id, 0)}" for node in nodes[:MOST_NAMED]]
    more = [f"{len(nodes) - MOST_NAMED} others"] if len(nodes) > MOST_NAMED else []
    return [f"{len(nodes)} nodes, {busy} busy", ", ".join(named + more)]
