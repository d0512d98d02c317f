"""How much of a published folder's test split is trained on: published sets are what they are."""

import hashlib
from collections import defaultdict

import numpy as np
import numpy.typing as npt

from puzzle_datasets.kinds.maze import rules as maze
from puzzle_datasets.kinds.sudoku.symmetry import invariant
from puzzle_datasets.published.folder import Tokens
from puzzle_datasets.storage.schema import Kind, Split

Hashes = npt.NDArray[np.uint64]


class Overlap:
    """Counts test pairs that are training pairs too, holding eight or sixteen bytes of each."""

    def __init__(self, kind: Kind, side: int) -> None:
        self._kind, self._side = kind, side
        self._hashes: defaultdict[tuple[str, Split], list[Hashes]] = defaultdict(list)

    def add(self, split: Split, inputs: Tokens, labels: Tokens) -> None:
        """Take note of pairs of tokens [n, L]."""
        self._hashes["", split].append(_pair_hashes(inputs, labels))
        if self._kind == "sudoku":
            self._hashes["_up_to_symmetry", split].append(invariant(inputs, self._side))
        if self._kind == "maze":
            canonical = maze.canonical_hash(inputs, (self._side, self._side))
            self._hashes["_up_to_symmetry", split].append(canonical)

    def statistics(self) -> dict[str, float]:
        """Return how many test pairs are trained on.

        Of Sudoku and mazes also how many have the puzzle of a training pair up to the symmetries
        of their kind.
        """
        figures: dict[str, float] = {}
        for sense in dict.fromkeys(sense for sense, _ in self._hashes):
            train, test = (np.concatenate(self._hashes[sense, s]) for s in ("train", "test"))
            figures[f"test_pairs_trained_on{sense}"] = int(np.isin(test, train).sum())
        return figures


def _pair_hashes(inputs: Tokens, labels: Tokens) -> Hashes:
    pairs = np.concatenate([inputs, labels], axis=1)
    digests = b"".join(hashlib.blake2b(pair, digest_size=8).digest() for pair in pairs)
    return np.frombuffer(digests, "<u8").astype(np.uint64)
