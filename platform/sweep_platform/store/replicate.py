"""Replicates: trainings of one configuration that differ in their seed alone."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from puzzle_datasets.common.bounded import Count, Seed


class Purpose(StrEnum):
    """What a replicate is trained for; each purpose has seeds of its own, but controls."""

    MEASURE = "measure"
    """Measures a trial: what the search sees and reports compare."""
    TUNE = "tune"
    """Helps to choose nuisance values, and measures nothing else."""
    CONFIRM = "confirm"
    """Measures once more what was picked, so that picking does not flatter it."""
    CONTROL = "control"
    """Trains an heir's configuration from scratch, with the seeds that measure it, to compare."""

    @property
    def of_search(self) -> bool:
        """Whether it belongs to the search, after which the others come."""
        return self in (Purpose.MEASURE, Purpose.TUNE)

    @property
    def inherits(self) -> bool:
        """Whether it begins with the weights of its trial's ancestor, where there is one."""
        return self.of_search


_WORDS = {
    Purpose.MEASURE: "replicate",
    Purpose.TUNE: "tuning",
    Purpose.CONFIRM: "confirmation",
    Purpose.CONTROL: "control",
}


@dataclass(frozen=True, kw_only=True, order=True)
class Replicate:
    """One training of a configuration: what for, its number among those, from 0, and its seed."""

    purpose: Purpose
    number: Count
    seed: Seed

    @property
    def label(self) -> str:
        """Its name within the trial, and that of its folder: "measure-0"."""
        return f"{self.purpose}-{self.number}"

    @property
    def words(self) -> str:
        """Its name in a sentence: "replicate 0"."""
        return f"{_WORDS[self.purpose]} {self.number}"


def replicates(seed: int, purpose: Purpose, count: int) -> tuple[Replicate, ...]:
    """The first replicates of a purpose in a sweep of this seed.

    All trials of a sweep have the same ones, so that they can be compared in pairs.

    >>> [one.label for one in replicates(0, Purpose.MEASURE, 2)]
    ['measure-0', 'measure-1']
    """
    return tuple(nth_replicate(seed, purpose, number) for number in range(count))


def nth_replicate(seed: int, purpose: Purpose, number: int) -> Replicate:
    """The replicate of a purpose that has this number, in a sweep of this seed."""
    return Replicate(purpose=purpose, number=number, seed=_seed(seed, purpose, number))


def _seed(seed: int, purpose: Purpose, number: int) -> int:
    """A seed below 2^31, which no two replicates of any sweeps share but by rare chance.

    A control has that of the replicate that it is paired with.
    """
    drawn_for = Purpose.MEASURE if purpose is Purpose.CONTROL else purpose
    digest = hashlib.sha256(f"{seed} {drawn_for} {number}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
