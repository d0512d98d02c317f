"""Between two steps of training: is a checkpoint due, is the run to stop?

All processes of a group must answer alike, so they ask each other; that makes them wait for their
devices. A process alone polls before every step, several about once a second.
"""

import time
from collections.abc import Callable

import torch

from hrm.distributed import ProcessGroup

POLL_SECONDS = 1.0
"""Several processes ask each other about this often."""

CHECKPOINT_SHARE = 0.05
"""Writing checkpoints takes at most about this share of a run's time."""


class Watch:
    """Answers the same in every process of `group`, which must all `poll` at the same steps.

    A checkpoint is due every `seconds` by the first process's clock, less often where writing
    takes long, at every step for 0. The run stops if `stop` says so in any process.
    """

    def __init__(
        self, group: ProcessGroup, device: torch.device, seconds: float, stop: Callable[[], bool]
    ) -> None:
        self.group, self.device, self.seconds = group, device, seconds
        self._stop = stop
        self._due = time.monotonic() + seconds
        self._looked = time.monotonic()
        self._stride = self._steps_left = 1

    def poll(self) -> tuple[bool, bool]:
        """Return whether a checkpoint is due and whether to stop, before the next step."""
        overdue = time.monotonic() > self._due
        if self.group.size == 1:
            return overdue, self._stop()
        self._steps_left -= 1
        if self._steps_left > 0:
            return False, False
        first = self.group.rank == 0
        own = [first * overdue, self._stop(), first * self._next_stride()]
        answers = torch.tensor(own, dtype=torch.float64, device=self.device)
        save, stop, stride = self.group.sum_(answers).tolist()
        self._stride = self._steps_left = int(stride)
        self._looked = time.monotonic()
        return bool(save), bool(stop)

    def saved(self, began: float) -> None:
        """A checkpoint was begun at `began`, by the monotonic clock, and is now written."""
        took = time.monotonic() - began
        self._due = began + (max(self.seconds, took / CHECKPOINT_SHARE) if self.seconds else 0)

    def _next_stride(self) -> int:
        """Steps until the next look, from how long the last ones took; at most twice as many."""
        if self.seconds == 0:
            return 1
        seconds_per_step = max(1e-9, (time.monotonic() - self._looked) / self._stride)
        return max(1, min(2 * self._stride, int(POLL_SECONDS / seconds_per_step)))
