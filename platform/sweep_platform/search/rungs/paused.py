"""Trials that are paused at rungs, and which of them are among the best there by now."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice

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
        self._at: dict[str, dict[int, Values]] = {}
        self._numbers = numbers
        numbers.clear()

    def __contains__(self, record: TrialRecord) -> bool:
        return record.study_number in self._numbers

    def promotable(self, last: bool = False) -> Iterator[int]:
        """The trials, by number in the sweep, that are among the best of their rung by now.

        Those at the highest rung come first, and of these the best. With `last` no other trial
        will come to a rung.
        """
        for rung in sorted(self._at, key=float, reverse=True):
            best, here = self.best(rung, last), self._at[rung]
            found = [(best[values], number) for number, values in here.items() if values in best]
            for _, number in sorted(found):
                trial = self._entries[number][rung].trial
                assert trial is not None, "it was kept before trials paused"
                yield trial

    def best(self, rung: str, last: bool = False) -> dict[Values, int]:
        """The objectives of those that go on from a rung, and in which front each of them is."""
        fronts = self._fronts[rung]
        going = enumerate(islice(fronts, self._rule.promotes(fronts, last)))
        return {values: place for place, front in going for values in front}

    def compare_anew(self, rung: str) -> None:
        """Take note that trials are worth something else at a rung."""
        for number in self._at.get(rung, {}):
            self._at[rung][number] = self._worth(rung, self._entries[number][rung])

    def note(self, number: int) -> None:
        """Take note of whether a trial, by its number in the study, is paused."""
        self.drop(number)
        entries = self._entries.get(number, {})
        if (rung := paused_at(entries)) is not None:
            self._at.setdefault(rung, {})[number] = self._worth(rung, entries[rung])
            self._numbers.add(number)

    def drop(self, number: int) -> None:
        """Forget a trial, which is paused nowhere any more."""
        if number in self._numbers:
            self._numbers.discard(number)
            for here in self._at.values():
                here.pop(number, None)
