"""The ledger of rungs: what trials were worth there, and what was decided on them.

A trial is what its replicates are on average, of those that have come; where it stops or pauses,
all of them do.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, replace

from optuna.trial import TrialState

from hrm.progress import Progress
from sweep_platform.search.rungs.entries import OBJECTIVES, Entries, Entry, early
from sweep_platform.search.rungs.foretelling import LEARNT, Ended, Judge, words
from sweep_platform.search.rungs.fronts import Fronts, FrontsOfSome, Values
from sweep_platform.search.rungs.paused import PausedTrials
from sweep_platform.search.rungs.rule import RungRule
from sweep_platform.search.studies.study import PROMOTED, Study
from sweep_platform.spec.curves import curve_values
from sweep_platform.spec.metrics import QUALITY, objective_values, target_cost
from sweep_platform.spec.schema import RungSpec
from sweep_platform.store.messages import Decision
from sweep_platform.store.pruning.told import Audited, Paused, Rungs
from sweep_platform.store.trial import TrialRecord

FIRST = "measure-0"
"""Label of a trial's first replicate."""


class RungLedger:
    """Keeps, in the study, the objectives of trials at rungs and what was decided on them.

    `spec` says by what they are compared, and who is spared; `entries` are those that the study
    has. `peers` gives the numbers of the trials that one is compared with, where those are fixed.
    Of the trials that are `paused` some may be promoted.
    """

    def __init__(
        self,
        study: Study,
        rule: RungRule,
        objectives: tuple[str, ...],
        entries: Entries,
        targets: tuple[float, ...] = (),
        peers: Callable[[TrialRecord], set[int] | None] = lambda record: None,
        spec: RungSpec | None = None,
        at_flops: float | None = None,
    ) -> None:
        self._study, self._rule, self._objectives = study, rule, objectives
        self._targets, self._peers, self._spec = targets, peers, spec or RungSpec()
        self._entries, self._at_flops = entries, at_flops
        self._quality = [name in QUALITY for name in objectives]
        self._ended: dict[str, dict[int, Ended]] = defaultdict(dict)
        self._judges: dict[str, Judge] = defaultdict(lambda: Judge(self._spec.compare))
        self._firsts: dict[str, dict[int, Values]] = defaultdict(dict)
        self._fronts: dict[str, Fronts] = {}
        for number, end in (_ends(study, self._quality) if self.learns else {}).items():
            self._take_end(number, end)
        self.paused = PausedTrials(rule, entries, self._fronts, self._worth, study.paused)
        for rung in {rung for kept in entries.values() for rung in kept}:
            self._judges[rung].learn(self._ended[rung].values())
            self._sort(rung)
        self._of_peers: dict[str, FrontsOfSome] = {}
        self._promoted = {t.number for t in study.trials() if t.user_attrs.get(PROMOTED)}
        for number in entries.keys() - self._promoted:
            self.paused.note(number)

    def decide(self, record: TrialRecord, replicate: str, progress: Progress) -> Decision:
        """Decide on a trial at this report of a replicate, once for each at each rung.

        Values and decision are kept, so one that meets its rung again gets the same.
        """
        rung = self._rule.at(progress.step, progress.total_steps)
        if rung is None or progress.curve is None or progress.step >= progress.total_steps:
            return Decision.CONTINUE
        before = self._entries.get(record.study_number, {}).get(str(rung))
        if before and (replicate in before.replicates or before.decision is Decision.STOP):
            return before.decision
        entry = self._entered(before, record, replicate, progress)
        fronts = self._fronts.setdefault(str(rung), Fronts(self._objectives))
        if before is not None:
            fronts.remove(self._worth(str(rung), before))
        entry = self._decided(record, rung, entry, fronts)
        self._keep(record.study_number, str(rung), entry)
        values = entry.replicates[replicate]
        if before is None and len(values) == 1 and self._peers(record) is None:
            # Optuna keeps the first value of a step.
            self._study.reopened(record.study_number).report(values[0], progress.step)
        fronts.add(self._worth(str(rung), entry))
        return entry.decision

    def _entered(
        self, before: Entry | None, record: TrialRecord, replicate: str, progress: Progress
    ) -> Entry:
        """A trial's entry with one replicate more, on which nothing is decided yet."""
        assert progress.curve is not None, "a rung comes with an evaluation"
        here = [(progress.lineage_flops, progress.curve.exact_accuracy[-1])]
        known = {**record.costs, **target_cost(self._targets, here, record.lineage_flops)}
        known |= curve_values(progress.curve, self._at_flops)
        values = objective_values(self._objectives, progress, known)
        entry = before or Entry(replicates={}, decision=Decision.CONTINUE)
        return replace(
            entry,
            replicates={**entry.replicates, replicate: values},
            early={**entry.early, replicate: early(progress, record)},
            trial=record.number,
        )

    def _decided(self, record: TrialRecord, rung: float, entry: Entry, fronts: Fronts) -> Entry:
        """The entry with the decision on it: who is spared goes on, though it is to stop.

        One that a person promoted goes on.
        """
        by, decision = self._judges[str(rung)].by, Decision.CONTINUE
        if record.study_number not in self._promoted and not self._skips(record, rung):
            decision = self._compared(record, str(rung), entry, fronts)
        if decision is not Decision.CONTINUE and _lot(record, "audit") < self._spec.audit:
            return replace(entry, decision=Decision.CONTINUE, by=by, audited=True)
        paused = entry.paused or decision is Decision.PAUSE
        return replace(entry, decision=decision, by=by, paused=paused)

    def _skips(self, record: TrialRecord, rung: float) -> bool:
        """Whether a rung is one of the first that a trial's bracket leaves out."""
        bracket = int(_lot(record, "bracket") * self._spec.brackets)
        return sorted(self._spec.at).index(rung) < bracket if bracket else False

    def _compared(self, record: TrialRecord, rung: str, entry: Entry, fronts: Fronts) -> Decision:
        """By all trials that are there, or by the first replicates of those given as peers alone:

        which others have come by now is chance.
        """
        peers = self._peers(record)
        if peers is None:
            return self._rule.decide(self._worth(rung, entry), fronts)
        if FIRST not in entry.replicates:
            return Decision.CONTINUE
        of_peers = self._of_peers.setdefault(rung, FrontsOfSome(self._objectives))
        first = self._worth(rung, _first(entry))
        return self._rule.decide(first, of_peers.of(peers, self._firsts[rung]))

    def _worth(self, rung: str, entry: Entry) -> Values:
        """The objectives by which a trial is compared, quality being what the judge says."""
        worth = self._judges[rung].value(entry.features)
        if worth is None:
            return entry.values
        pairs = zip(self._quality, entry.values, strict=True)
        return tuple(worth if quality else value for quality, value in pairs)

    @property
    def learns(self) -> bool:
        """Whether it learns from trials that end what foretells that."""
        return self._spec.compare in LEARNT and any(self._quality)

    def ended(self, record: TrialRecord, values: Values) -> list[str]:
        """Learn from a trial that was trained to the end; tell where the comparison changes."""
        end, news = _quality_of(values, self._quality), []
        assert end is not None, "it is asked only if it learns"
        self._take_end(record.study_number, end)
        for rung in self._entries.get(record.study_number, {}):
            judge = self._judges[rung]
            before = judge.by
            if judge.learn(self._ended[rung].values()):
                self._sort(rung)
            if judge.by != before:
                news.append(f"at the rung at {float(rung):.0%} {judge}")
        return news

    def told(self) -> Rungs:
        """What reports tell of the rungs."""
        all_entries = [
            (float(rung), entry) for kept in self._entries.values() for rung, entry in kept.items()
        ]
        stopped = {one.trial for _, one in all_entries if one.decision is Decision.STOP}
        paused: dict[float, list[bool]] = defaultdict(list)
        for rung, one in all_entries:
            if one.paused:
                paused[rung].append(one.decision is Decision.CONTINUE)
        known = tuple(sorted(number for number in stopped if number is not None))
        return Rungs(
            compared=tuple(one.told(rung) for rung, one in sorted(self._judges.items())),
            audited=tuple(
                Audited(trial=entry.trial, rung=rung, by=entry.by)
                for rung, entry in all_entries
                if entry.audited and entry.trial is not None and not self._would_go_on(rung, entry)
            ),
            paused=tuple(
                Paused(rung=rung, trials=len(each), promoted=sum(each))
                for rung, each in sorted(paused.items())
            ),
            stopped=None if None in stopped else known,
        )

    def _would_go_on(self, rung: float, entry: Entry) -> bool:
        """Whether one that was audited would be promoted, had it paused, if no other came."""
        pauses = self._spec.rule == "promotion"
        return pauses and self._worth(str(rung), entry) in self.paused.best(str(rung), last=True)

    def _take_end(self, number: int, end: float) -> None:
        """Keep what a trial that was trained to the end had at its rungs, and its end."""
        for rung, entry in self._entries.get(number, {}).items():
            if (features := entry.features) is not None:
                self._ended[rung][number] = features, end

    def _sort(self, rung: str) -> None:
        """Sort all that came to a rung anew, by what they are worth now."""
        here = {number: kept[rung] for number, kept in self._entries.items() if rung in kept}
        worth = (self._worth(rung, entry) for entry in here.values())
        self._fronts[rung] = Fronts(self._objectives, worth)
        self.paused.compare_anew(rung)
        for number, entry in here.items():
            self._take_first(number, rung, entry)

    def judge(self, rung: float) -> Judge:
        """Who says what trials are worth at a rung."""
        return self._judges[str(rung)]

    def stopped(self, record: TrialRecord) -> bool:
        """Whether a trial was told to stop at a rung."""
        entries = self._entries.get(record.study_number, {})
        return any(entry.decision is Decision.STOP for entry in entries.values())

    def is_paused(self, record: TrialRecord) -> bool:
        """Whether a trial is paused at a rung."""
        return record in self.paused

    def end_pause(self, record: TrialRecord, decision: Decision) -> None:
        """Keep what was decided on a paused trial: to CONTINUE, or to STOP for good."""
        number = record.study_number
        entries = self._entries[number]
        paused = {name: x for name, x in entries.items() if x.decision is Decision.PAUSE}
        entries |= {name: replace(x, decision=decision) for name, x in paused.items()}
        self._write(number)
        self.paused.note(number)

    def promote(self, record: TrialRecord, before: int | None = None) -> None:
        """Hold a trial back at no rung any more; `before` is its former number in the study."""
        self._promoted.add(record.study_number)
        if self.is_paused(record):
            self.end_pause(record, Decision.CONTINUE)
        former = record.study_number if before is None else before
        self.paused.drop(former)
        entries = self._entries.pop(former, {})
        goes_on = {name: replace(x, decision=Decision.CONTINUE) for name, x in entries.items()}
        if before is not None:
            for firsts in self._firsts.values():
                if before in firsts:
                    firsts[record.study_number] = firsts.pop(before)
        if goes_on:
            self._entries[record.study_number] = goes_on

    def by(self, record: TrialRecord) -> str:
        """By what was decided on a trial last, for a sentence; empty for the objectives."""
        entries = list(self._entries.get(record.study_number, {}).values())
        by = entries[-1].by if entries else OBJECTIVES
        return "" if by == OBJECTIVES else f", by {words(by)}"

    def audits(self, record: TrialRecord) -> set[float]:
        """The rungs at which a trial was to stop, and from which it goes on to be audited."""
        entries = self._entries.get(record.study_number, {})
        return {float(rung) for rung, entry in entries.items() if entry.audited}

    def table(self, rung: float) -> dict[int, Values]:
        """Objectives of every trial that reached a rung, by study number."""
        reached = {n: kept[str(rung)] for n, kept in self._entries.items() if str(rung) in kept}
        return {number: entry.values for number, entry in reached.items()}

    def _keep(self, number: int, rung: str, entry: Entry) -> None:
        self._entries.setdefault(number, {})[rung] = entry
        self._take_first(number, rung, entry)
        self._write(number)
        self.paused.note(number)

    def _write(self, number: int) -> None:
        kept = self._entries[number].items()
        self._study.note(number, "rungs", {name: asdict(one) for name, one in kept})

    def _take_first(self, number: int, rung: str, entry: Entry) -> None:
        if FIRST in entry.replicates:
            self._firsts[rung][number] = self._worth(rung, _first(entry))


def _first(entry: Entry) -> Entry:
    """The entry as its first replicate alone makes it."""
    first = {FIRST: entry.early[FIRST]} if FIRST in entry.early else {}
    return replace(entry, replicates={FIRST: entry.replicates[FIRST]}, early=first)


def _lot(record: TrialRecord, matter: str) -> float:
    """A trial's draw between 0 and 1 in some matter, the same in every session."""
    digest = hashlib.sha256(f"{matter} {record.signature}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def _ends(study: Study, quality: list[bool]) -> dict[int, float]:
    """The quality with which trials ended that were trained to the end, by study number."""
    complete = (one for one in study.trials() if one.state is TrialState.COMPLETE)
    found = {one.number: _quality_of(tuple(one.values), quality) for one in complete}
    return {number: end for number, end in found.items() if end is not None}


def _quality_of(values: Values, quality: list[bool]) -> float | None:
    """The first of the objectives that is one of quality; None where none is."""
    return next((value for value, is_one in zip(values, quality, strict=True) if is_one), None)
