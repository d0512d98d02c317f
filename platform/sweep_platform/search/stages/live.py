"""Jobs, and those that Ray has; who hears of them."""

from dataclasses import dataclass
from typing import Protocol

from hrm.progress import Progress
from sweep_platform.store.messages import Decision, Failure
from sweep_platform.store.replicate import Purpose, Replicate
from sweep_platform.store.trial import Outcome, ReplicateFolder, TrialFolder, TrialRecord


@dataclass(frozen=True, kw_only=True)
class Job:
    """What Ray places: one replicate of a trial, one `of` so many for that purpose."""

    trial: TrialFolder
    record: TrialRecord
    replicate: Replicate
    of: int = 1

    @property
    def folder(self) -> ReplicateFolder:
        """The folder of the replicate."""
        return self.trial.replicate(self.replicate.label)

    @property
    def key(self) -> str:
        """Names the job within its sweep, as its replicate is named."""
        return self.folder.key

    @property
    def words(self) -> str:
        """Names the job in a sentence: "trial 3 replicate 0", or "trial 3" where it is all."""
        return f"trial {self.record.number}{'' if self.is_all else f' {self.replicate.words}'}"

    @property
    def is_all(self) -> bool:
        """Whether the trial is measured by this job alone."""
        return self.of == 1 and self.replicate.purpose is Purpose.MEASURE


class Display(Protocol):
    """Hears of events in their order, from the driver's one thread; raises nothing."""

    def job_started(self, job: Job, resumed: bool = False) -> None:
        """A replicate begins, or goes on after an interruption."""

    def job_measured(self, job: Job, progress: Progress) -> None:
        """A replicate reported a step that it had not reported before."""

    def job_ended(self, job: Job, outcome: Outcome) -> None:
        """A replicate ended or paused."""

    def trial_ended(self, record: TrialRecord, outcome: Outcome) -> None:
        """All replicates of a trial have ended."""

    def note(self, text: str) -> None:
        """Something else that a person wants to know."""


@dataclass(frozen=True)
class Place:
    """Where a job runs: the node by Ray's id of it, and the host's name for people."""

    node: str
    host: str


@dataclass
class Live:
    """A job that Ray has: how far it came, and what was decided on it.

    It is not placed on the nodes in `shunned`; it runs at `place`, once it has one, `began` with
    its first report, and is `late` if it is to end for want of time. `loss` is why its work broke
    off, where its worker or the driver knows. It was `heard` of last at a time by the clock, where
    it has a place, and when one `looked` last it had that `pulse`.
    """

    job: Job
    folder: ReplicateFolder
    shunned: frozenset[str] = frozenset()
    place: Place | None = None
    loss: Failure | None = None
    heard: float | None = None
    looked: float = 0.0
    pulse: str | None = None
    began: bool = False
    late: bool = False
    last: Progress | None = None
    decision: Decision = Decision.CONTINUE
    reason: str = ""
    failure: Failure | None = None

    @property
    def spent(self) -> bool:
        """Whether the training budget is spent."""
        return self.last is not None and self.last.spent
