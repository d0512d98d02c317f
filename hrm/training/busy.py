"""How busy a device is: a GPU by NVIDIA's library, a CPU by the time that its threads ran."""

import time
from contextlib import suppress

import torch


class Busy:
    """The share of the time that a device was busy, from one question to the next."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._at, self._ran = time.perf_counter(), time.process_time()

    def share(self) -> float | None:
        """From 0 to 1: of this process's threads on a CPU, of a GPU's last moments.

        None where NVIDIA's library can't be asked.
        """
        if self._device.type != "cpu":
            return _of_gpu(self._device)
        at, ran = time.perf_counter(), time.process_time()
        could = (at - self._at) * torch.get_num_threads()
        busy = (ran - self._ran) / could if could > 0 else 0.0
        self._at, self._ran = at, ran
        return min(1.0, max(0.0, busy))


def _of_gpu(device: torch.device) -> float | None:
    with suppress(Exception):  # the library is not there, or of another driver
        return min(1.0, torch.cuda.utilization(device) / 100)
    return None
