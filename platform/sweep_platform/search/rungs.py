"""Rungs: milestones of training FLOPs at which weak trials are stopped.

All trials of a sweep spend the same training FLOPs, so a rung is a share of that budget. Trials
reach it one after another; each is compared, on arrival, with those that came before
(asynchronous successive halving, arXiv 1810.05934, with Pareto fronts for several objectives).

A cost (FLOPs, weights, device-seconds) is no evidence against a trial: it does not tell what the
trial may still learn. So a trial beats another only if it is no worse in every objective and
strictly better in *quality*: the dearer of two trials without any solved puzzle goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sweep_platform.spec.metrics import QUALITY, direction
from sweep_platform.spec.schema import RungSpec

Values = tuple[float, ...]


@dataclass(frozen=True)
class Rungs:
    """Decides who goes on; holds no state but what it is asked about.

    Attributes:
        spec: where the rungs are, what share goes on, how many must have come.
        objectives: names of the values, in their order.
    """

    spec: RungSpec
    objectives: tuple[str, ...]

    def at(self, step: int, total_steps: int) -> float | None:
        """The rung that lies at this step (the highest of several), None between rungs.

        A rung's step is rounded as the trainer rounds the steps at which it evaluates.
        """
        here = (r for r in self.spec.at if max(1, round(r * total_steps)) == step)
        return max(here, default=None)

    def goes_on(self, values: Values, earlier: Sequence[Values]) -> bool:
        """Whether a trial with these values at a rung goes on, given those who came earlier."""
        at_rung = [values, *earlier]
        if len(at_rung) < self.spec.minimum:
            return True
        better = sum(len(front) for front in self._fronts_before(values, at_rung))
        return better < max(1.0, self.spec.keep * len(at_rung))

    def _fronts_before(self, values: Values, at_rung: list[Values]) -> list[list[Values]]:
        """The successive unbeaten sets, up to the one that `values` belongs to."""
        fronts: list[list[Values]] = []
        rest = at_rung
        while True:
            front = [one for one in rest if not any(self.beats(other, one) for other in rest)]
            if values in front:
                return fronts
            fronts.append(front)
            rest = [one for one in rest if one not in front]

    def beats(self, one: Values, other: Values) -> bool:
        """Whether `one` is no worse throughout and strictly better in quality."""
        gains = self._gains(one, other)
        quality = [g for g, name in zip(gains, self.objectives, strict=True) if name in QUALITY]
        return min(gains) >= 0 and max(quality, default=0) > 0

    def _gains(self, one: Values, other: Values) -> list[float]:
        signs = [1 if direction(name) == "maximize" else -1 for name in self.objectives]
        return [s * (a - b) for s, a, b in zip(signs, one, other, strict=True)]
