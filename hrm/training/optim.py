"""The published optimizers: Adam-atan2 for weights, SignSGD for puzzle rows, one schedule."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from hrm.model.flat import FlatParameters


class AdamAtan2:
    """Adam with an arc tangent for its quotient and no epsilon (Everett et al., arXiv 2407.05872).

    With decoupled decay, as the published kernel computes it, b1 and b2 being the betas and t the
    step:

        p <- p (1 - lr wd)
        p <- p - lr / (1 - b1^t) atan2(m, sqrt(v / (1 - b2^t)))

    m is not bias-corrected inside the arc tangent and the quotient has no scale.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], beta1: float, beta2: float, weight_decay: float
    ) -> None:
        self.flat = FlatParameters(parameters)
        self.beta1, self.beta2, self.weight_decay = beta1, beta2, weight_decay
        self.steps = 0
        self.m = torch.zeros_like(self.flat.values)
        self.v = torch.zeros_like(self.flat.values)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self.flat.gradients.zero_()

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every parameter from its gradient."""
        self.steps += 1
        gradients = self.flat.gradients
        self.m.lerp_(gradients, 1 - self.beta1)
        self.v.mul_(self.beta2).addcmul_(gradients, gradients, value=1 - self.beta2)
        size = self.v.div(1 - self.beta2**self.steps).sqrt_()
        torch.atan2(self.m, size, out=size)
        rate = learning_rate / (1 - self.beta1**self.steps)
        self.flat.values.mul_(1 - learning_rate * self.weight_decay).add_(size, alpha=-rate)

    def state_dict(self) -> dict[str, Any]:
        """Everything a later `step` depends on, but the parameters."""
        return {"steps": self.steps, "m": self.m, "v": self.v}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.steps = state["steps"]
        self.m.copy_(state["m"])
        self.v.copy_(state["v"])


class SignSGD:
    """Sign descent with decoupled decay on the rows of a table that are in the batch.

        row <- row (1 - lr wd) - lr sign(sum of the gradients of this identifier)

    It has no state: rows of absent identifiers stay as they are.
    """

    def __init__(self, table: Tensor, weight_decay: float) -> None:
        self.table = table
        self.weight_decay = weight_decay

    @torch.no_grad()
    def step(self, learning_rate: float, identifiers: Tensor, gradients: Tensor) -> None:
        """Update rows `identifiers` `[B]`, which may repeat, from their gradients `[B, d]`."""
        # Leftmost places among the sorted identifiers name the groups; unlike unique(), this does
        # not wait for the device. Equal identifiers then write equal rows.
        group = torch.searchsorted(identifiers.sort().values, identifiers)
        summed = torch.zeros_like(gradients).index_add_(0, group, gradients)[group]
        kept = self.table[identifiers] * (1 - learning_rate * self.weight_decay)
        self.table[identifiers] = kept - learning_rate * summed.sign()


def schedule(step: int, warmup_steps: int, total_steps: int, min_ratio: float) -> float:
    """Share of the learning rate at `step`, from 1: linear warm-up, then cosine to `min_ratio`."""
    if step < warmup_steps:
        return step / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return min_ratio + max(0.0, (1 - min_ratio) * 0.5 * (1 + math.cos(math.pi * progress)))
