"""Rungs: milestones of training FLOPs at which trials are compared and weak ones are stopped.

All trials of a sweep spend the same training FLOPs, so a rung is a share of that budget. Trials
reach it one after another; each is compared, on arrival, with those that came before
(asynchronous successive halving, arXiv 1810.05934, with Pareto fronts for several objectives).
A trial is what its replicates are on average, of those that have come; a stopped one stops all.

A cost (FLOPs, weights, device-seconds) is no evidence against a trial: it does not tell what the
trial may still learn. So a trial beats another only if it is no worse in every objective and
strictly better in *quality*: the dearer of two trials without any solved puzzle goes on.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Protocol

from hrm.progress import Progress
from puzzle_datasets.common.bounded import Figure
from puzzle_datasets.common.records import MisfitError, record_from
from sweep_platform.common.errors import InputError
from sweep_platform.search.fronts import Fronts, FrontsOfSome, Values
from sweep_platform.search.studies.study import Study
from sweep_platform.spec.metrics import objective_values, target_cost
from sweep_platform.spec.schema import RungSpec
from sweep_platform.store.messages import Decision
from sweep_platform.store.trial import TrialRecord


class StoppingRule(Protocol):
    """Decides at rungs who goes on.

    The ledger calls, from the driver's one thread, once for each trial and rung, and keeps what
    was decided: a rule has no state of its own, so that a restart changes no decision. It raises
    nothing.
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


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A trial at a rung: the objectives of each replicate that is there, and what was decided."""

    replicates: dict[str, tuple[Figure, ...]]
    decision: Decision

    @property
    def values(self) -> Values:
        """The trial's objectives: their means over the replicates that are there."""
        return mean_values(self.replicates.values())


Entries = dict[int, dict[str, Entry]]
"""By study number and rung."""


def read_entries(study: Study, objectives: tuple[str, ...], place: object) -> Entries:
    """What the study keeps of rungs, of a trial that was tried again its last attempt alone.

    Raises `InputError` of its `place` where that is damaged.
    """
    trials = study.trials()
    last = {str(trial.user_attrs.get("signature")): trial.number for trial in trials}
    return {
        trial.number: _read(trial.user_attrs["rungs"], len(objectives), trial.number, place)
        for trial in trials
        if "rungs" in trial.user_attrs
        and last[str(trial.user_attrs.get("signature"))] == trial.number
    }


def _read(kept: object, width: int, number: int, place: object) -> dict[str, Entry]:
    try:
        if not isinstance(kept, dict):
            raise MisfitError("has rungs that are no mapping of keys")
        entries = {
            rung: record_from(entry, Entry, f"rungs.{rung}") for rung, entry in kept.items()
        }
        of_each = [list(entry.replicates.values()) for entry in entries.values()]
        if any(not each or any(len(one) != width for one in each) for each in of_each):
            raise MisfitError(f"has a rung with other than {width} objectives")
    except MisfitError as error:
        problem = f"is damaged: its trial {number} {error.problem}"
        remedy = "restore it, or start another sweep by --out"
        raise InputError.of(place, problem, remedy) from None
    return entries


FIRST = "measure-0"
"""Label of a trial's first replicate."""


class RungLedger:
    """Keeps, in the study, the objectives of trials at rungs and what was decided on them.

    `entries` are those that the study has.
    """

    def __init__(
        self,
        study: Study,
        rule: StoppingRule,
        objectives: tuple[str, ...],
        entries: Entries,
        targets: tuple[float, ...] = (),
        peers: Callable[[TrialRecord], set[int] | None] = lambda record: None,
    ) -> None:
        self._study, self._rule, self._objectives = study, rule, objectives
        self._targets, self._peers = targets, peers
        self._entries = entries
        rungs = {rung for entries in self._entries.values() for rung in entries}
        self._fronts = {rung: Fronts(objectives, self._at(rung).values()) for rung in rungs}
        self._firsts: dict[str, dict[int, Values]] = defaultdict(dict)
        for number, entries_of_trial in self._entries.items():
            for rung, entry in entries_of_trial.items():
                self._take_first(number, rung, entry)
        self._of_peers: dict[str, FrontsOfSome] = {}

    def decide(self, record: TrialRecord, replicate: str, progress: Progress) -> Decision:
        """Decide on a trial at this report of a replicate, once for each at each rung.

        Values and decision are kept, so one that meets its rung again gets the same.
        """
        rung = self._rule.at(progress.step, progress.total_steps)
        if rung is None or progress.curve is None or progress.step >= progress.total_steps:
            return Decision.CONTINUE
        before = self._entries.get(record.study_number, {}).get(str(rung))
        if before and (replicate in before.replicates or before.decision is Decision.STOP):
            # A trial that was paused here and reports again was let go on.
            stopped = before.decision is Decision.STOP
            return Decision.STOP if stopped else Decision.CONTINUE
        fronts = self._fronts.setdefault(str(rung), Fronts(self._objectives))
        replicates = {} if before is None else before.replicates
        if before is not None:
            fronts.remove(before.values)
        here = [(progress.training_flops, progress.curve.exact_accuracy[-1])]
        known = {**record.costs, **target_cost(self._targets, here, record.training_flops)}
        values = objective_values(self._objectives, progress, known)
        entry = Entry(replicates={**replicates, replicate: values}, decision=Decision.CONTINUE)
        entry = replace(entry, decision=self._decided(record, str(rung), entry, fronts))
        self._keep(record.study_number, str(rung), entry)
        if before is None and len(values) == 1 and self._peers(record) is None:
            # Optuna keeps the first value of a step.
            self._study.reopened(record.study_number).report(values[0], progress.step)
        fronts.add(entry.values)
        return entry.decision

    def _decided(self, record: TrialRecord, rung: str, entry: Entry, fronts: Fronts) -> Decision:
        """By all trials that are there, or by the first replicates of those given as peers alone:

        which others have come by now is chance.
        """
        peers = self._peers(record)
        if peers is None:
            return self._rule.decide(entry.values, fronts)
        if FIRST not in entry.replicates:
            return Decision.CONTINUE
        of_peers = self._of_peers.setdefault(rung, FrontsOfSome(self._objectives))
        return self._rule.decide(entry.replicates[FIRST], of_peers.of(peers, self._firsts[rung]))

    def stopped(self, record: TrialRecord) -> bool:
        """Whether a trial was told to stop at a rung."""
        entries = self._entries.get(record.study_number, {})
        return any(entry.decision is Decision.STOP for entry in entries.values())

    def table(self, rung: float) -> dict[int, Values]:
        """Objectives of every trial that reached a rung, by study number."""
        return self._at(str(rung))

    def _at(self, rung: str) -> dict[int, Values]:
        reached = {number: kept[rung] for number, kept in self._entries.items() if rung in kept}
        return {number: entry.values for number, entry in reached.items()}

    def _keep(self, number: int, rung: str, entry: Entry) -> None:
        entries = self._entries.setdefault(number, {})
        entries[rung] = entry
        self._take_first(number, rung, entry)
        self._study.note(number, "rungs", {name: asdict(one) for name, one in entries.items()})

    def _take_first(self, number: int, rung: str, entry: Entry) -> None:
        if FIRST in entry.replicates:
            self._firsts[rung][number] = entry.replicates[FIRST]


def mean_values(each: Iterable[tuple[float, ...]]) -> tuple[float, ...]:
    """The mean of each objective over replicates, at least one.

    >>> mean_values([(0.5, 10.0), (1.0, 20.0)])
    (0.75, 15.0)
    """
    return tuple(fmean(column) for column in zip(*each, strict=True))
