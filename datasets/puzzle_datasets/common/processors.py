"""The processor cores that this process may use."""

import math
import os
from collections.abc import Sequence
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


def _quotas(groups: Path, own: Path) -> list[float]:
    """Cores that each control group above this process grants, where it sets a limit."""
    found = []
    for folder in control_groups(groups, own, ("cpu", "cpu,cpuacct")):
        # A limit that is missing, or is none ("max", -1), limits nothing.
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = (folder / "cpu.max").read_text().split()
            found.append(int(quota) / int(period))
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = ((folder / f"cpu.cfs_{n}_us").read_text() for n in ("quota", "period"))
            found.append(int(quota) / int(period))
    return [quota for quota in found if quota > 0]


def control_groups(groups: Path, own: Path, controllers: Sequence[str]) -> list[Path]:
    """Return the folders of this process's groups and of those above them, of either version.

    They are `groups` itself too, where Linux keeps them, and there the folders of `controllers`;
    the file `own` tells those of this process.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = []
    folders = {groups, *(groups / name for name in controllers)}
    for line in lines:
        _, _, named = line.partition(":")
        mounted, _, place = named.partition(":")
        below = Path(place.lstrip("/"))
        for root in {groups, groups / mounted}:
            folders |= {root / part for part in (below, *below.parents)}
    return sorted(folders)
