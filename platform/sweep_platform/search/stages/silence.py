"""Jobs whose workers show no sign of life, as one that hangs or was stopped."""

import time
from collections.abc import Callable, Mapping

from puzzle_datasets.common.text import seconds
from sweep_platform.search.stages.live import Live
from sweep_platform.store.messages import Failure, Fault

LOOKS = 4
"""Times that one looks for a sign of life while a job is silent."""


class Silence:
    """Finds jobs that have been silent for too long: `patience` seconds, None for never.

    A job is heard of when it gets its place and with each report. Between those it has a `pulse`
    by its key: a text that changes with each sign of life, None before the first.
    """

    def __init__(
        self,
        patience: float | None = None,
        pulse: Callable[[str], str | None] = lambda job: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patience, self._pulse, self._clock = patience, pulse, clock

    def heard(self, live: Live) -> None:
        """Take note of a job that was heard of now."""
        live.heard = live.looked = self._clock()

    def found(self, jobs: Mapping[str, Live]) -> list[str]:
        """The keys of those whose workers are to be ended, each once; their loss says why."""
        if self._patience is None:
            return []
        silent = []
        for key, live in jobs.items():
            if live.heard is None or live.loss is not None:
                continue
            if self._clock() - live.looked > self._patience / LOOKS:
                self._look(live)
            if self._clock() - live.heard > self._patience:
                reason = f"it showed no sign of life for {seconds(self._patience)}"
                live.loss = Failure(reason=reason, fault=Fault.WORKER)
                silent.append(key)
        return silent

    def _look(self, live: Live) -> None:
        """See whether a job has a sign of life that was not seen before."""
        live.looked, pulse = self._clock(), self._pulse(live.job.key)
        if pulse != live.pulse:
            live.pulse, live.heard = pulse, self._clock()
