"""The load of the machine that the driver runs on, as MLflow names it, for the sweep's run."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.entities import Metric

_PERIOD = 10.0
"""Seconds between two looks, as MLflow's own."""


class MachineLoad:
    """Looks at processors, memory, disk, network and NVIDIA's GPUs, at most every ten seconds."""

    def __init__(self) -> None:
        self._monitors: Sequence[Any] = ()
        self._looked, self._step = float("-inf"), 0

    def metrics(self) -> "list[Metric]":
        """MLflow's system metrics, after ten seconds; their steps are the Unix time in s."""
        from mlflow.entities import Metric

        if time.monotonic() - self._looked < _PERIOD:
            return []
        self._looked, now = time.monotonic(), time.time()
        self._monitors = self._monitors or _monitors()
        found: dict[str, float] = {}
        for monitor in self._monitors:
            with suppress(Exception):  # a look that fails is no reason to send nothing
                monitor.collect_metrics()
                found |= monitor.aggregate_metrics()
            monitor.clear_metrics()
        stamp = int(now * 1000)
        return [Metric(f"system/{key}", value, stamp, int(now)) for key, value in found.items()]


def _monitors() -> Sequence[Any]:
    """MLflow's monitors of what there is; without NVIDIA's library or a GPU, none of that."""
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    found: list[Any] = []
    for monitor in (CPUMonitor, DiskMonitor, NetworkMonitor, GPUMonitor):
        with suppress(Exception):  # what it watches is not there, or can't be read here
            found.append(monitor())
    return found
