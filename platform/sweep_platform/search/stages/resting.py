"""Jobs that rest between a loss and their next turn."""

from collections.abc import Callable, Iterator

from sweep_platform.search.stages.live import Job
from sweep_platform.store.trial import TrialFolder


class Resting:
    """Keeps jobs until their rest is over, by a clock in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: list[tuple[float, Job]] = []

    def __len__(self) -> int:
        return len(self._until)

    def __iter__(self) -> Iterator[Job]:
        return iter([job for _, job in self._until])

    def add(self, job: Job, seconds: float) -> None:
        """Let a job rest."""
        self._until.append((self._clock() + seconds, job))

    def woken(self, trial: TrialFolder | None = None, everything: bool = False) -> list[Job]:
        """Take out the jobs that have rested; those of a trial, or all, in any case."""
        now = self._clock()
        over = [
            (until, job)
            for until, job in self._until
            if everything or until <= now or job.trial is trial
        ]
        self._until = [one for one in self._until if one not in over]
        return [job for _, job in over]
