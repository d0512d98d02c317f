"""Trials that are paused at rungs, and which of them are among the best there by now."""

from collections.abc import Callable, Iterator, Mapping

from sweep_platform.search.rungs.entries import Entries, Entry, paused_at
from sweep_platform.search.rungs.fronts import Fronts, Values
from sweep_platform.search.rungs.rule import RungRule
from sweep_platform.store.trial import TrialRecord


class PausedTrials:
    """Knows where trials are paused, by the `entries` of a ledger, and promotes them by its rule.

    `fronts` are those of all trials at each rung, and `worth` is what one is compared by there.
    It keeps in `numbers` those of the study whose trials are paused.
    """

    def __init__(
        self,
        rule: RungRule,
        entries: Entries,
        fronts: Mapping[str, Fronts],
        worth: Callable[[str, Entry], Values],
        numbers: set[int],
    ) -> None:
        self._rule, self._entries, self._fronts, self._worth = rule, entries, fronts, worth
        self._at: dict[int, str] = {}
        self._best: dict[tuple[str, bool], list[int]] = {}
        self.numbers = numbers
        numbers.clear()

    def __contains__(self, record: TrialRecord) -> bool:
        return record.study_number in self._at

    def promotable(self, last: bool = False) -> Iterator[int]:
        """The trials, by number in the sweep, that are among the best of their rung by now.

        Those at the highest rung come first, and of these the best. With `last` no other trial
        will come to a rung.
        """
        for rung in sorted(set(self._at.values()), key=float, reverse=True):
            if (rung, last) not in self._best:
                self._best[rung, last] = self._best_of(rung, last)
            for number in self._best[rung, last]:
                if self._at.get(number) == rung:
                    trial = self._entries[number][rung].trial
                    assert trial is not None, "it was kept before trials paused"
                    yield trial

    def _best_of(self, rung: str, last: bool) -> list[int]:
        """Study numbers of those that may go on from a rung, the best first."""
        fronts = self._fronts[rung]
        here = [number for number, at in self._at.items() if at == rung]
        worth = {number: self._worth(rung, self._entries[number][rung]) for number in here}
        found = [n for n, values in worth.items() if self._rule.promotes(values, fronts, last)]
        return sorted(found, key=lambda number: (fronts.before(worth[number]), number))

    def changed(self, rung: str) -> None:
        """Look anew who may go on from a rung: others have come, or all are compared otherwise."""
        for last in (False, True):
            self._best.pop((rung, last), None)

    def note(self, number: int) -> None:
        """Take note of whether a trial, by its number in the study, is paused."""
        rung = paused_at(self._entries.get(number, {}))
        if rung is None:
            self.drop(number)
        else:
            self._at[number] = rung
            self.numbers.add(number)
            self.changed(rung)

    def drop(self, number: int) -> None:
        """Forget a trial, which is paused nowhere any more."""
        self._at.pop(number, None)
        self.numbers.discard(number)
