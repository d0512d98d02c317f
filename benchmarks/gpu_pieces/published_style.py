"""A training step as the published code takes it, compiled as there: what the modes are held to.

The forward of a step is compiled whole: new puzzles into halted slots, the segment, the second
forward for the Q-continue target, the loss in float64 and the metrics. Adam-atan2 passes over one
weight after the other, each in one compiled kernel (the published one is a CUDA kernel over many
tensors, which for large weights comes to the same), and the metrics are read after every step, as
the published trainer logs them.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from hrm.config import ModelConfig, TrainingConfig
from hrm.model.act import (
    Segment,
    Slots,
    draw_least_segments,
    empty_slots,
    join,
    refill,
    train_segment,
)
from hrm.model.reasoning_model import ReasoningModel
from hrm.training.optim import SignSGD
from puzzle_datasets.loading.batch import Batch
from puzzle_datasets.storage.schema import IGNORE_LABEL


def stablemax_in_float64(logits: Tensor, labels: Tensor) -> Tensor:
    """Losses `[B, L]` of logits `[B, L, V]`, every intermediate in float64 (arXiv 2501.04697)."""
    x = logits.double()
    s = torch.where(x < 0, 1 / (1 - x.clamp(max=0)), x + 1)
    scored = labels != IGNORE_LABEL
    target = torch.where(scored, labels, 0).long().unsqueeze(-1)
    p = s.gather(-1, target).squeeze(-1) / s.sum(-1)
    return torch.where(scored, -p.log(), 0)


class PublishedStyle:
    """A model in mode exact and its step; `compiled` compiles forward and optimizer."""

    def __init__(
        self, model: ModelConfig, training: TrainingConfig, device: torch.device, compiled: bool
    ) -> None:
        self._config, self._device = training, device
        self._model = ReasoningModel(model, getattr(torch, training.precision))
        self._model.initialise(torch.Generator().manual_seed(1))
        self._model.to(device)
        self._exploration = torch.Generator().manual_seed(2)
        self._slots = empty_slots(self._model, training.batch_size)
        self._adam = AdamAtan2PerTensor(list(self._model.parameters()), training)
        table = self._model.puzzle_emb.weights
        self._sign_sgd = SignSGD(table, training.puzzle_weight_decay)
        self._forward = self._segment
        self.metrics: list[float] = []
        if compiled:
            self._forward = torch.compile(self._segment, dynamic=False)
            self._adam.update = torch.compile(self._adam.update, dynamic=False)

    def step(self, batch: Batch) -> None:
        """One optimizer step on a batch that is on the device."""
        config, old = self._config, self._slots
        identifiers = torch.where(old.halted, batch.puzzle_identifiers, old.puzzle_identifiers)
        rows = self._model.puzzle_emb(identifiers).requires_grad_()
        least = draw_least_segments(
            config.batch_size,
            self._model.config.M_max,
            self._model.config.halt_exploration,
            self._exploration,
        ).to(self._device, non_blocking=True)
        parts, metrics = [], []
        size = config.micro_batch or config.batch_size
        for start in range(0, config.batch_size, size):
            part = slice(start, start + size)
            offered = Batch(batch.inputs[part], batch.labels[part], batch.puzzle_identifiers[part])
            segment = self._forward(old.rows(part), offered, rows[part], least[part])
            (segment[0] / config.batch_size).backward()
            parts.append(segment[1])
            metrics.append(segment[2])
        self._slots = join(parts)
        self._adam.step()
        assert rows.grad is not None
        self._sign_sgd.step(config.puzzle_learning_rate, identifiers, rows.grad)
        self.metrics = torch.stack(metrics).sum(0).tolist()

    def _segment(
        self, slots: Slots, batch: Batch, rows: Tensor, least: Tensor
    ) -> tuple[Tensor, Slots, Tensor]:
        """The loss summed over rows, the slots after the segment, and the metrics."""
        slots = refill(self._model, slots, batch)
        segment = train_segment(self._model, slots, rows, least, stablemax_in_float64)
        return segment.loss.total, segment.slots, _metrics(segment)


def _metrics(segment: Segment) -> Tensor:
    counts = segment.slots.halted & (segment.scores.labelled > 0)
    values = (
        segment.loss.lm.detach(),
        segment.loss.q_halt.detach(),
        segment.loss.q_continue.detach(),
        counts.sum(),
        (counts & segment.scores.exact).sum(),
        (counts * segment.slots.segments).sum(),
    )
    return torch.stack([value.double() for value in values])


class AdamAtan2PerTensor:
    """`AdamAtan2` of hrm on one weight after the other; the count of steps is on the device."""

    def __init__(self, parameters: list[torch.nn.Parameter], config: TrainingConfig) -> None:
        self._parameters, self._config = parameters, config
        self._moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]
        self._steps = torch.zeros((), device=parameters[0].device)
        self.update: Callable[..., None] = self._update

    @torch.no_grad()
    def step(self) -> None:
        """Update every weight from its gradient, and forget the gradient."""
        self._steps += 1
        gradients = [parameter.grad for parameter in self._parameters]
        self.update(self._parameters, gradients, self._moments, self._steps)
        for parameter in self._parameters:
            parameter.grad = None

    def _update(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        moments: list[tuple[Tensor, Tensor]],
        steps: Tensor,
    ) -> None:
        config = self._config
        correction1, correction2 = 1 - config.beta1**steps, 1 - config.beta2**steps
        for p, gradient, (m, v) in zip(parameters, gradients, moments, strict=True):
            m.lerp_(gradient, 1 - config.beta1)
            v.lerp_(gradient * gradient, 1 - config.beta2)
            p.mul_(1 - config.learning_rate * config.weight_decay)
            size = torch.atan2(m, (v / correction2).sqrt())
            p.sub_(config.learning_rate / correction1 * size)
