"""The training loop: a trainer that yields progress and can stop and resume at any step."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from hrm.config import ModelConfig, TrainingConfig
from hrm.evaluate import Curve
from puzzle_datasets.dataset import PuzzleDataset


class NonFiniteLoss(RuntimeError):
    """The loss became infinite or not a number; the message names the step and the loss."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where training stands; means are over the steps since the last report.

    `train_exact_accuracy` and `mean_segments` are over rows that halted since then, None where none did.
    `examples` counts fresh puzzles that entered the batch. `examples_per_second` counts rows times segments,
    that is batch size times steps per second of training, evaluation excluded. `device_seconds` is the time
    in training and evaluation, over all resumed parts of the run. `curve` is set where the model
    was evaluated.
    """

    step: int
    total_steps: int
    training_flops: int
    loss: float
    lm_loss: float
    train_exact_accuracy: float | None
    mean_segments: float | None
    learning_rate: float
    examples: int
    device_seconds: float
    examples_per_second: float
    peak_memory_bytes: int
    curve: Curve | None


class Trainer:
    """Trains one model on one dataset under one budget."""

    def __init__(
        self,
        model_config: ModelConfig,
        training_config: TrainingConfig,
        dataset: PuzzleDataset,
        device: torch.device,
    ) -> None:
        raise NotImplementedError

    @property
    def step(self) -> int:
        """Optimizer steps taken."""
        raise NotImplementedError

    @property
    def done(self) -> bool:
        """Whether the budget is spent."""
        raise NotImplementedError

    def run(self) -> Iterator[Progress]:
        """Train until the budget is spent, yielding progress at about 20 steps and each evaluation."""
        raise NotImplementedError

    def save(self, path: Path) -> None:
        """Write everything that resuming needs to `path`, atomically."""
        raise NotImplementedError

    def restore(self, path: Path) -> None:
        """Continue from what `save` wrote."""
        raise NotImplementedError
