"""The way of decisions to a worker while it trains, wherever in the cluster it is.

Ray Tune hands a trainable nothing between two reports, so decisions go through the key-value table
of Ray's control store: the driver writes, workers look every fifth of a second (0.35 ms a look).
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress

from sweep_platform.store.messages import Decision

LOOK_SECONDS = 0.2
BEAT_SECONDS = 5.0
"""A worker shows a sign of life this often at most."""

PULSE = "/pulse"
_NAMESPACE = "hrm-sweep"


class DecisionChannel:
    """Decisions on the jobs of one session, by their keys; the session names the channel."""

    def __init__(self, name: str) -> None:
        self.name = name

    def send(self, job: str, decision: Decision) -> None:
        """Let the worker of a job know; CONTINUE forgets what was decided. The driver calls."""
        from ray.experimental import internal_kv

        if decision is Decision.CONTINUE:
            for key in (self._key(job), self._key(job, PULSE)):
                internal_kv._internal_kv_del(key, namespace=_NAMESPACE)
            return
        value = decision.value.encode()
        internal_kv._internal_kv_put(self._key(job), value, True, namespace=_NAMESPACE)

    def read(self, job: str) -> Decision:
        """Return the newest decision on a job; CONTINUE where there is none. A worker calls.

        A control store that does not answer has decided nothing: the job goes on, and whether
        its worker is lost is for Ray to find out.
        """
        from ray.exceptions import RayError
        from ray.experimental import internal_kv

        try:
            value = internal_kv._internal_kv_get(self._key(job), namespace=_NAMESPACE)
        except RayError:
            return Decision.CONTINUE
        return Decision.CONTINUE if value is None else Decision(value.decode())

    def beat(self, job: str, count: int) -> None:
        """Show a sign of life, the so-manieth of a job. A worker calls; nobody may hear."""
        from ray.exceptions import RayError
        from ray.experimental import internal_kv

        with suppress(RayError):
            value = f"{os.getpid()} {count}".encode()
            internal_kv._internal_kv_put(self._key(job, PULSE), value, True, namespace=_NAMESPACE)

    def pulse(self, job: str) -> str | None:
        """A job's last sign of life: another text each time. The driver calls."""
        from ray.experimental import internal_kv

        value = internal_kv._internal_kv_get(self._key(job, PULSE), namespace=_NAMESPACE)
        return None if value is None else str(value.decode())

    def _key(self, job: str, what: str = "") -> bytes:
        return f"{self.name}/{job}{what}".encode()


class DecisionWatch:
    """Says whether a worker is to end its trial, and looks no more often than it has to.

    `decision` is what it saw last.
    """

    def __init__(
        self, read: Callable[[], Decision], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read, self._clock = read, clock
        self.decision = Decision.CONTINUE
        self._next = 0.0

    def __call__(self) -> bool:
        """Whether the driver wants the trial to end; it is asked between two steps."""
        if self.decision is Decision.CONTINUE and self._clock() >= self._next:
            self.look()
        return self.decision is not Decision.CONTINUE

    def look(self) -> None:
        """Look now, as after a report, which the driver may have decided on."""
        self.decision = self._read()
        self._next = self._clock() + LOOK_SECONDS


class Pulse:
    """Shows signs of life of a worker, and no more often than is of use."""

    def __init__(
        self, beat: Callable[[int], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._beat, self._clock = beat, clock
        self._count, self._next = 0, clock() + BEAT_SECONDS

    def __call__(self) -> None:
        """Show that something has been done: a step, or a batch of an evaluation."""
        if self._clock() >= self._next:
            self._count, self._next = self._count + 1, self._clock() + BEAT_SECONDS
            self._beat(self._count)
