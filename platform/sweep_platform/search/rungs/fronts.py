"""Successive fronts of the trials at a rung, kept up to date as they come.

One trial beats another if it is no worse in every objective and strictly better in quality. The
first front holds those that nobody beats, each next one those that only fronts before it beat.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from sweep_platform.spec.metrics import QUALITY, direction

Values = tuple[float, ...]
_Gains = NDArray[np.float64]


class Fronts:
    """The objectives of trials, in the order of `objectives`, sorted into fronts.

    A trial that comes moves those that it beats one front back, and no others, so that thousands
    cost little: its own front is found by halving, and a front that moves whole moves at once.
    """

    def __init__(self, objectives: tuple[str, ...], trials: Iterable[Values] = ()) -> None:
        self._signs = np.array([1 if direction(o) == "maximize" else -1 for o in objectives])
        self._quality = np.array([objective in QUALITY for objective in objectives])
        self._fronts: list[_Gains] = []
        for values in sorted(trials, key=self._goodness, reverse=True):
            self.add(values)

    def __len__(self) -> int:
        return sum(map(len, self._fronts))

    def __iter__(self) -> Iterator[list[Values]]:
        """The objectives of the trials in each front, the best front first."""
        return ([tuple(one) for one in (gains * self._signs).tolist()] for gains in self._fronts)

    def before(self, values: Values) -> int:
        """Number of trials in fronts before the one that a trial of these objectives is in."""
        return sum(map(len, self._fronts[: self._index(self._gains(values))]))

    def add(self, values: Values) -> None:
        """Let one more trial in."""
        moving = self._gains(values)
        for index in range(self._index(moving), len(self._fronts)):
            front = self._fronts[index]
            beaten = self._beat(moving, front).any(0)
            if beaten.all():  # all that is behind moves on with it
                self._fronts.insert(index, moving)
                return
            self._fronts[index] = np.concatenate([front[~beaten], moving])
            moving = front[beaten]
            if not len(moving):
                return
        self._fronts.append(moving)

    def remove(self, values: Values) -> None:
        """Take out one trial of these objectives; those that it alone kept back move forward."""
        leaving = self._gains(values)
        index = self._index(leaving)
        front = self._fronts[index]
        [at, *_] = np.flatnonzero((front == leaving).all(1))
        self._fronts[index] = np.delete(front, at, axis=0)
        for ahead in range(index, len(self._fronts) - 1):
            behind = self._fronts[ahead + 1]
            free = ~self._beat(self._fronts[ahead], behind).any(0)
            if not free.any():
                break
            self._fronts[ahead] = np.concatenate([self._fronts[ahead], behind[free]])
            self._fronts[ahead + 1] = behind[~free]
            if free.all():  # all that is behind moves on with it
                break
        self._fronts = [front for front in self._fronts if len(front)]

    def _index(self, gains: _Gains) -> int:
        """The first front in which nobody beats this trial, by halving: none does behind it."""
        low, high = 0, len(self._fronts)
        while low < high:
            middle = (low + high) // 2
            if self._beat(self._fronts[middle], gains).any():
                low = middle + 1
            else:
                high = middle
        return low

    def _beat(self, some: _Gains, others: _Gains) -> NDArray[np.bool_]:
        """Which of some `[n, objectives]` beat which of others `[m, objectives]`, `[n, m]`."""
        more, least = some[:, None], others[None]
        better = (more > least)[..., self._quality].any(-1)
        beaten: NDArray[np.bool_] = np.logical_and(better, (more >= least).all(-1))
        return beaten

    def _gains(self, values: Values) -> _Gains:
        gains: _Gains = np.array([values], np.float64) * self._signs
        return gains

    def _goodness(self, values: Values) -> list[float]:
        """Sorts trials so that none comes before one that beats it."""
        goodness: list[float] = self._gains(values)[0, self._quality].tolist()
        return goodness


class FrontsOfSome:
    """The fronts of some of a rung's trials, kept from one decision to the next.

    Trials that follow each other are compared with nearly the same ones.
    """

    def __init__(self, objectives: tuple[str, ...]) -> None:
        self._objectives, self._fronts = objectives, Fronts(objectives)
        self._within: dict[int, Values] = {}

    def of(self, some: set[int], values: Mapping[int, Values]) -> Fronts:
        """The fronts of `some` trials, by number, as far as they have `values`."""
        wanted = some & values.keys()
        if not self._within:
            self._within = {number: values[number] for number in wanted}
            self._fronts = Fronts(self._objectives, self._within.values())
        for number in self._within.keys() - wanted:
            self._fronts.remove(self._within.pop(number))
        for number in wanted - self._within.keys():
            self._within[number] = values[number]
            self._fronts.add(values[number])
        return self._fronts
