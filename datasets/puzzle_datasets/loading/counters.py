"""Draws that each belong to a counter, whatever else is drawn beside them.

A keyed generator gives one long stream. Here a pair gets the same draws in any batch of any
process.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from puzzle_datasets.common.draws import key_digest

Words = npt.NDArray[np.uint64]
"""Numbers in [0, 2**32)."""

# Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
_ROUNDS = 10
_MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)
_KEY_STEPS = np.array([0x9E3779B9, 0xBB67AE85], np.uint64)
_BITS, _WORD = np.uint64(32), np.uint64(0xFFFFFFFF)


def counter_key(purpose: str, *key: int | str) -> Words:
    """Return the key [2] of counter-based draws for ``(purpose, *key)``."""
    return np.array(divmod(key_digest(8, purpose, *key), 2**32), np.uint64)


def counter_draws(key: Words, counters: tuple[Tensor, Tensor], count: int) -> Tensor:
    """Return ``count`` draws int64 [B, count], uniform in [0, 2**32), for each pair of counters.

    They are drawn on the host, where a batch is planned, and so are equal for every device.

    Args:
        key: from ``counter_key``.
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
    """Return whole numbers in [0, bound), uniform for uniform draws; ``bound`` is below 2**31."""
    return (draws * bound) >> 32


def permutations(draws: Tensor) -> Tensor:
    """Return a permutation int64 [..., k] of 0 to k - 1 for each k draws [..., k], uniform."""
    return draws.argsort(stable=True, dim=-1)
