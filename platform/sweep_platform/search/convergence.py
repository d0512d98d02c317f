"""Whether a search has found what it is likely to find, though its budget is not spent."""

import math
import warnings
from bisect import insort
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from optuna.exceptions import ExperimentalWarning
from optuna.study import StudyDirection
from optuna.terminator import RegretBoundEvaluator
from optuna.trial import FrozenTrial, TrialState

from puzzle_datasets.common.text import counted, percent
from sweep_platform.report.analysis.compute.hypervolume import Steps
from sweep_platform.report.analysis.points import final_point, points
from sweep_platform.search.studies.study import Study
from sweep_platform.spec.metrics import METRIC
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.spec.settings import BUDGET_KNOB
from sweep_platform.store.folder import SweepFolder, SweepRecord
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.summary import trial_summary
from sweep_platform.store.trial import Outcome, TrialFolder, TrialRecord
from sweep_platform.store.trial_summary import TrialSummary

LEAST_TRIALS = 20
"""Complete trials from which on a regret is told of."""

MOST_TRIALS = 300
"""Complete trials, the best, by which it is told: a fit takes the cube of their number."""


OVER = "over"
"""Mark of a study: why its search is over, and the `stop_when` by which it is."""

Curve = list[tuple[float, float]]
"""FLOPs, and the accuracy that they buy."""


@dataclass(order=True)
class _Ended:
    """A trial in the order of ends: its curve, as powers of ten of FLOPs and accuracies."""

    at: float
    number: int
    curve: Curve = field(compare=False)
    inherited: bool = field(compare=False)


def inference_curve(trial: TrialSummary) -> Curve:
    """What a trial solves after each segment, against its inference FLOPs."""
    return [(point.inference_flops, point.exact_accuracy) for point in points(trial)]


def training_curve(trial: TrialSummary) -> Curve:
    """What a trial solves in the end, against the training FLOPs behind its weights."""
    last = final_point(trial)
    return [] if last is None else [(trial.record.lineage_flops, last.exact_accuracy)]


class Hypervolume:
    """The area below the front of all curves, after each trial that ended, in their order.

    Unlike that of reports it reaches up to ten times the cost of the dearest point, so that what
    this one solves counts. Where a dearer trial ends all areas before are counted anew. `curve`
    says what a complete trial solves at which costs.
    """

    def __init__(self, curve: Callable[[TrialSummary], Curve] = inference_curve) -> None:
        self._curve = curve
        self._ended: list[_Ended] = []
        self._reference = -math.inf
        self._steps = Steps(0.0)
        self._areas: list[float] = []

    def add(self, trial: TrialSummary, at: float, inherited: bool = False) -> None:
        """Take in a trial that ended at this place; one without a whole training adds nothing.

        An inherited one, of the sweep that this one began with, comes before all others.
        """
        solved = self._curve(trial) if trial.complete else []
        curve = [(math.log10(flops), accuracy) for flops, accuracy in solved]
        one = _Ended(-math.inf if inherited else at, trial.number, curve, inherited)
        last = not self._ended or self._ended[-1] < one
        insort(self._ended, one)
        highest = max((1 + cost for cost, _ in curve), default=-math.inf)
        if not last or highest > self._reference:
            self._reference = max(highest, self._reference)
            self._count_anew()
        else:
            self._count(one)

    def forget(self, number: int) -> None:
        """Leave out the trial of a number."""
        self._ended = [one for one in self._ended if one.number != number]
        self._count_anew()

    def _count_anew(self) -> None:
        self._steps, self._areas = Steps(self._reference), []
        for one in self._ended:
            self._count(one)

    def _count(self, one: _Ended) -> None:
        for cost, accuracy in one.curve:
            self._steps.add(cost, accuracy)
        self._areas.append(self._steps.area)

    def gain(self, trials: int) -> float | None:
        """The share of the area that the last so many trials added, inherited ones left out.

        None before there are so many and one before them, and while nothing was solved before.
        """
        own = sum(not one.inherited for one in self._ended)
        if own < trials or len(self._areas) <= trials or not self._areas[-1 - trials]:
            return None
        return 1 - self._areas[-1 - trials] / self._areas[-1]


def regret(trials: list[FrozenTrial], maximizes: bool, seed: int) -> float | None:
    """A bound of how far the best trial is from the best of the space, in the objective's unit.

    By a Gaussian process over the better half of the trials (Makarova et al. 2022, Optuna's), of
    many over that of the best `MOST_TRIALS`. None before there are enough.
    """
    complete = _complete(trials)
    if len(complete) < LEAST_TRIALS:
        return None
    complete = sorted(complete, key=lambda one: one.value or 0.0, reverse=maximizes)[:MOST_TRIALS]
    direction = StudyDirection.MAXIMIZE if maximizes else StudyDirection.MINIMIZE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        evaluator = RegretBoundEvaluator(seed=seed)
    return evaluator.evaluate(complete, direction)


