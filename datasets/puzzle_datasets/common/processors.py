"""The processor cores and the memory that this process may use."""

import math
import os
import resource
from contextlib import suppress
from pathlib import Path

CONTROL_GROUPS, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def cores(groups: Path = CONTROL_GROUPS, own: Path = OWN_GROUPS) -> int:
    """Return the whole cores that affinity and the quota of a container leave; at least 1.

    `groups` is where Linux keeps its control groups, `own` tells those of this process.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    allowed = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, math.floor(min([allowed, *_quotas(groups, own)])))


def memory(groups: Path = CONTROL_GROUPS, own: Path = OWN_GROUPS) -> int:
    """Return the bytes that the machine, limits of a process and those of a container leave.

    Whatever others hold of it is not subtracted.
    """
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        limits.append(most)
    for folder in _folders(groups, own):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):  # missing, or "max"
                limits.append(int((folder / name).read_text()))
    return min(limits)


def _quotas(groups: Path, own: Path) -> list[float]:
    """Cores that each control group above this process grants, where it sets a limit."""
    found = []
    for folder in _folders(groups, own):
        # A limit that is missing, or is none ("max", -1), limits nothing.
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = (folder / "cpu.max").read_text().split()
            found.append(int(quota) / int(period))
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = ((folder / f"cpu.cfs_{n}_us").read_text() for n in ("quota", "period"))
            found.append(int(quota) / int(period))
    return [quota for quota in found if quota > 0]


def _folders(groups: Path, own: Path) -> list[Path]:
    """The folders of this process's groups and of those above them, of either version."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = []
    folders = {groups, groups / "cpu", groups / "cpu,cpuacct"}
    for line in lines:
        _, _, named = line.partition(":")
        controllers, _, place = named.partition(":")
        below = Path(place.lstrip("/"))
        for root in {groups, groups / controllers}:
            folders |= {root / part for part in (below, *below.parents)}
    return sorted(folders)
