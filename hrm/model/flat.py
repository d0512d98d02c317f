"""All weights of a model as one long vector, and all gradients as another.

What touches every weight (an optimizer's step, an average, a sum over processes) is then a few
operations on one tensor in place of some on each of many.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

ALIGNMENT = 64
"""Each parameter begins at a multiple of so many values, where fast kernels want it."""


class FlatParameters:
    """Parameters moved into one vector `values`, their gradients into one vector `gradients`.

    The parameters stay what they were, as views. Between them lie zeros, whose gradient is zero.
    All must be on one device and of one type by now.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._parameters = list(parameters)
        first = self._parameters[0]
        length = sum(map(_room, self._parameters))
        self.values = torch.zeros(length, dtype=first.dtype, device=first.device)
        self.gradients = torch.zeros_like(self.values)
        pairs = zip(self.views(self.values), self.views(self.gradients), strict=True)
        for parameter, (value, gradient) in zip(self._parameters, pairs, strict=True):
            value.copy_(parameter.detach())
            parameter.data = value
            parameter.grad = gradient

    def views(self, vector: Tensor) -> Iterator[Tensor]:
        """The part of a vector like `values` that belongs to each parameter, in its shape."""
        start = 0
        for parameter in self._parameters:
            yield vector[start : start + parameter.numel()].view(parameter.shape)
            start += _room(parameter)


def _room(parameter: Tensor) -> int:
    return -(-parameter.numel() // ALIGNMENT) * ALIGNMENT


class MovingAverage:
    """Exponential moving average of weights: average <- decay average + (1 - decay) weights.

    After t updates the decay is at most (1 + t) / (10 + t), so that the start is soon forgotten.
    """

    def __init__(self, flat: FlatParameters, decay: float) -> None:
        self.flat, self.decay = flat, decay
        self.values = flat.values.clone()

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after optimizer step `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        self.values.lerp_(self.flat.values, 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the averaged weights inside this context."""
        trained = self.flat.values.clone()
        self.flat.values.copy_(self.values)
        try:
            yield
        finally:
            self.flat.values.copy_(trained)
