"""A trial while Ray has it, and who hears of it."""

from dataclasses import dataclass
from typing import Protocol

from hrm.progress import Progress
from sweep_platform.store.messages import Decision, Failure
from sweep_platform.store.trial import Outcome, TrialFolder, TrialRecord


class Display(Protocol):
    """Hears of events in their order, from the driver's one thread; raises nothing."""

    def trial_started(self, record: TrialRecord, resumed: bool = False) -> None:
        """A trial begins, or goes on after an interruption."""

    def trial_measured(self, record: TrialRecord, progress: Progress) -> None:
        """A trial reported a step that it had not reported before."""

    def trial_ended(self, record: TrialRecord, outcome: Outcome) -> None:
        """A trial ended or paused."""

    def note(self, text: str) -> None:
        """Something else that a person wants to know."""


@dataclass
class Live:
    """A trial that Ray has: how far it came, and what was decided on it.

    It `began` with its first report, and is `late` if it is to end for want of time.
    """

    trial: TrialFolder
    record: TrialRecord
    began: bool = False
    late: bool = False
    last: Progress | None = None
    decision: Decision = Decision.CONTINUE
    reason: str = ""
    failure: Failure | None = None

    @property
    def spent(self) -> bool:
        """Whether the training budget is spent."""
        return self.last is not None and self.last.step >= self.last.total_steps
