"""The puzzles of each group, and the training rows of each puzzle."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from puzzle_datasets.storage.dataset import PuzzleDataset

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class PuzzleIndex:
    """The puzzles of a training split, ordered by group.

    A puzzle is a run of rows under one identifier. Of ARC's base sets each identity of a task is
    one, and all identities of a task share its rows.

    Attributes:
        starts: int64 [G + 1], group g has puzzles `starts[g]` to `starts[g + 1]`.
        first_row: int64 [P], the first row of each puzzle.
        rows: int64 [P], the number of its rows.
    """

    starts: Integers
    first_row: Integers
    rows: Integers

    @classmethod
    def of(cls, dataset: PuzzleDataset) -> "PuzzleIndex":
        """Return the index of a puzzle set."""
        if dataset.manifest.augmentation != "stored" and dataset.identities is not None:
            index = _by_identity(dataset.train.group.numpy(), dataset.identities.group.numpy())
        else:
            index = _by_puzzle(dataset.train.group.numpy(), dataset.train.puzzle.numpy())
        # A visit without pairs at the end of an epoch would be waited for without end.
        assert (index.rows > 0).all(), f"{dataset.manifest.name} has puzzles without training rows"
        return index

    def draw_puzzles(self, generator: np.random.Generator) -> Integers:
        """Return one random puzzle of every group int64 [G], groups in random order."""
        groups = generator.permutation(len(self.starts) - 1)
        return generator.integers(self.starts[groups], self.starts[groups + 1])


def run_starts(values: npt.NDArray[np.integer[Any]]) -> Integers:
    """Return where each run of equal values [n] starts, and n, int64 [runs + 1]."""
    changes = np.flatnonzero(np.diff(values)) + 1
    return np.concatenate([[0], changes, [len(values)]])


def _by_identity(row_groups: npt.NDArray[np.int32], identity_groups: Integers) -> PuzzleIndex:
    borders = np.arange(int(identity_groups[-1]) + 2)
    row_starts = np.searchsorted(row_groups, borders)
    return PuzzleIndex(
        starts=np.searchsorted(identity_groups, borders),
        first_row=row_starts[identity_groups],
        rows=np.diff(row_starts)[identity_groups],
    )


def _by_puzzle(groups: npt.NDArray[np.int32], puzzles: npt.NDArray[np.int32]) -> PuzzleIndex:
    row_starts = run_starts(puzzles)
    first_row = row_starts[:-1]
    return PuzzleIndex(
        starts=run_starts(groups[first_row]), first_row=first_row, rows=np.diff(row_starts)
    )
