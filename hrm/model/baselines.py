"""The models that HRM is compared with, in the same harness: same blocks, heads, data, metrics.

Shapes: B rows, S positions, d hidden size.
"""

import torch
from torch import Tensor

from hrm.config import ModelConfig
from hrm.model.reasoning_model import (
    Carry,
    HierarchicalReasoningModel,
    ReasoningModel,
    ReasoningModule,
)


class TinyRecursiveModel(ReasoningModel):
    """TRM (arXiv 2510.04871): one small network updates the latent z_L and the answer z_H.

    Which state it updates it learns from the input's being injected or not. The gradient passes
    through the last cycle, and halting knows no Q-continue.
    """

    L_level: ReasoningModule

    def update(self, letter: str, carry: Carry, x: Tensor) -> Carry:
        """z_L = f(z_L + z_H + x̃) or z_H = f(z_H + z_L)."""
        z_H, z_L = carry
        if letter == "L":
            return Carry(z_H, self.L_level(z_L, z_H + x, self.rotary))
        return Carry(self.L_level(z_H, z_L, self.rotary), z_L)


class LoopedTransformer(ReasoningModel):
    """One recurrent block with input injection, as often as makes HRM's depth."""

    H_level: ReasoningModule

    def update(self, letter: str, carry: Carry, x: Tensor) -> Carry:
        """z_H = f(z_H + x̃)."""
        return carry._replace(z_H=self.H_level(carry.z_H, x, self.rotary))


class DirectTransformer(ReasoningModel):
    """The prediction in one pass: no state is read, so there is nothing to repeat."""

    H_level: ReasoningModule

    def update(self, letter: str, carry: Carry, x: Tensor) -> Carry:
        """z_H = f(x̃)."""
        return carry._replace(z_H=self.H_level(x, torch.zeros_like(x), self.rotary))


_CLASSES: dict[str, type[ReasoningModel]] = {
    "hrm": HierarchicalReasoningModel,
    "hrm-flat": HierarchicalReasoningModel,
    "trm": TinyRecursiveModel,
    "looped": LoopedTransformer,
    "transformer": DirectTransformer,
}


def build_model(config: ModelConfig, dtype: torch.dtype = torch.float32) -> ReasoningModel:
    """The model that the configuration names, with undefined weights."""
    return _CLASSES[config.model](config, dtype)
