"""Rungs: milestones of training FLOPs at which trials are compared and weak ones are stopped.

All trials of a sweep spend the same training FLOPs, so a rung is a share of that budget. Trials
reach it one after another; each is compared, on arrival, with those that came before
(asynchronous successive halving, arXiv 1810.05934, with Pareto fronts for several objectives).

A cost (FLOPs, weights, device-seconds) is no evidence against a trial: it does not tell what the
trial may still learn. So a trial beats another only if it is no worse in every objective and
strictly better in *quality*: the dearer of two trials without any solved puzzle goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hrm.progress import Progress
from sweep_platform.search.study import Study
from sweep_platform.spec.metrics import QUALITY, direction, objective_values
from sweep_platform.spec.schema import RungSpec
from sweep_platform.store.messages import Decision
from sweep_platform.store.trial import TrialFolder

Values = tuple[float, ...]


class StoppingRule(Protocol):
    """Decides at rungs who goes on.

    The ledger calls, from the driver's one thread, once for each trial and rung, and keeps what
    was decided: a rule has no state of its own, so that a restart changes no decision. It raises
    nothing.
    """

    def at(self, step: int, total_steps: int) -> float | None:
        """The rung that lies at this step of so many, None between rungs."""

    def decide(self, values: Values, earlier: Sequence[Values]) -> Decision:
        """Decide on a trial with these objectives, given those who came earlier."""


@dataclass(frozen=True)
class SuccessiveHalving:
    """Stops trials that are beaten by too many of those at their rung.

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

    def decide(self, values: Values, earlier: Sequence[Values]) -> Decision:
        """STOP a trial unless it is among the best share of those that reached its rung."""
        at_rung = [values, *earlier]
        if len(at_rung) < self.spec.minimum:
            return Decision.CONTINUE
        better = sum(len(front) for front in self._fronts_before(values, at_rung))
        among_the_best = better < max(1.0, self.spec.keep * len(at_rung))
        return Decision.CONTINUE if among_the_best else Decision.STOP

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
        signs = [1 if direction(name) == "maximize" else -1 for name in self.objectives]
        gains = [s * (a - b) for s, a, b in zip(signs, one, other, strict=True)]
        quality = [g for g, name in zip(gains, self.objectives, strict=True) if name in QUALITY]
        return min(gains) >= 0 and max(quality, default=0) > 0


class RungLedger:
    """Keeps, in the study, the objectives of trials at rungs and what was decided on them."""

    def __init__(self, study: Study, rule: StoppingRule, objectives: tuple[str, ...]) -> None:
        self._study, self._rule, self._objectives = study, rule, objectives

    def decide(self, trial: TrialFolder, progress: Progress) -> Decision:
        """Decide on a trial at this report, once at each rung.

        Values and decision are kept, so one that meets its rung again gets the same.
        """
        rung = self._rule.at(progress.step, progress.total_steps)
        if rung is None or progress.curve is None or progress.step >= progress.total_steps:
            return Decision.CONTINUE
        record = trial.record()
        kept = self._kept(rung)
        if before := kept.get(record.study_number):
            # A trial that was paused here and reports again was let go on.
            stopped = Decision(before["decision"]) is Decision.STOP
            return Decision.STOP if stopped else Decision.CONTINUE
        values = objective_values(self._objectives, progress, record.costs)
        decision = self._rule.decide(values, [tuple(other["values"]) for other in kept.values()])
        self._keep(record.study_number, rung, values, decision, progress.step)
        return decision

    def table(self, rung: float) -> dict[int, Values]:
        """Objectives of every trial that reached a rung, by study number."""
        return {number: tuple(kept["values"]) for number, kept in self._kept(rung).items()}

    def _kept(self, rung: float) -> dict[int, dict[str, Any]]:
        trials = self._study.trials()
        kept = {t.number: t.user_attrs.get("rungs", {}).get(str(rung)) for t in trials}
        return {number: found for number, found in kept.items() if found}

    def _keep(
        self, number: int, rung: float, values: Values, decision: Decision, step: int
    ) -> None:
        entry = {"values": values, "decision": decision.value}
        before = self._study.attribute(number, "rungs", {})
        trial = self._study.note(number, "rungs", {**before, str(rung): entry})
        if len(values) == 1:
            trial.report(values[0], step)
