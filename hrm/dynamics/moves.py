"""Every move of a model's states, one after the other, so that nothing has to be kept.

Shapes: B rows, S positions, d hidden size.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.loading.batch import Batch

LAYERS = "layers"
"""Stands for a state in a model that continues none: its layers take the place of time."""


class Move(NamedTuple):
    """One update: its number, from 1 and over all segments, and what it made of a state.

    `state` is `z_H`, `z_L` or `layers`; `before` and `after` are `[B, S, d]`.
    """

    number: int
    segment: int
    state: str
    before: Tensor
    after: Tensor


def moves(model: ReasoningModel, batch: Batch, segments: int) -> Iterator[Move]:
    """Yield each update of `segments` segments; of a transformer each block, from x̃ upwards."""
    x = model.embed(batch.inputs, model.puzzle_emb(batch.puzzle_identifiers))
    if not model.config.kind.continues:
        yield from _through_layers(model, x)
        return
    carry = model.initial_carry(len(batch.inputs))
    number = 0
    for segment in range(1, segments + 1):
        for letter, after in model.states(carry, x):
            number += 1
            state = f"z_{letter}"
            yield Move(number, segment, state, getattr(carry, state), getattr(after, state))
            carry = after


def _through_layers(model: ReasoningModel, x: Tensor) -> Iterator[Move]:
    module = model.get_submodule("H_level")
    layers = module.get_submodule("layers").children()
    for number, layer in enumerate(layers, start=1):
        after: Tensor = layer(x, model.rotary)
        yield Move(number, 1, LAYERS, x, after)
        x = after


def forward_residual(move: Move) -> Tensor:
    """The length of a move `[B]` in float64: ||after - before|| / √d, averaged over positions.

    The norm is Euclidean over the d values of a position (HRM paper, Figure 3). It is divided by
    √d, the norm of any state behind a post-norm block, so that widths compare: at 1 a state has
    moved as far as it is long, at √2 it is orthogonal to what it was.
    """
    distance = (move.after.float() - move.before.float()).square().mean(-1).sqrt()
    return distance.mean(-1, dtype=torch.float64)
