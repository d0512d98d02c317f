"""How many puzzles pass through a model at a time, where fewer do than asked for.

A worker finds that out when the memory of its device does not suffice. Whoever trains weights of
the same shapes on batches of the same size next, begins with as many.
"""

import math
from collections.abc import Hashable

from hrm.config import ConfigError, ModelConfig
from hrm.progress import Progress
from puzzle_datasets.common.options import make
from sweep_platform.store.trial import TrialRecord


class MicroBatches:
    """Remembers the least number by shapes of the weights, size of the batch, and precision."""

    def __init__(self) -> None:
        self._least: dict[Hashable, int] = {}

    def measured(self, record: TrialRecord, progress: Progress) -> bool:
        """Take note of a report; whether fewer pass at a time than was known."""
        if progress.micro_batch is None:
            return False
        key, rows = _key(record), progress.micro_batch
        if rows >= self._least.get(key, math.inf):
            return False
        self._least[key] = rows
        return True

    def of(self, record: TrialRecord) -> int | None:
        """How many a trial is to begin with at most; None where nothing is known."""
        return self._least.get(_key(record)) if self._least else None


def _key(record: TrialRecord) -> Hashable:
    from hrm.model.reasoning_model import weight_shapes  # torch takes seconds to import

    training = record.training
    shapes = weight_shapes(make(ModelConfig, record.model, ConfigError))
    return shapes, training["batch_size"], training["precision"]
