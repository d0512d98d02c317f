"""Random Sudoku puzzles of which none comes twice, and no problem in both splits."""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.sudoku.kernel import generate
from puzzle_datasets.kinds.sudoku.rules import clue_counts, invariant, mixed
from puzzle_datasets.storage.schema import SPLITS, Hashes, Integers, Mask, Split, Tokens

Pairs = tuple[Tokens, Tokens]

DRAWS_PER_PUZZLE = 1000
"""Where new puzzles are rarer than one in so many draws, drawing ends."""

_PATIENCE = 16_384  # draws that may bring nothing
_FEWEST_DRAWS, _MOST_DRAWS = 256, 16_384  # in a batch
_LEAST_SHARE = 0.02  # of the puzzles that come up, for either split
_SAMPLE = 64  # puzzles that tell how many each problem has; where new ones are rare, a guess does
_ALL = 2**64


class DistinctPuzzles:
    """Draws puzzles for both splits at once; what one draws for the other waits in memory."""

    def __init__(
        self,
        *,
        side: int,
        clues: int | None,
        wanted: Mapping[Split, int],
        seed: int,
        test_twins: bool = True,
    ) -> None:
        self._side, self._clues, self._wanted, self._seed = side, clues, wanted, seed
        self._missing = dict(wanted)
        self._waiting: dict[Split, list[Pairs]] = {split: [] for split in SPLITS}
        self._test_problems = _TestProblems(side, wanted, seed)
        self._seen = _Seen()
        self._tested = None if test_twins else _Seen()
        self._batches = self._draws = 0
        self._patience = _PATIENCE
        self._fewest_clues = side * side

    def of(self, split: Split) -> Iterator[Pairs]:
        """Yield a split's puzzles and solutions, uint8 [n, L]; `DatasetError` if too few come."""
        while True:
            yield from self._waiting[split]
            self._waiting[split].clear()
            if not self._missing[split]:
                return
            if self._patience < 0:
                raise self._shortage(split)
            self._draw()

    def _draw(self) -> None:
        """Draw a batch and hand its new puzzles to the splits that still lack some."""
        lacking = sum(self._missing.values())
        count = min(max(lacking, _FEWEST_DRAWS), _MOST_DRAWS)
        generator = keyed_generator("sudoku", self._seed, self._batches)
        inputs, labels = generate(self._side, self._clues or 0, count, generator)
        clues = clue_counts(inputs)
        self._fewest_clues = min(self._fewest_clues, int(clues.min()))
        few = clues <= (self._clues or self._side**2)
        inputs, labels = inputs[few], labels[few]
        new = self._seen.add(inputs)
        inputs, labels = inputs[new], labels[new]
        in_test = self._test_problems.include(inputs)
        parts: dict[Split, Integers] = {
            "train": np.flatnonzero(~in_test),
            "test": self._without_twins(inputs, np.flatnonzero(in_test)),
        }
        for split, rows in parts.items():
            kept = rows[: self._missing[split]]
            self._waiting[split].append((inputs[kept], labels[kept]))
            self._missing[split] -= len(kept)
        self._batches += 1
        self._draws += count
        gain = DRAWS_PER_PUZZLE * (lacking - sum(self._missing.values()))
        self._patience = min(self._patience + gain - count, _PATIENCE)

    def _without_twins(self, inputs: Tokens, rows: Integers) -> Integers:
        """Return the test rows of puzzles [n, L] to keep: all, or one of each new problem."""
        if self._tested is None:
            return rows
        return rows[self._tested.add(invariant(inputs[rows], self._side)[:, None])]

    def _shortage(self, split: Split) -> DatasetError:
        drawn = f"{self._draws} draws of puzzles of side {self._side}"
        clues, fewest = self._clues, self._fewest_clues
        if clues is not None and clues < fewest:
            problem = f"is {clues}, but the fewest that {drawn} came down to are {fewest}"
            return DatasetError.of("clues", problem, f"give {fewest + 1} or more", clues)
        wanted = self._wanted[split]
        found = f"found only {wanted - self._missing[split]} distinct ones for it"
        problem = f"is {wanted}, but {drawn} {found}, and hardly any more come"
        remedy = "ask for fewer puzzles, or for more clues"
        return DatasetError.of(split, problem, remedy, wanted, also=("clues",))


class _TestProblems:
    """The problems of the test set. A problem is a puzzle with all that symmetry makes of it.

    The number that `invariant` and a key give to a problem decides: those below a mark belong to
    the smaller split. The mark is set by the first puzzles, for there may be few problems: 36 of
    side 4 have no clue but those they need, and some have many more puzzles than others.
    """

    def __init__(self, side: int, wanted: Mapping[Split, int], seed: int) -> None:
        self._side = side
        self._key = keyed_generator("sudoku split", seed).integers(_ALL, dtype=np.uint64)
        self._test_is_smaller = wanted["test"] <= wanted["train"]
        self._share = max(min(wanted.values()) / sum(wanted.values()), _LEAST_SHARE)
        self._mark: int | None = None

    def include(self, inputs: Tokens) -> Mask:
        """Return which puzzles [n, L] belong to the test set, bool [n]."""
        numbers = mixed(invariant(inputs, self._side) ^ self._key)
        if self._mark is None and len(numbers):
            self._mark = self._place_mark(np.sort(numbers))
        below: Mask = numbers < np.uint64(self._mark or 0)
        return below if self._test_is_smaller else ~below

    def _place_mark(self, numbers: Hashes) -> int:
        """Return what leaves the smaller split its share of the puzzles with these numbers."""
        if len(numbers) < _SAMPLE:
            return int(self._share * _ALL)
        last = numbers[math.ceil(self._share * len(numbers)) - 1]
        return min(int(last) + 1, int(numbers[-1]))


class _Seen:
    """The rows there are already, as sorted hashes; two with one hash count as one."""

    def __init__(self) -> None:
        # Ends with a number above all others, so that every search ends at an element.
        self._hashes: Hashes = np.array([_ALL - 1], np.uint64)

    def add(self, rows: Tokens | Hashes) -> Integers:
        """Return which rows [n, k] are new, in order."""
        hashes = np.zeros(len(rows), np.uint64)
        for column in rows.T:
            hashes = mixed(hashes + column)
        hashes, first = np.unique(hashes, return_index=True)
        positions = self._hashes.searchsorted(hashes)
        new = self._hashes[positions] != hashes
        self._hashes = np.insert(self._hashes, positions[new], hashes[new])
        return np.sort(first[new])
