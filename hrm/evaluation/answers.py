"""Answers of a model to a stream of puzzles: all after the last segment, or each when sure.

Both ways take puzzles as batches and yield them back as they are finished. Shapes: B rows, S
positions, L tokens, d hidden size.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from hrm.model.act import wants_to_halt
from hrm.model.reasoning_model import Carry, Output, ReasoningModel
from puzzle_datasets.loading.batch import Batch
from puzzle_datasets.storage.schema import IGNORE_LABEL


class Answers(NamedTuple):
    """Some finished puzzles, on the model's device.

    Their indices `[B]` int64 in the stream, counted from 0; inputs, labels and predictions
    `[B, L]`; the Q-logit of halting `[B]` and the segments spent `[B]`, both after the last one.
    """

    indices: Tensor
    inputs: Tensor
    labels: Tensor
    predictions: Tensor
    q_halt: Tensor
    segments: Tensor

    @property
    def labelled(self) -> Tensor:
        """Rows `[B]` with a label to be held against."""
        return (self.labels != IGNORE_LABEL).any(-1)

    @property
    def exact(self) -> Tensor:
        """Rows `[B]` with labels, all of them met."""
        met = (self.predictions == self.labels) | (self.labels == IGNORE_LABEL)
        return met.all(-1) & self.labelled


Observer = Callable[[Answers], object]
"""Called with puzzles as they are finished."""

Answering = Callable[[ReasoningModel, Iterable[Batch], int], Iterator[Answers]]
"""Answers a stream of puzzles within so many segments each."""


class _Rows(NamedTuple):
    """Puzzles at work: states and injected input `[B, S, d]`, then the fields of `Answers`."""

    z_H: Tensor
    z_L: Tensor
    x: Tensor
    indices: Tensor
    inputs: Tensor
    labels: Tensor
    segments: Tensor

    def answers(self, output: Output, chosen: Tensor | slice) -> Answers:
        """The answers of some of the rows."""
        indices, inputs, labels, segments = (field[chosen] for field in self[3:])
        predictions = output.logits[chosen].argmax(-1)
        return Answers(indices, inputs, labels, predictions, output.q_halt[chosen], segments)


@torch.inference_mode()
def answer_late(
    model: ReasoningModel, batches: Iterable[Batch], segments: int
) -> Iterator[Answers]:
    """Give every puzzle all `segments`, as the published evaluation does; batch after batch."""
    queue = _Queue(model, batches)
    while (rows := queue.next()) is not None:
        carry = Carry(rows.z_H, rows.z_L)
        for _ in range(segments - 1):
            carry = model.recur(carry, rows.x)
        output = model(carry, rows.x)[1]
        yield rows._replace(segments=rows.segments + segments).answers(output, slice(None))


@torch.inference_mode()
def answer_when_sure(
    model: ReasoningModel, batches: Iterable[Batch], segments: int
) -> Iterator[Answers]:
    """Let each puzzle leave as soon as its Q-values say so, or after `segments` (HRM paper, ACT).

    The row of one that leaves goes to the next of the stream, so that as many are at work as
    there are in a batch for as long as there are any, and no segment is run for a puzzle that has
    stopped. Puzzles come back in the order in which they stop.
    """
    queue = _Queue(model, batches)
    rows = queue.next()
    size = 0 if rows is None else len(rows.indices)
    while rows is not None:
        carry, output = model(Carry(rows.z_H, rows.z_L), rows.x)
        rows = rows._replace(z_H=carry.z_H, z_L=carry.z_L, segments=rows.segments + 1)
        stops = wants_to_halt(model, output) | (rows.segments >= segments)
        if stops.any():
            yield rows.answers(output, stops.nonzero()[:, 0])
            stay = (~stops).nonzero()[:, 0]
            rows = queue.refilled(_Rows(*(field[stay] for field in rows)), size)


class _Queue:
    """The puzzles that wait, as rows in their initial state."""

    def __init__(self, model: ReasoningModel, batches: Iterable[Batch]) -> None:
        self._model = model
        self._batches = (batch for batch in batches if len(batch.inputs))
        self._waiting: Batch | None = None
        self._served = 0

    def refilled(self, rows: _Rows, size: int) -> _Rows | None:
        """Put fresh rows behind these until there are `size`; None where there are none at all."""
        parts = [rows] if len(rows.indices) else []
        missing = size - len(rows.indices)
        while missing and (fresh := self.next(missing)) is not None:
            parts.append(fresh)
            missing -= len(fresh.indices)
        if len(parts) > 1:
            return _Rows(*map(torch.cat, zip(*parts, strict=True)))
        return parts[0] if parts else None

    def next(self, most: int | None = None) -> _Rows | None:
        """The next batch as it comes, or what is left or wanted of it; None at the end."""
        batch = self._waiting or next(self._batches, None)
        if batch is None:
            return None
        count = len(batch.inputs) if most is None else most
        self._waiting = _part(batch, slice(count, None)) if count < len(batch.inputs) else None
        model, batch = self._model, _part(batch, slice(count)).to(self._model.device)
        count = len(batch.inputs)
        indices = torch.arange(self._served, self._served + count, device=model.device)
        self._served += count
        return _Rows(
            *model.initial_carry(count),
            x=model.embed(batch.inputs, model.puzzle_emb(batch.puzzle_identifiers)),
            indices=indices,
            inputs=batch.inputs,
            labels=batch.labels,
            segments=torch.zeros_like(indices),
        )


def _part(batch: Batch, rows: slice) -> Batch:
    return Batch(batch.inputs[rows], batch.labels[rows], batch.puzzle_identifiers[rows])
