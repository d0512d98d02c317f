"""ARC by vote: a task's puzzles are predicted in many views, and the commonest grids are guesses.

A prediction is cropped at its grid's place and brought back to the task's own orientation and
colours. A guess ranks by its votes, then by the mean halting confidence behind them (HRM paper,
section 3.2), then by its hash, which is the same on every machine. A prediction without a grid
votes for the empty one, which may take the place of a guess, as in the published evaluation.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.arc.augment import Augmentation, undo
from puzzle_datasets.kinds.arc.views import InputIndex, stored_augmentation
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import Mask

_CONFIDENCE_STEPS = 2**32
_EMPTY = b""


@dataclass(frozen=True, kw_only=True)
class PassRates:
    """Shares, from 0 to 1, that K guesses for each test input solve.

    `per_input` of the inputs; `per_task` of the tasks with every input solved, as HRM is scored;
    `task_mean` the mean over the tasks of the share of their inputs solved, as TRM is scored.
    """

    per_input: float
    per_task: float
    task_mean: float


@dataclass(frozen=True, kw_only=True)
class ArcScores:
    """Pass@K of a whole test split; inputs that got no vote count as not solved.

    `inputs` and `tasks` are numbers of those with tests, `inputs_voted` of those that got a vote,
    `votes` of predictions counted; `pass_at` has the rates for each K.
    """

    inputs: int
    inputs_voted: int
    tasks: int
    votes: int
    pass_at: dict[int, PassRates]

    def metrics(self) -> dict[str, float]:
        """Return the rates by names such as `pass_2_per_task`."""
        return {
            f"pass_{guesses}_{name}": rate
            for guesses, rates in self.pass_at.items()
            for name, rate in vars(rates).items()
        }


class ArcVotes:
    """Collects the votes for a set's test inputs, from one process or from many.

    Votes may come in any order and any split: the scores are the same to the last bit, because
    confidences are summed in whole steps of 2^-32. A collector can be pickled and sent.
    """

    def __init__(self, dataset: PuzzleDataset) -> None:
        index = InputIndex.of(dataset)
        self._input_of_row = index.of_row
        self._task_of_input = dataset.test.group[index.first_row].numpy()
        self._truths = _true_grids(dataset, index.first_row)
        self._votes: Counter[tuple[int, bytes]] = Counter()
        self._confidence: Counter[tuple[int, bytes]] = Counter()

    def add(
        self, predictions: Tensor, confidence: Tensor, rows: Tensor, augmentation: Augmentation
    ) -> None:
        """Count predictions [B, L] of rows [B] of the test split, seen under augmentations.

        One without a grid at its place votes for the empty one. `confidence` is the probability of
        halting [B]; NaN, as of a diverged model, counts as 0. All may be on any device.
        """
        probability = confidence.cpu().double().nan_to_num(0.0)
        assert ((probability >= 0) & (probability <= 1)).all(), "confidences are no probabilities"
        steps = (probability * _CONFIDENCE_STEPS).round().long()
        grids = _own_grids(predictions.cpu(), augmentation)
        inputs = self._input_of_row[rows.cpu()]
        for at, grid, step in zip(inputs.tolist(), grids, steps.tolist(), strict=True):
            key = at, grid
            self._votes[key] += 1
            self._confidence[key] += step

    def merge(self, other: "ArcVotes") -> None:
        """Add the votes that another process collected for the same set."""
        assert self._truths == other._truths, "votes for different test splits"
        self._votes.update(other._votes)
        self._confidence.update(other._confidence)

    def scores(self, guesses: Sequence[int] = (1, 2)) -> ArcScores:
        """Return pass@K for each K of `guesses`."""
        ranks = self.ranks()
        return ArcScores(
            inputs=len(ranks),
            inputs_voted=len({at for at, _ in self._votes}),
            tasks=len(np.unique(self._task_of_input)),
            votes=self._votes.total(),
            pass_at={k: pass_rates(ranks <= k, self._task_of_input) for k in guesses},
        )

    def ranks(self) -> npt.NDArray[np.float64]:
        """Return the ranks [I] of the true grids, from 1; infinite where nobody voted for one."""
        truths = [self._standing((at, grid)) for at, grid in enumerate(self._truths)]
        ranks = np.array([1.0 if votes < 0 else np.inf for votes, _, _ in truths])
        for at, grid in self._votes:
            ranks[at] += self._standing((at, grid)) < truths[at]
        return ranks

    def _standing(self, key: tuple[int, bytes]) -> tuple[int, int, bytes]:
        """Return what sorts the guesses of an input, best first."""
        # Where votes are equal, the sum of the confidences sorts as their mean does.
        return -self._votes[key], -self._confidence[key], key[1]


def pass_rates(solved: Mask, tasks: npt.NDArray[np.integer[Any]]) -> PassRates:
    """Return the rates of test inputs [I] of which some are solved, each of a task."""
    task = np.unique(tasks, return_inverse=True)[1]
    shares = np.bincount(task, solved) / np.bincount(task)
    return PassRates(
        per_input=float(solved.mean()),
        per_task=float((shares == 1).mean()),
        task_mean=float(shares.mean()),
    )


def score_once(dataset: PuzzleDataset, predictions: Tensor) -> dict[str, float]:
    """Return pass@K of one prediction for each test row [n, L]: one vote each, equally sure."""
    votes, rows = ArcVotes(dataset), torch.arange(len(dataset.test))
    votes.add(predictions, torch.zeros(len(rows)), rows, stored_augmentation(dataset, rows))
    return votes.scores().metrics()


def _true_grids(dataset: PuzzleDataset, rows: Tensor) -> list[bytes]:
    """Return the hashes of the true grids of test rows; `DatasetError` if a corner has none."""
    grids = list(_own_grids(dataset.test.labels[rows], stored_augmentation(dataset, rows)))
    if _EMPTY in grids:
        row = int(rows[grids.index(_EMPTY)])
        problem = f"has no label grid in the canvas's corner in row {row} of its test split"
        remedy = "import a folder whose test pairs are not translated"
        raise DatasetError.of(dataset.manifest.name, problem, remedy, row)
    return grids


def _own_grids(tokens: Tensor, augmentation: Augmentation) -> Iterator[bytes]:
    """Yield the hash of each grid as its task has it, `_EMPTY` where there is no grid."""
    base, sizes = undo(tokens, augmentation)
    for grid, cells in zip(base.to(torch.uint8).numpy(), sizes.prod(1).tolist(), strict=True):
        yield hashlib.blake2b(grid, digest_size=16).digest() if cells else _EMPTY
