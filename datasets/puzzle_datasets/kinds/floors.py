"""Floors: trivial baselines of a puzzle set, which a model has to beat to have learnt anything."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from puzzle_datasets.common.bounded import Positive, Share
from puzzle_datasets.common.records import ContradictionError
from puzzle_datasets.common.text import counted, percent
from puzzle_datasets.storage.schema import PAD, Integers, Tokens

if TYPE_CHECKING:
    from puzzle_datasets.storage.dataset import PuzzleDataset

_MOST_COUNTED = 2**22
"""About how many tokens are counted, of training labels evenly spread."""


@dataclass(frozen=True, kw_only=True)
class Floor:
    """A baseline that takes no training.

    `words` say in a clause what it answers; `predict` returns its tokens uint8 [n, L] for rows
    int64 [n] of the test split.
    """

    name: str
    words: str
    predict: "Callable[[PuzzleDataset, Integers], Tokens]"


@dataclass(frozen=True, kw_only=True)
class FloorResult:
    """What a floor comes to on `puzzles` test puzzles: shares as a model's evaluation has them.

    `exact_accuracy` of the puzzles, `token_accuracy` the mean over them of the share of scored
    tokens. Raises `ContradictionError` where there are no such shares.
    """

    name: str
    words: str
    exact_accuracy: Share
    token_accuracy: Share
    puzzles: Positive

    def __post_init__(self) -> None:
        if self.exact_accuracy > self.token_accuracy:
            raise ContradictionError("has impossible accuracies")

    @property
    def figures(self) -> str:
        """The shares as people read them: "0.0 % exact, 60.2 % of tokens, 38 puzzles"."""
        shares = f"{percent(self.exact_accuracy)} exact, {percent(self.token_accuracy)} of tokens"
        return f"{shares}, {counted(self.puzzles, 'puzzle')}"


def best_floor(results: Iterable[FloorResult]) -> FloorResult | None:
    """Return the floor that is hardest to beat, by puzzles, then by tokens; None of none.

    >>> shares = {"exact_accuracy": 0.0, "puzzles": 10}
    >>> low, high = (FloorResult(name=n, words=n, token_accuracy=t, **shares)
    ...     for n, t in (("low", 0.1), ("high", 0.2)))
    >>> best_floor([low, high]).figures
    '0.0 % exact, 20.0 % of tokens, 10 puzzles'
    """
    return max(results, key=lambda one: (one.exact_accuracy, one.token_accuracy), default=None)


def _copied(dataset: "PuzzleDataset", rows: Integers) -> Tokens:
    return np.asarray(dataset.test.inputs.numpy()[rows])


def _majority(dataset: "PuzzleDataset", rows: Integers) -> Tokens:
    labels = dataset.train.labels.numpy()
    spread = labels[:: -(-labels.size // _MOST_COUNTED)]
    counts = np.bincount(spread.ravel(), minlength=dataset.manifest.vocab_size)
    counts[PAD] = 0  # which is not scored
    return np.full((len(rows), labels.shape[1]), counts.argmax(), np.uint8)


COMMON = (
    Floor(
        name="majority token",
        words="the commonest token of training labels in every cell",
        predict=_majority,
    ),
    Floor(name="copy the input", words="the input as it is", predict=_copied),
)
"""Floors of every kind."""
