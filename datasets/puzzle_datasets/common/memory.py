"""The main memory that this process may use."""

import mmap
import os
import resource
from contextlib import suppress
from pathlib import Path

from puzzle_datasets.common.processors import CONTROL_GROUPS, OWN_GROUPS, control_groups

INFORMATION = Path("/proc/meminfo")


def memory(
    groups: Path = CONTROL_GROUPS, own: Path = OWN_GROUPS, information: Path = INFORMATION
) -> int:
    """Return the bytes that the machine, its swap, and limits of a container or process leave.

    Whatever others hold of them is not subtracted. `groups` is where Linux keeps its control
    groups, `own` tells those of this process, and `information` how large swap is.
    """
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    found = min([physical, *_limits(groups, own)]) + _swap(information)
    return found if most == resource.RLIM_INFINITY else min(found, most)


def reservable(count: int) -> bool:
    """Return True if the system grants this process `count` bytes more; none of them is used."""
    with suppress(OSError, OverflowError):
        mmap.mmap(-1, count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
        return True
    return False


def _limits(groups: Path, own: Path) -> list[int]:
    """Bytes that each control group above this process grants, where it sets a limit."""
    found = []
    for folder in control_groups(groups, own, ("memory",)):
        for name in ("memory.max", "memory.limit_in_bytes"):
            # One that is missing, or is none ("max", -1), limits nothing.
            with suppress(OSError, ValueError):
                found.append(int((folder / name).read_text()))
    return [limit for limit in found if limit > 0]


def _swap(information: Path) -> int:
    with suppress(OSError, ValueError):
        for line in information.read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == "SwapTotal":
                return 1024 * int(rest.removesuffix("kB"))
    return 0
