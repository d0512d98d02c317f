"""What a loader asks of an augmenter, and how pairs are served without any augmentation."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from puzzle_datasets.loading.batch import Batch, send
from puzzle_datasets.loading.counters import below, counter_draws, counter_key
from puzzle_datasets.storage.dataset import PairTable, PuzzleDataset
from puzzle_datasets.storage.schema import IGNORE_LABEL


@dataclass(frozen=True, kw_only=True)
class Picks:
    """The training pairs of one batch, int64 [B] each, on the host.

    Attributes:
        rows: the pairs' rows in ``dataset.train``.
        puzzles: the row of the identity table where the set has a table of ARC identities, else
            the pair's puzzle.
        epochs: the epoch for which each pair was picked.
    """

    rows: Tensor
    puzzles: Tensor
    epochs: Tensor

    def __len__(self) -> int:
        return len(self.rows)


class Augmenter(Protocol):
    """Makes batches of picked pairs on one device.

    A pair comes out the same whatever other pairs are in its batch and whatever was made before.
    """

    def batch(self, picks: Picks) -> Batch:
        """Return the picked pairs, augmented, in their order."""


class Variants:
    """Which of a puzzle's variants, 0 to ``count``, an epoch shows: any of them as likely."""

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._key = counter_key("variants shown", seed)

    def of(self, picks: Picks) -> Tensor:
        """Return the number int64 [B] of each pick's variant; 0 is the puzzle itself."""
        draws = counter_draws(self._key, (picks.epochs, picks.rows), 1)
        return below(draws.squeeze(1), self._count + 1)


class StoredPairs:
    """Serves training pairs as they are stored: the augmenter that changes nothing."""

    def __init__(self, dataset: PuzzleDataset, device: torch.device) -> None:
        self._train = dataset.train
        self._device = device

    def batch(self, picks: Picks) -> Batch:
        """Return the picked pairs under the identifiers that they are stored with."""
        inputs, labels = stored_tokens(self._train, picks.rows, self._device)
        return as_batch(inputs, labels, self._train.puzzle_identifier[picks.rows])


def stored_tokens(table: PairTable, rows: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return inputs and labels uint8 [B, L] of some rows on the device."""
    inputs, labels = (tokens.index_select(0, rows) for tokens in (table.inputs, table.labels))
    return send(inputs, device), send(labels, device)


def as_batch(inputs: Tensor, labels: Tensor, puzzle_identifiers: Tensor) -> Batch:
    """Return tokens [B, L] as a batch, on the device they are on."""
    return Batch(inputs.int(), _targets(labels), send(puzzle_identifiers, inputs.device))


def _targets(labels: Tensor) -> Tensor:
    """Return labels int32 [B, L] with ``IGNORE_LABEL`` in place of padding, which is 0."""
    # Bytes and arithmetic take a tenth of the time of a comparison and a mask.
    small = labels.char()
    return ((small.clamp(max=1) - 1) * -IGNORE_LABEL + small).int()
