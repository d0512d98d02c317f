"""The energy that a training takes, in joules, by the counters of the devices themselves.

A GPU's is what NVIDIA's library counts for the whole board since its driver was loaded. A CPU's
is what its packages count (RAPL, of Intel and AMD), which Linux shows below `/sys/class/powercap`,
and to other users than root only where that is allowed. Neither tells who took it: a training is
charged its share of a GPU, or of the host's cores, of all that was taken while it ran, idling
included. That is an estimate wherever it is not alone; memory and power supplies are left out.
"""

import math
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import torch

from hrm.checkpoints.checkpoint import CheckpointError
from puzzle_datasets.common.text import shown

POWERCAP = Path("/sys/class/powercap")
_PACKAGE = re.compile(r"intel-rapl:\d+")
"""Of AMD's processors as well; their parts, such as `intel-rapl:0:1`, are counted in them."""

ENERGY = "energy_joules"
"""The key under which a checkpoint has them; missing where they were not measured."""

METERS = (
    "a GPU's needs the package nvidia-ml-py and a GPU that counts it, a CPU's that "
    "/sys/class/powercap/intel-rapl:*/energy_uj may be read"
)
"""What has to be there, in words."""

LOOK_SECONDS = 10.0
"""Between two looks: a package's counter begins anew after some minutes at full power."""


class Counter(Protocol):
    """Counts the joules of a device, all users together; raises `OSError` where it can't."""

    def joules(self) -> float:
        """Those since it was asked last, or made."""


class Packages:
    """The CPU's packages of this host. Construction raises `OSError` where none can be read."""

    def __init__(self, root: Path = POWERCAP) -> None:
        there = sorted(root.iterdir()) if root.is_dir() else []
        named = (one for one in there if _PACKAGE.fullmatch(one.name))
        self._places = [one for one in named if _text(one / "name").startswith("package")]
        if not self._places:
            raise FileNotFoundError(f"{root} has no package of a CPU")
        self._ranges = [int(_text(one / "max_energy_range_uj")) for one in self._places]
        self._last = self._read()

    def joules(self) -> float:
        """Of all packages; a counter that is lower than before has begun anew once."""
        before, self._last = self._last, self._read()
        each = zip(before, self._last, self._ranges, strict=True)
        return sum(now - then + (most if now < then else 0) for then, now, most in each) / 1e6

    def _read(self) -> list[int]:
        try:
            return [int(_text(one / "energy_uj")) for one in self._places]
        except ValueError as error:
            raise OSError(f"{self._places[0].parent}: a counter is no number") from error


class Gpu:
    """One GPU, by NVIDIA's library. Construction raises `OSError` where it does not count.

    `library` is its Python module, `nvidia-ml-py`, if it is not to be looked for.
    """

    def __init__(self, uuid: str, library: Any = None) -> None:
        try:
            self._library = import_module("pynvml") if library is None else library
            self._library.nvmlInit()
            self._handle = self._library.nvmlDeviceGetHandleByUUID(uuid)
            self._last = self._millijoules()
        except Exception as error:  # it is not installed, or its errors are classes of its own
            raise OSError(f"NVIDIA's library does not count the energy of {uuid}") from error

    def joules(self) -> float:
        """Of the whole board."""
        before, self._last = self._last, self._millijoules()
        return max(0, self._last - before) / 1e3

    def _millijoules(self) -> int:
        try:
            return int(self._library.nvmlDeviceGetTotalEnergyConsumption(self._handle))
        except Exception as error:
            raise OSError("NVIDIA's library does not answer") from error


def counter_of(device: torch.device) -> Counter | None:
    """The counter of a device; None where there is none that can be read."""
    try:
        if device.type == "cpu":
            return Packages()
        return Gpu(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
    except (OSError, ValueError, AttributeError):
        return None


def gpus_count(library: Any = None) -> bool:
    """Whether the first GPU of this host counts its energy, asked without torch."""
    try:
        found = import_module("pynvml") if library is None else library
        found.nvmlInit()
        handle = found.nvmlDeviceGetHandleByIndex(0)
        return int(found.nvmlDeviceGetTotalEnergyConsumption(handle)) >= 0
    except Exception:  # its errors are classes of its own
        return False


def share_of_cores(threads: int) -> float:
    """The part of a host's cores that so many threads take, at most all of it."""
    return min(1.0, threads / (os.cpu_count() or threads))


class Energy:
    """Adds up what a training takes: a `share` of what its device's counter tells.

    `joules` is None where that is not known for the whole of it: no counter could be read, on this
    host or on a former one.
    """

    def __init__(
        self,
        counter: Counter | None,
        share: Callable[[], float] = lambda: 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counter, self._share, self._clock = counter, share, clock
        self.joules: float | None = None if counter is None else 0.0
        self._looked = clock()

    def begin(self) -> None:
        """Leave out what others took up to now."""
        self._take()

    def look(self) -> None:
        """Add what was taken since the last look, if that is a while ago."""
        if self._clock() - self._looked >= LOOK_SECONDS:
            self.add()

    def add(self) -> None:
        """Add what was taken since the last look."""
        if (taken := self._take()) is not None and self.joules is not None:
            self.joules += self._share() * taken

    def _take(self) -> float | None:
        self._looked = self._clock()
        if self._counter is None or self.joules is None:
            return None
        try:
            return self._counter.joules()
        except OSError:
            self.joules = None
            return None


def total(each: Sequence[float | None]) -> float | None:
    """What several processes took together; None where that of one is not known."""
    known = [one for one in each if one is not None]
    return sum(known) if len(known) == len(each) else None


def energy_of(path: Path, state: Mapping[str, object]) -> float | None:
    """What the training of a saved state has taken; None where that was not measured.

    Raises `CheckpointError` where it is no such number.
    """
    found = state.get(ENERGY)
    if found is not None and not (type(found) is float and 0 <= found < math.inf):
        problem = f"holds another state than its settings say: {ENERGY} is {shown(found)}"
        raise CheckpointError.of(path, problem, "restore another one")
    return found


def _text(file: Path) -> str:
    return file.read_text(encoding="ascii", errors="replace").strip()
