"""What some steps of training leave to compare: the losses, and the first step's gradient."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gpu_pieces.tables import require
from hrm.learner import Learner
from puzzle_datasets.batch import Batch


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


class Trace(NamedTuple):
    """Losses per row of each step, and the gradient `[parameters]` of the first one."""

    losses: list[float]
    gradient: Tensor


def trace(learner: Learner, batches: Sequence[Batch]) -> Trace:
    """Train a step on each batch."""
    losses, gradients = [], []
    for batch in batches:
        learner.step(batch.to(learner.device))
        learner.tally.steps += 1
        losses.append(learner.tally.read().loss)
        if not gradients:
            gradients = [_gradient(parameter) for parameter in learner.model.parameters()]
    return Trace(losses, torch.cat(gradients))


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad.detach().flatten().double().cpu().clone()


def compare(actual: Trace, expected: Trace, limits: Limits) -> list[str]:
    """Return the three differences beside their limits; raise if one is larger, or no number."""
    first, *later = (
        abs(a - e) / abs(e) for a, e in zip(actual.losses, expected.losses, strict=True)
    )
    gradient = ((actual.gradient - expected.gradient).norm() / expected.gradient.norm()).item()
    found = Limits(first, max(later), gradient)
    texts = [f"{d:.1e} (≤ {most:.0e})" for d, most in zip(found, limits, strict=True)]
    within = all(d <= most for d, most in zip(found, limits, strict=True))
    require(within, "first, later, gradient: " + ", ".join(texts))
    return texts
