"""The published step of training written plainly, from the modules of `hrm`, to measure against.

No compiler and no trick: each norm, rotation and gate is the formula of its paper; the recurrence
is written out, and run a second time for the target of Q-continue; the loss is in float64; and
Adam-atan2 goes through the parameters one by one.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hrm.model.act import Slots, draw_least_segments, empty_slots, refill
from hrm.model.layers import Linear, RotaryPositions
from hrm.model.losses import Q_LOSS_WEIGHT
from hrm.model.reasoning_model import Block, ReasoningModel, ReasoningModule
from hrm.training.optim import SignSGD
from puzzle_datasets.loading.batch import Batch
from puzzle_datasets.storage.schema import IGNORE_LABEL


class Rates(NamedTuple):
    """Learning rates and decays of the published optimizers."""

    learning_rate: float
    puzzle_learning_rate: float
    weight_decay: float
    puzzle_weight_decay: float
    beta1: float
    beta2: float


def published_step(
    model: ReasoningModel, rows: int, rates: Rates, exploration: torch.Generator
) -> Callable[[Batch], Tensor]:
    """Return a function that trains `model` for one step on a batch and returns its loss."""
    parameters = list(model.parameters())
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]
    rows_optimizer = SignSGD(model.puzzle_emb.weights, rates.puzzle_weight_decay)
    slots = empty_slots(model, rows)
    steps = 0

    def step(batch: Batch) -> Tensor:
        nonlocal slots, steps
        steps += 1
        slots = refill(model, slots, batch)
        puzzle_rows = model.puzzle_emb(slots.puzzle_identifiers).requires_grad_()
        for parameter in parameters:
            parameter.grad = None
        loss, slots = _segment(model, slots, puzzle_rows, exploration)
        (loss / rows).backward()
        with torch.no_grad():
            for parameter, (m, v) in zip(parameters, moments, strict=True):
                _adam_atan2(parameter, m, v, steps, rates)
        assert puzzle_rows.grad is not None
        identifiers = slots.puzzle_identifiers
        rows_optimizer.step(rates.puzzle_learning_rate, identifiers, puzzle_rows.grad)
        return loss.detach() / rows

    return step


def _segment(
    model: ReasoningModel,
    slots: Slots,
    puzzle_rows: Tensor,
    exploration: torch.Generator,
) -> tuple[Tensor, Slots]:
    config, rows = model.config, len(slots.halted)
    x = model.embed(slots.inputs, puzzle_rows)
    z_H, z_L = _recur(model, slots.z_H, slots.z_L, x)
    logits = _linear(model.lm_head, z_H)[:, 1:]
    q = _linear(model.q_head, z_H[:, 0])
    segments = slots.segments + 1
    last = segments >= config.M_max
    least = draw_least_segments(rows, config.M_max, config.halt_exploration, exploration)
    halted = last | ((q[:, 0] > q[:, 1]) & (segments >= least))
    with torch.no_grad():
        next_q = _linear(model.q_head, _recur(model, z_H, z_L, x)[0][:, 0])
        target = torch.where(last, next_q[:, 0], next_q.max(-1).values).sigmoid()
    scored = slots.labels != IGNORE_LABEL
    exact = ((logits.argmax(-1) == slots.labels) | ~scored).all(-1).float()
    lm = (_stablemax(logits, slots.labels, scored).sum(-1) / scored.sum(-1).clamp(min=1)).sum()
    q_losses = [
        F.binary_cross_entropy_with_logits(q[:, i], t, reduction="sum")
        for i, t in enumerate((exact, target))
    ]
    loss = lm + Q_LOSS_WEIGHT * (q_losses[0] + q_losses[1])
    after = slots._replace(z_H=z_H.detach(), z_L=z_L.detach(), segments=segments, halted=halted)
    return loss, after


def _recur(model: ReasoningModel, z_H: Tensor, z_L: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    N, T = model.config.N, model.config.T
    with torch.no_grad():
        for step in range(1, N * T):
            z_L = _blocks(model.L_level, z_L + (z_H + x), model.rotary)
            if step % T == 0:
                z_H = _blocks(model.H_level, z_H + z_L, model.rotary)
    z_L = _blocks(model.L_level, z_L + (z_H + x), model.rotary)
    z_H = _blocks(model.H_level, z_H + z_L, model.rotary)
    return z_H, z_L


def _blocks(module: ReasoningModule, x: Tensor, rotary: RotaryPositions | None) -> Tensor:
    for layer in module.layers:
        assert isinstance(layer, Block)
        x = _norm(x + _attention(layer, x, rotary), layer.norm_eps)
        gate, up = _linear(layer.mlp.gate_up_proj, x).chunk(2, dim=-1)
        x = _norm(x + _linear(layer.mlp.down_proj, F.silu(gate) * up), layer.norm_eps)
    return x


def _attention(layer: Block, x: Tensor, rotary: RotaryPositions | None) -> Tensor:
    batch, positions, d = x.shape
    heads = layer.self_attn.num_heads
    qkv = _linear(layer.self_attn.qkv_proj, x).view(batch, positions, 3 * heads, d // heads)
    query, key, value = qkv.split(heads, dim=2)
    if rotary is not None:
        query, key = _rotate(query, rotary), _rotate(key, rotary)
    query, key, value = (part.transpose(1, 2) for part in (query, key, value))
    mixed = F.scaled_dot_product_attention(query, key, value)
    return _linear(layer.self_attn.o_proj, mixed.transpose(1, 2).reshape(batch, positions, d))


def _rotate(x: Tensor, rotary: RotaryPositions) -> Tensor:
    low, high = x.chunk(2, dim=-1)
    # The tables of `rotary` hold the sign of the rotation with the sine.
    return x * rotary.cos + torch.cat((high, low), dim=-1) * rotary.sin


def _norm(x: Tensor, eps: float) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


def _linear(layer: Linear, x: Tensor) -> Tensor:
    return F.linear(x, layer.weight, layer.bias)


def _stablemax(logits: Tensor, labels: Tensor, scored: Tensor) -> Tensor:
    x = logits.double()
    s = torch.where(x < 0, 1 / (1 - x.clamp(max=0)), x + 1)
    logs = (s / s.sum(-1, keepdim=True)).log()
    target = torch.where(scored, labels, 0).long().unsqueeze(-1)
    return torch.where(scored, -logs.gather(-1, target).squeeze(-1), 0)


def _adam_atan2(parameter: Tensor, m: Tensor, v: Tensor, steps: int, rates: Rates) -> None:
    assert parameter.grad is not None
    parameter.mul_(1 - rates.learning_rate * rates.weight_decay)
    m.lerp_(parameter.grad, 1 - rates.beta1)
    v.lerp_(parameter.grad.square(), 1 - rates.beta2)
    size = torch.atan2(m, (v / (1 - rates.beta2**steps)).sqrt())
    parameter.add_(size, alpha=-rates.learning_rate / (1 - rates.beta1**steps))
