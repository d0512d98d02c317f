"""All pairs that a puzzle set serves, one after another, with the puzzles and groups they form."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from puzzle_datasets.storage.dataset import PairTable, PuzzleDataset
from puzzle_datasets.storage.schema import PAD, Integers, Manifest, Split, Tokens

Change = Callable[[Tensor], Tensor]
"""Turns tokens [B, L] into those of variants."""

_CHUNK = 4096


@dataclass(frozen=True, kw_only=True)
class ServedSplit:
    """The pairs of a split as they are served.

    `group` and `puzzle` int64 [n] ascend; `make` returns inputs and labels [m, L] of the pairs of
    a slice, whose padding is 0 or negative.
    """

    group: Integers
    puzzle: Integers
    puzzle_identifier: Integers
    make: Callable[[slice], tuple[Tensor, Tensor]]

    def __len__(self) -> int:
        return len(self.group)

    @property
    def puzzle_starts(self) -> Integers:
        """The first pair of each puzzle, and the number of pairs [P + 1]."""
        return run_starts(self.puzzle)

    @property
    def group_starts(self) -> Integers:
        """The first puzzle of each group, and the number of puzzles [G + 1]."""
        return run_starts(self.group[self.puzzle_starts[:-1]])

    @property
    def identifiers(self) -> Integers:
        """The identifier of each puzzle [P]."""
        return self.puzzle_identifier[self.puzzle_starts[:-1]]

    def chunks(self) -> Iterator[tuple[Tokens, Tokens]]:
        """Yield inputs and labels uint8 [m, L] of some thousand pairs at a time."""
        for begin in range(0, len(self), _CHUNK):
            inputs, labels = self.make(slice(begin, begin + _CHUNK))
            yield _as_stored(inputs), _as_stored(labels)


def run_starts(values: npt.NDArray[np.integer[Any]]) -> Integers:
    """Return where each run of equal values [n] starts, and n, int64 [runs + 1]."""
    changes = np.flatnonzero(np.diff(values)) + 1
    return np.concatenate([[0], changes, [len(values)]])


def stored_split(table: PairTable) -> ServedSplit:
    """Return the pairs of a split as they are stored."""
    return ServedSplit(
        group=table.group.long().numpy(),
        puzzle=table.puzzle.long().numpy(),
        puzzle_identifier=table.puzzle_identifier.long().numpy(),
        make=lambda run: (table.inputs[run], table.labels[run]),
    )


def with_variants(
    dataset: PuzzleDataset, change_to: Callable[[Manifest, Tensor, Tensor], Change]
) -> dict[Split, ServedSplit]:
    """Return both splits of a set under a table, every training pair followed by its variants.

    `change_to` returns what turns training rows [B] into variants [B]; number 0 is the pair.
    """
    train, count = dataset.train, dataset.manifest.settings["augmentations"] + 1
    rows = torch.arange(len(train)).repeat_interleave(count)
    variants = torch.arange(count).repeat(len(train))

    def make(run: slice) -> tuple[Tensor, Tensor]:
        change = change_to(dataset.manifest, rows[run], variants[run])
        return change(train.inputs[rows[run]]), change(train.labels[rows[run]])

    served = ServedSplit(
        group=train.group[rows].long().numpy(),
        puzzle=np.arange(len(rows)),
        puzzle_identifier=train.puzzle_identifier[rows].long().numpy(),
        make=make,
    )
    return {"train": served, "test": stored_split(dataset.test)}


def _as_stored(tokens: Tensor) -> Tokens:
    """Return tokens as they are stored: an ignored label is padding."""
    return tokens.clamp_min(PAD).to(torch.uint8).numpy()
