"""The rule by which trials go on from rungs: asynchronous successive halving.

All trials of a sweep spend the same training FLOPs, so a rung is a share of that budget. Trials
reach it one after another; each is compared, on arrival, with those that came before (arXiv
1810.05934, with Pareto fronts for several objectives). One that is not among the best there ends,
or it pauses: then it is compared again whenever others have come, and promoted if it is by then.

A cost (FLOPs, weights, device-seconds) is no evidence against a trial: it does not tell what the
trial may still learn. So a trial beats another only if it is no worse in every objective and
strictly better in *quality*: the dearer of two trials without any solved puzzle goes on.
"""

from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Protocol

from sweep_platform.search.rungs.fronts import Fronts, Values
from sweep_platform.spec.schema import RungSpec
from sweep_platform.store.messages import Decision


class RungRule(Protocol):
    """Decides at rungs who goes on.

    The ledger calls, from the driver's one thread, and keeps what was decided: a rule has no state
    of its own, so that a restart changes no decision that was taken. It decides once on each trial
    that comes to a rung, and of those that it paused again whenever others have come. Where trials
    are compared by what is learnt from those that ended, those that come after a restart may be
    compared by what a few more have taught. It raises nothing.
    """

    def at(self, step: int, total_steps: int) -> float | None:
        """The rung that lies at this step of so many, None between rungs."""

    def decide(self, values: Values, earlier: Fronts) -> Decision:
        """Decide on a trial with these objectives, given those who came earlier."""

    def promotes(self, there: Fronts, last: bool = False) -> int:
        """How many of all fronts at a rung, the first ones, have those who go on from there.

        With `last` no other trial will come.
        """


@dataclass(frozen=True)
class SuccessiveHalving:
    """Stops or pauses trials that are beaten by too many of those at their rung.

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
        """CONTINUE a trial that is among the best share of those that reached its rung.

        Before enough have come all go on, or, where they may be promoted later, all pause.
        """
        pauses, count = self.spec.rule == "promotion", len(earlier) + 1
        weak = Decision.PAUSE if pauses else Decision.STOP
        if count < self.spec.minimum:
            return weak if pauses else Decision.CONTINUE
        among_the_best = earlier.before(values) < max(1.0, self.spec.keep * count)
        return Decision.CONTINUE if among_the_best else weak

    def promotes(self, there: Fronts, last: bool = False) -> int:
        """The fronts that hold the best share of all at a rung; if not `last`, of enough."""
        if not last and len(there) < self.spec.minimum:
            return 0
        before = accumulate((len(front) for front in there), initial=0)
        most = max(1.0, self.spec.keep * len(there))
        return sum(1 for _ in takewhile(lambda count: count < most, before))