def _complete(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    return [one for one in trials if one.state is TrialState.COMPLETE]


def asked_at(complete: int) -> int:
    """Of so many complete trials, how many a regret is told of: it is at every twentieth more.

    A restart tells of the same ones.
    """
    count = 0 if complete < LEAST_TRIALS else LEAST_TRIALS
    while count and (after := count + max(1, count // 20)) <= complete:
        count = after
    return count


def _pause(trial: TrialFolder) -> Outcome | None:
    """The pause of a trial's last replicate; None while any of it runs, or before it began."""
    ends = [one.outcome() for one in trial.replicates(Purpose.MEASURE)]
    known = [one for one in ends if one is not None]
    return max(known, key=lambda one: one.ended) if known and ends == known else None


class Convergence:
    """Tells why a search is over by `stop_when`, from its records.

    Once it has told so it does, whatever trials under way come to, and in later sessions too as
    long as `stop_when` says the same. A trial that `is_paused` at a rung counts as one that ended
    there, until it is promoted. Where training FLOPs are a knob, the front is that of these.
    What it `told` last is kept, None so far.
    """

    def __init__(
        self,
        folder: SweepFolder,
        spec: SweepSpec,
        study: Study,
        is_paused: Callable[[TrialRecord], bool] = lambda record: False,
    ) -> None:
        self._folder, self._spec, self._study = folder, spec, study
        self._is_paused = is_paused
        self._varies = BUDGET_KNOB in spec.space
        self._hypervolume = Hypervolume(training_curve if self._varies else inference_curve)
        self._seen, self._inherited = dict[int, tuple[int, bool]](), set[int]()
        self.told = self._told_before()
        self._asked = 0

    @cached_property
    def _record(self) -> SweepRecord:
        return self._folder.record()

    def reason(self, known: Collection[TrialRecord]) -> str | None:
        """Why the search is over, by these trials so far; None while it goes on."""
        if self._spec.stop_when is None or self.told is not None:
            return self.told
        if self._take(known):
            self.told = self._stagnates() or self._is_near(known)
            if self.told is not None:
                self._study.mark(OVER, {"reason": self.told, "stop_when": self._asked_for})
        return self.told

    def _told_before(self) -> str | None:
        """Why the search was over in a former session that stopped by the same."""
        kept = self._study.mark_of(OVER)
        same = isinstance(kept, dict) and kept.get("stop_when") == self._asked_for
        return str(kept["reason"]) if same and "reason" in kept else None

    @property
    def _asked_for(self) -> dict[str, Any]:
        stop = self._spec.stop_when
        return {} if stop is None else stop.model_dump(mode="json")

    def _take(self, known: Collection[TrialRecord]) -> bool:
        """Take in the trials that have ended; whether there were any that are new."""
        any_new = False
        for one in known:
            seen, paused = self._seen.get(one.number), self._is_paused(one)
            if seen in ((one.study_number, False), (one.study_number, paused)):
                continue
            if self._seen.pop(one.number, None) is not None:  # it was promoted, and goes on
                self._hypervolume.forget(one.number)
            trial = self._folder.trial(one.number, one.signature)
            own = trial.outcome()
            if (end := own or (_pause(trial) if paused else None)) is not None:
                any_new = True
                self._seen[one.number] = one.study_number, own is None
                # Which trial ended first is chance where the search waits for those before it.
                at = one.number if self._spec.deterministic else end.ended
                summary = trial_summary(self._record, trial)
                inherited = self._is_inherited(summary)
                self._hypervolume.add(summary, at, inherited)
                if inherited:
                    self._inherited.add(one.study_number)
        return any_new

    def _is_inherited(self, trial: TrialSummary) -> bool:
        """Whether a trial, or some of it, was trained by the sweep that this one began with."""
        if self._record.forked is None:
            return False
        return any(one.ended and one.ended < self._record.created for one in trial.measured)

    def _stagnates(self) -> str | None:
        stop = self._spec.stop_when
        if stop is None or stop.hypervolume_gain is None:
            return None
        gain = self._hypervolume.gain(stop.patience)
        if gain is None or gain >= stop.hypervolume_gain:
            return None
        which = "front of training compute" if self._varies else "front"
        return (
            f"the last {counted(stop.patience, 'trial')} raised the area below the {which} by "
            f"{percent(gain)}, less than the {percent(stop.hypervolume_gain)} of "
            "stop_when.hypervolume_gain"
        )

    def _is_near(self, known: Collection[TrialRecord]) -> str | None:
        stop, spec = self._spec.stop_when, self._spec
        if stop is None or stop.regret is None:
            return None
        objective = METRIC[spec.objectives[0]]
        numbers = {one.study_number for one in known}
        complete = _complete(one for one in self._study.trials() if one.number in numbers)
        own = [one for one in complete if one.number not in self._inherited]
        inherited = [one for one in complete if one.number in self._inherited]
        if (count := asked_at(len(own))) == self._asked:
            return None
        self._asked = count
        found = regret(inherited + own[:count], objective.direction == "maximize", spec.seed)
        if found is None or found >= stop.regret:
            return None
        return (
            f"the best trial is likely to be within {objective.words(found)} of the best of the "
            f"space in {objective.key}, less than the {objective.words(stop.regret)} of "
            "stop_when.regret"
        )
