"""The processes that torchrun started: who they are, how they meet, and which of them speaks.

The first process speaks for all. Another one speaks only of an error of its own that the first
has not reported within a few seconds.
"""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from hrm.config import ConfigError
from hrm.distributed import SINGLE, LostProcess, ProcessGroup
from puzzle_datasets.common.exit_status import DONE, INTERRUPTED, complain

PATIENCE = timedelta(minutes=10)
"""A process waits this long for another that is alive but silent, then gives the run up."""

REPORT_SECONDS = 5.0
"""A process with an error waits this long for the first process to report one."""

FAREWELL_SECONDS = 1.0
"""By how much the other processes outlive a first process that reported an error."""

REPORTED = "hrm/reported"

_DIGITS = 9


@dataclass
class Processes:
    """This process among those of its run; alone where torchrun started none.

    `local_rank` is its number on this machine, which is that of its GPU; `store` is where the
    processes meet, None for a process alone.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    store: Any = None

    @classmethod
    def found(cls, environment: Mapping[str, str] = os.environ) -> "Processes":
        """Those of the environment, met. Raises `ConfigError` where that fails."""
        size = _whole(environment, "WORLD_SIZE", 1)
        if size <= 1:
            return cls()
        rank, local_rank = (_whole(environment, name, 0) for name in ("RANK", "LOCAL_RANK"))
        for name, number in (("RANK", rank), ("LOCAL_RANK", local_rank)):
            if number >= size:
                problem = f"the variable {name} is {number} of {size} processes"
                raise ConfigError.of(None, problem, "start them with torchrun", number)
        try:
            store, _, _ = next(rendezvous("env://", rank, size, timeout=PATIENCE))
        except (ValueError, RuntimeError) as error:
            problem = f"{size} processes could not meet ({error})"
            raise ConfigError.of(None, problem, "start them with torchrun", size) from error
        return cls(rank, size, local_rank, store)

    def device_name(self, name: str) -> str:
        """The name of this process's own device: of several, each takes a GPU of its own."""
        if name == "auto" and torch.cuda.is_available():
            name = "cuda"
        return f"cuda:{self.local_rank}" if name == "cuda" and self.size > 1 else name

    def connect(self, device: torch.device) -> ProcessGroup:
        """The group in which tensors of `device` can be summed; all processes must call it.

        Raises:
            ConfigError: one GPU is named for several processes.
            LostProcess: another process can't be reached.
        """
        if self.size == 1:
            return SINGLE
        backend = "gloo"
        if device.type == "cuda":
            if device.index != self.local_rank:
                problem = f"is '{device}' for {self.size} processes"
                raise ConfigError.of("device", problem, "give cuda", str(device))
            torch.cuda.set_device(device)
            backend = "nccl"
        try:
            dist.init_process_group(
                backend, store=self.store, rank=self.rank, world_size=self.size, timeout=PATIENCE
            )
        except RuntimeError as error:
            first_line = str(error).partition("\n")[0].rstrip(".")
            raise LostProcess(f"{self.size} processes could not connect ({first_line})") from error
        return ProcessGroup(self.rank, self.size)

    def report(self, program: str, text: str) -> None:
        """Report an error for all processes, or for this one where the first is silent."""
        if self.rank == 0:
            complain(program, text)
            if self.store is not None:
                self.store.set(REPORTED, "1")
        elif self._heard():
            # Whoever watches takes the first to end for the one at fault.
            time.sleep(FAREWELL_SECONDS)
        else:
            complain(f"{program} (process {self.rank})", text)

    def leave(self, status: int) -> None:
        """Part from the others; after a failure there may be none to part from."""
        if dist.is_initialized() and status in (DONE, INTERRUPTED):
            dist.destroy_process_group()

    def _heard(self) -> bool:
        """Return True if the first process has reported an error, or does so soon."""
        until = time.monotonic() + REPORT_SECONDS
        with suppress(RuntimeError):  # the store is the first process's and may go with it
            # Asking again and again is silent; torch warns where its own wait runs out.
            while time.monotonic() < until:
                if self.store.check([REPORTED]):
                    return True
                time.sleep(0.1)
        return False


def _whole(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default))
    if not text.isdecimal() or len(text) > _DIGITS:
        problem = f"the variable {name} is {text!r}"
        raise ConfigError.of(None, problem, "start with torchrun, or unset it", text)
    return int(text)
