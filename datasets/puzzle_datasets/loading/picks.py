"""Picked training pairs, draws that belong to them alone, and serving without augmentation.

A keyed generator gives one long stream. By a counter, a pair gets the same draws in any batch of
any process.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from puzzle_datasets.common.draws import key_digest
from puzzle_datasets.loading.batch import Batch, send
from puzzle_datasets.storage.dataset import PairTable, PuzzleDataset
from puzzle_datasets.storage.schema import IGNORE_LABEL

Words = npt.NDArray[np.uint64]
"""Numbers in [0, 2**32)."""

# Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
_ROUNDS = 10
_MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)
_KEY_STEPS = np.array([0x9E3779B9, 0xBB67AE85], np.uint64)
_BITS, _WORD = np.uint64(32), np.uint64(0xFFFFFFFF)


def counter_key(purpose: str, *key: int | str) -> Words:
    """Return the key [2] of counter-based draws for `(purpose, *key)`."""
    return np.array(divmod(key_digest(8, purpose, *key), 2**32), np.uint64)


def counter_draws(key: Words, counters: tuple[Tensor, Tensor], count: int) -> Tensor:
    """Return `count` draws int64 [B, count], uniform in [0, 2**32), for each pair of counters.

    They are drawn on the host, where a batch is planned, and so are equal for every device.

    Args:
        key: from `counter_key`.
        counters: two tensors int64 [B] of numbers in [0, 2**32).
        count: how many draws; the first ones are the same for any count.
    """
    blocks = -(-count // 4)
    counter = np.zeros((4, len(counters[0]), blocks), np.uint64)
    counter[0], counter[1] = (numbers.numpy()[:, None] for numbers in counters)
    counter[2] = np.arange(blocks)
    words = philox(counter, key).transpose(1, 2, 0).reshape(-1, 4 * blocks)
    return torch.from_numpy(words[:, :count].astype(np.int64))


def philox(counter: Words, key: Words) -> Words:
    """Return Philox4x32-10 of counters [4, ...] under a key [2], in the counters' shape."""
    column = (2, *(1 for _ in counter.shape[1:]))
    multipliers, steps = _MULTIPLIERS.reshape(column), _KEY_STEPS.reshape(column)
    round_key = key.reshape(column)
    even, odd = counter[0::2], counter[1::2]
    for _ in range(_ROUNDS):
        product = (even * multipliers)[::-1]
        even = (product >> _BITS) ^ odd ^ round_key
        odd = product & _WORD
        round_key = (round_key + steps) & _WORD
    return np.stack([even, odd], 1).reshape(counter.shape)


def below(draws: Tensor, bound: Tensor | int) -> Tensor:
    """Return whole numbers in [0, bound), uniform for uniform draws; `bound` is below 2**31."""
    return (draws * bound) >> 32


def permutations(draws: Tensor) -> Tensor:
    """Return a permutation int64 [..., k] of 0 to k - 1 for each k draws [..., k], uniform."""
    return draws.argsort(stable=True, dim=-1)


@dataclass(frozen=True, kw_only=True)
class Picks:
    """The training pairs of one batch, int64 [B] each, on the host.

    Attributes:
        rows: the pairs' rows in `dataset.train`.
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
    """The variant of a puzzle, from 0 to `count`, that an epoch serves: any of them as likely."""

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
    """Return labels int32 [B, L] with `IGNORE_LABEL` in place of padding, which is 0."""
    # Bytes and arithmetic take a tenth of the time of a comparison and a mask.
    small = labels.char()
    return ((small.clamp(max=1) - 1) * -IGNORE_LABEL + small).int()
