"""Batches, the picked pairs that they are made of, and draws that belong to a pair alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from puzzle_datasets.common.draws import key_digest
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.options import check, option, require
from puzzle_datasets.storage.dataset import PairTable, PuzzleDataset
from puzzle_datasets.storage.schema import IGNORE_LABEL, Integers


def send(tensor: Tensor, device: torch.device | str) -> Tensor:
    """Return the tensor on a device, on a GPU without waiting for the work it has to do."""
    if torch.device(device).type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


@dataclass(frozen=True)
class Batch:
    """Puzzles for one forward pass.

    `inputs` int32 [B, L] are tokens, `labels` int32 [B, L] tokens or `IGNORE_LABEL`,
    `puzzle_identifiers` int32 [B] name the rows of puzzle embeddings.
    """

    inputs: Tensor
    labels: Tensor
    puzzle_identifiers: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch on another device."""
        return Batch(*(send(tensor, device) for tensor in vars(self).values()))

    def split(self, rows: int) -> "list[Batch]":
        """Return the batch cut into batches of so many rows."""
        parts = (torch.split(tensor, rows) for tensor in vars(self).values())
        return [Batch(*part) for part in zip(*parts, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Share:
    """The part of every batch that a process takes: the `rank`-th of `world_size`.

    Raises `DatasetError` where it has no such part.
    """

    rank: int = option(0, "number of this process, from 0", least=0)
    world_size: int = option(1, "number of processes", least=1)

    def __post_init__(self) -> None:
        check(self, DatasetError)
        remedy = f"give a number below world_size={self.world_size}"
        fits = self.rank < self.world_size
        require(self, "rank", fits, remedy, DatasetError, also=("world_size",))

    def of(self, rows: int) -> slice:
        """Return the rows of a batch that are this process's."""
        share = rows // self.world_size
        return slice(self.rank * share, (self.rank + 1) * share)


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

    The counters are two tensors int64 [B] of numbers in [0, 2**32); the first draws are the same
    for any count. All are made on the host, where a batch is planned, and so are equal for every
    device.
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

    `rows` are those in `dataset.train`, `epochs` those for which each pair was picked; `puzzles`
    the rows of the identity table where the set has one of ARC identities, else the puzzles.
    """

    rows: Tensor
    puzzles: Tensor
    epochs: Tensor

    @classmethod
    def of(cls, rows: Integers, puzzles: Integers, epochs: Integers) -> "Picks":
        """Return picks from arrays."""
        parts = map(torch.from_numpy, (rows, puzzles, epochs))
        return cls(**dict(zip(("rows", "puzzles", "epochs"), parts, strict=True)))

    def __len__(self) -> int:
        return len(self.rows)


class Augmenter(Protocol):
    """Makes batches of picked pairs, each the same whatever others are in it or were before."""

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
        self._train, self._device = dataset.train, device

    def batch(self, picks: Picks) -> Batch:
        """Return the picked pairs under the identifiers that they are stored with."""
        return changed_pairs(self._train, picks.rows, self._device, lambda tokens: tokens)


def changed_pairs(
    table: PairTable, rows: Tensor, device: torch.device, change: Callable[[Tensor], Tensor]
) -> Batch:
    """Return the pairs of some rows, their tokens [B, L] changed on the device."""
    inputs, labels = (
        change(send(tokens.index_select(0, rows), device))
        for tokens in (table.inputs, table.labels)
    )
    return as_batch(inputs, labels, table.puzzle_identifier[rows])


def as_batch(inputs: Tensor, labels: Tensor, puzzle_identifiers: Tensor) -> Batch:
    """Return tokens [B, L] as a batch, on the device they are on."""
    # `IGNORE_LABEL` for padding, which is 0: a comparison and a mask would take ten times as long.
    small = labels.char()
    targets = ((small.clamp(max=1) - 1) * -IGNORE_LABEL + small).int()
    return Batch(inputs.int(), targets, send(puzzle_identifiers, inputs.device))
