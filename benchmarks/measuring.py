"""What all benchmarks print alike: when and where they ran, and how far the rounds spread."""

import os
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

CPU_INFO = Path("/proc/cpuinfo")


def conditions(*packages: str) -> str:
    """Return the date, the processor, and the versions of Python and of some packages."""
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    load = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {_processor()}, {os.cpu_count()} CPUs (load {load:.1f} at "
        f"the start); Python {platform.python_version()}, {versions}."
    )


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Return the median and the range of some rounds."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def as_in_training() -> None:
    """Make the allocator keep its memory, as it does in a process that trains.

    glibc hands memory back to the system, and pays for each page when it takes it again, until it
    has seen something larger freed.
    """
    torch.ones(31 * 2**20, dtype=torch.uint8)


def _processor() -> str:
    lines = CPU_INFO.read_text().splitlines() if CPU_INFO.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
