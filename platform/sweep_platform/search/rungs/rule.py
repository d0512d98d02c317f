"""The rule by which trials are stopped at rungs: asynchronous successive halving.

All trials of a sweep spend the same training FLOPs, so a rung is a share of that budget. Trials
reach it one after another; each is compared, on arrival, with those that came before (arXiv
1810.05934, with Pareto fronts for several objectives).

A cost (FLOPs, weights, device-seconds) is no evidence against a trial: it does not tell what the
trial may still learn. So a trial beats another only if it is no worse in every objective and
strictly better in *quality*: the dearer of two trials without any solved puzzle goes on.
"""

from dataclasses import dataclass
from typing import Protocol

from sweep_platform.search.rungs.fronts import Fronts, Values
from sweep_platform.spec.schema import RungSpec
from sweep_platform.store.messages import Decision


class StoppingRule(Protocol):
    """Decides at rungs who goes on.

    The ledger calls, from the driver's one thread, once for each trial and rung, and keeps what
    was decided: a rule has no state of its own, so that a restart changes no decision that was
    taken. Where trials are compared by what is learnt from those that ended, those that come
    after a restart may be compared by what a few more have taught. It raises nothing.
    """

    def at(self, step: int, total_steps: int) -> float | None:
        """The rung that lies at this step of so many, None between rungs."""

    def decide(self, values: Values, earlier: Fronts) -> Decision:
        """Decide on a trial with these objectives, given those who came earlier."""


@dataclass(frozen=True)
class SuccessiveHalving:
    """Stops trials that are beaten by too many of those at their rung.

    `spec` says where the rungs are, what share goes on, and how many must have come.
    """

    spec: RungSpec

    def at(self, step: int, total_steps: int) -> float | None:
        """The rung that lies at this step (the highest of several), None between rungs.

        A rung's step is rounded as the trainer rounds the steps at which it evaluates.
        """
        here = (r for r in self.spec.at if max(1, round(r * total_steps)) == step)
        return max(here, default=None)

    def decide(self, values: Values, earlier: Fronts) -> Decision:
        """STOP a trial unless it is among the best share of those that reached its rung."""
        count = len(earlier) + 1
        if count < self.spec.minimum:
            return Decision.CONTINUE
        among_the_best = earlier.before(values) < max(1.0, self.spec.keep * count)
        return Decision.CONTINUE if among_the_best else Decision.STOP
