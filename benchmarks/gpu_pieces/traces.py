"""What steps of training leave to compare: losses, the first gradient, the averaged weights."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gpu_pieces.tables import require
from hrm.model.flat import MovingAverage
from hrm.training.learner import Learner
from puzzle_datasets.loading.batch import Batch


class Limits(NamedTuple):
    """Largest difference allowed: of losses relative to each, of the gradient to its norm.

    Steps after the first may differ by more: Adam-atan2 steps as far for a small gradient as for
    a large one, and rounding decides the sign of the smallest.
    """

    first: float
    later: float
    gradient: float


FLOAT32 = Limits(2e-5, 5e-3, 2e-4)
BFLOAT16 = Limits(2e-3, 2e-2, 1e-1)
AVERAGE = 1e-2
"""Largest error of the averaged weights relative to their way, whatever the blocks compute in."""


class Trace(NamedTuple):
    """Losses per row of each step, and the gradient `[parameters]` of the first one.

    `average_error` is that of the averaged weights relative to their way; None where none are.
    It is taken from the trace's own weights, which two devices may update in opposite directions.
    """

    losses: list[float]
    gradient: Tensor
    average_error: float | None = None


def trace(learner: Learner, batches: Sequence[Batch]) -> Trace:
    """Train a step on each batch."""
    losses, gradients = [], []
    average = None if learner.average is None else _Average(learner.average)
    for batch in batches:
        learner.step(batch.to(learner.device))
        if average is not None:
            average.follow(learner.steps)
        learner.tally.steps += 1
        losses.append(learner.tally.read().loss)
        if not gradients:
            gradients = [_gradient(parameter) for parameter in learner.model.parameters()]
    return Trace(losses, torch.cat(gradients), None if average is None else average.error())


class _Average:
    """The average that its definition makes of the weights after each step, in float64."""

    def __init__(self, average: MovingAverage) -> None:
        self._average = average
        self._start = _precise(average.flat.values)
        self._expected = self._start.clone()

    def follow(self, step: int) -> None:
        decay = min(self._average.decay, (1 + step) / (10 + step))
        self._expected.lerp_(_precise(self._average.flat.values), 1 - decay)

    def error(self) -> float:
        far = (_precise(self._average.values) - self._expected).norm()
        return (far / (self._expected - self._start).norm()).item()


def _precise(tensor: Tensor) -> Tensor:
    return tensor.detach().double().cpu().clone()


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return _precise(parameter.grad).flatten()


def compare(actual: Trace, expected: Trace, limits: Limits) -> list[str]:
    """Return the differences beside their limits; raise if one is larger, or no number.

    They are those of `Limits`, and the error of the averaged weights where there are some.
    """
    first, *later = (
        abs(a - e) / abs(e) for a, e in zip(actual.losses, expected.losses, strict=True)
    )
    gradient = ((actual.gradient - expected.gradient).norm() / expected.gradient.norm()).item()
    found = [*zip((first, max(later), gradient), limits, strict=True)]
    if actual.average_error is not None:
        found.append((actual.average_error, AVERAGE))
    texts = [f"{d:.1e} (≤ {most:.0e})" for d, most in found]
    within = all(d <= most for d, most in found)
    require(within, "first, later, gradient, average: " + ", ".join(texts))
    return texts
