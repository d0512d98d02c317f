"""The test puzzles that a training is evaluated on: a part of the set, some of it, in views."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hrm.config import ConfigError, TrainingConfig
from hrm.evaluation.accuracy import EVALUATION_SEED
from hrm.evaluation.per_puzzle import Numbers, PuzzleAnswers
from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.common.text import exact
from puzzle_datasets.kinds.arc.scoring import ArcVotes
from puzzle_datasets.kinds.arc.views import (
    InputIndex,
    Views,
    VotingBatch,
    view_batches,
    voting_views,
)
from puzzle_datasets.kinds.kind import kind_named
from puzzle_datasets.loader import random_subset, stored_batches
from puzzle_datasets.loading.batch import Batch, Share
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import PAD, Mask


class Found(NamedTuple):
    """What one evaluation finds of each puzzle with labels; see `PuzzleAnswers`."""

    solved: Mask
    halted_at: Numbers
    vote_rank: Numbers


@dataclass(frozen=True, kw_only=True)
class EvaluatedPuzzles:
    """Test puzzles in the order in which they are evaluated; those of all seeds are the same.

    Attributes:
        rows: int64 [n], of the test split.
        views: in which these come; None where each comes as it is stored.
        labelled: bool [n], which of them can be right or wrong.
        puzzles, view_numbers, tasks: int32, of those with labels; see `PuzzleAnswers`.
    """

    dataset: PuzzleDataset
    rows: Tensor
    views: Views | None
    labelled: Mask
    puzzles: Numbers
    view_numbers: Numbers
    tasks: Numbers

    @classmethod
    def of(cls, dataset: PuzzleDataset, training: TrainingConfig) -> "EvaluatedPuzzles":
        """Choose them as a training's settings say.

        Raises `ConfigError` where the set has no views, or a part of it no puzzle; `DatasetError`
        where it can't be voted on.
        """
        number, copy = _numbered(dataset)
        part = torch.from_numpy(_part(dataset, number, training))[number]
        limit, views = training.eval_puzzles, None
        if training.eval_views > 1:
            views = _views(dataset, training.eval_views, number, torch.unique(number[part]), limit)
            rows, turns = views.rows, views.turns
        else:
            rows = random_subset(part.nonzero()[:, 0], limit, EVALUATION_SEED)
            turns = copy[rows]
        labelled = (dataset.test.labels.amax(-1) > PAD)[rows]
        numbers = (number[rows], turns, dataset.test.group[rows])
        puzzles, view_numbers, tasks = (values[labelled].int().numpy() for values in numbers)
        return cls(
            dataset=dataset,
            rows=rows,
            views=views,
            labelled=labelled.numpy(),
            puzzles=puzzles,
            view_numbers=view_numbers,
            tasks=tasks,
        )

    def answers(self, step: int, training_flops: int, found: Found) -> PuzzleAnswers:
        """Return what an evaluation has found, with the puzzles that it was found of.

        Raises `ContradictionError` where it is of others.
        """
        return PuzzleAnswers(
            step=step,
            training_flops=training_flops,
            puzzles=self.puzzles,
            views=self.view_numbers,
            tasks=self.tasks,
            **found._asdict(),
        )

    def batches(self, batch_size: int, share: Share | None = None) -> Iterator[Batch]:
        """Yield them `batch_size` at a time; with `share`, the processes take turns."""
        if self.views is not None:
            return (one.batch for one in self.voting_batches(batch_size, share))
        return stored_batches(self.dataset, self.rows, batch_size=batch_size, share=share)

    def voting_batches(self, batch_size: int, share: Share | None = None) -> Iterator[VotingBatch]:
        """Yield them as `batches` does, with the view that each is in, which they must have."""
        assert self.views is not None, "each puzzle comes as it is stored"
        return view_batches(self.dataset, self.views, batch_size=batch_size, share=share)


def held_back(tasks: Tensor, share: float) -> Mask:
    """Return which puzzles [n], of `tasks` [n], are held back to confirm what a search has found.

    These are whole tasks, drawn by their order alone, that come closest to the share.

        >>> held_back(torch.tensor([0, 0, 1, 1]), 0.5).sum()
        np.int64(2)
    """
    _, task, counts = np.unique(tasks.numpy(), return_inverse=True, return_counts=True)
    order = keyed_generator("tasks held back").permutation(len(counts))
    sizes = np.concatenate([[0], counts[order].cumsum()])
    held = np.zeros(len(counts), bool)
    held[order[: np.abs(sizes - share * len(task)).argmin()]] = True
    found: Mask = held[task]
    return found


def _numbered(dataset: PuzzleDataset) -> tuple[Tensor, Tensor]:
    """The puzzle of each row [n] of the test split, and which of its copies the row is, from 0."""
    if kind_named(dataset.manifest.kind).vote_scores is None:
        rows = torch.arange(len(dataset.test))
        return rows, torch.zeros_like(rows)
    index = InputIndex.of(dataset)
    return index.of_row, index.copy_of_row


def _part(dataset: PuzzleDataset, number: Tensor, training: TrainingConfig) -> Mask:
    """Which puzzles belong to the part that is evaluated."""
    tasks = torch.empty(int(number.max()) + 1, dtype=torch.int64)
    tasks[number] = dataset.test.group.long()
    share, wanted = training.confirm_share, training.eval_part == "confirm"
    held = held_back(tasks, share)
    if (share or wanted) and (held.all() or not held.any()):
        count = len(np.unique(tasks.numpy()))
        problem = f"is {exact(share)}, which leaves one part of {count} tasks without a puzzle"
        remedy = "give another share" if count > 1 else "give 0"
        raise ConfigError.of("confirm_share", problem, remedy, share, also=("eval_part",))
    return held if wanted else ~held


def _views(
    dataset: PuzzleDataset, views: int, number: Tensor, puzzles: Tensor, limit: int | None
) -> Views:
    """At most `limit` of some puzzles in their views; `number` is the puzzle of each row."""
    if kind_named(dataset.manifest.kind).vote_scores is None:
        problem = f"is {views}, but {dataset.manifest.name} is not scored by votes"
        raise ConfigError.of("eval_views", problem, "give 1", views)
    ArcVotes(dataset)  # refuses sets whose answers lie elsewhere than in the corner
    chosen = random_subset(puzzles, limit, EVALUATION_SEED)
    every = voting_views(dataset, views)
    return every.at(torch.isin(number[every.rows], chosen))
