"""Whether a session is to end before its work is done."""

from collections.abc import Callable

from sweep_platform.plan.budget import Budget


class Halt:
    """Ends a session early: it is interrupted, it halts, or its budget is spent.

    It has `halted` where the machine or the records failed, not the trials; that is said once, and
    counts as an interruption.
    """

    def __init__(self, budget: Budget, say: Callable[[str], None]) -> None:
        self._budget, self._say = budget, say
        self.interrupted = self.halted = False

    @property
    def ending(self) -> bool:
        """Whether the session is to end before its work is done."""
        return self.interrupted or self._budget.exhausted is not None

    def __call__(self, reason: str) -> None:
        """End the session soon; what runs goes on at resume."""
        if not self.halted:
            self._say(f"the session ends, and --resume goes on: {reason}")
        self.halted = self.interrupted = True
