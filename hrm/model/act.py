"""Adaptive computation time: rows of the batch are slots that keep a puzzle until it halts.

HRM paper, section "Adaptive computational time (ACT)". Where paper and published code differ, this
is the code: exploration is drawn anew at every segment, and a slot that still runs ignores the new
row offered to it. Shapes: B slots, S positions, L tokens, d hidden size.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from hrm.model.losses import RowScores, SegmentLoss, TokenLoss, q_loss, score_rows, token_loss_sum
from hrm.model.reasoning_model import Carry, Output, ReasoningModel
from puzzle_datasets.loading.batch import Batch


class Slots(NamedTuple):
    """The batch between two segments.

    States z_H and z_L `[B, S, d]`, segments spent `[B]` int32, halted `[B]` bool, and the puzzles
    being worked on: inputs and labels `[B, L]`, puzzle_identifiers `[B]`, all int32.
    """

    z_H: Tensor
    z_L: Tensor
    segments: Tensor
    halted: Tensor
    inputs: Tensor
    labels: Tensor
    puzzle_identifiers: Tensor

    def rows(self, rows: slice) -> "Slots":
        """Some of the slots."""
        return Slots(*(field[rows] for field in self))


def join(parts: list[Slots]) -> Slots:
    """The slots of all `parts`, in order."""
    return Slots(*(torch.cat(fields) for fields in zip(*parts, strict=True)))


def empty_slots(model: ReasoningModel, rows: int) -> Slots:
    """Slots that all count as halted, so that the first `refill` fills every one."""
    tokens = torch.zeros(rows, model.config.seq_len, dtype=torch.int32, device=model.device)
    counts = torch.zeros(rows, dtype=torch.int32, device=model.device)
    carry = model.initial_carry(rows)
    return Slots(*carry, counts, counts == 0, tokens, tokens, counts)


def refill(model: ReasoningModel, slots: Slots, batch: Batch) -> Slots:
    """Halted slots take their row of `batch` and the initial state; the others stay."""
    start = model.initial_carry(len(slots.halted))
    fresh = slots.halted
    states, tokens = fresh.view(-1, 1, 1), fresh.view(-1, 1)
    return Slots(
        z_H=torch.where(states, start.z_H, slots.z_H),
        z_L=torch.where(states, start.z_L, slots.z_L),
        segments=torch.where(fresh, 0, slots.segments),
        halted=fresh,
        inputs=torch.where(tokens, batch.inputs, slots.inputs),
        labels=torch.where(tokens, batch.labels, slots.labels),
        puzzle_identifiers=torch.where(fresh, batch.puzzle_identifiers, slots.puzzle_identifiers),
    )


def draw_least_segments(
    rows: int, M_max: int, probability: float, generator: torch.Generator
) -> Tensor:
    """M_min `[rows]` int32: with `probability` uniform on 2 … M_max, else 0.

    `M_max` is at least 2.
    """
    explore = torch.rand(rows, generator=generator) < probability
    least = torch.randint(2, M_max + 1, (rows,), generator=generator, dtype=torch.int32)
    return torch.where(explore, least, 0)


class Segment(NamedTuple):
    """One segment of training: the slots after it, the heads' output, losses and scores.

    `q_continue_target` `[B]` is None where the model does not learn to continue.
    """

    slots: Slots
    output: Output
    q_continue_target: Tensor | None
    loss: SegmentLoss
    scores: RowScores


def train_segment(
    model: ReasoningModel,
    slots: Slots,
    puzzle_rows: Tensor,
    least_segments: Tensor | None,
    token_loss: TokenLoss,
) -> Segment:
    """Run one segment on refilled slots with puzzle embeddings `[B, d]`.

    `least_segments` `[B]` bounds halting from below, except at M_max where every row halts; None
    where M_max is 1. In mode exact one more recurrence gives the target of Q-continue.
    """
    x = model.embed(slots.inputs, puzzle_rows)
    carry, output = model(Carry(slots.z_H, slots.z_L), x)
    segments = slots.segments + 1
    halted = last = segments >= model.config.M_max
    target = None
    if least_segments is not None:
        halted = last | (wants_to_halt(model, output) & (segments >= least_segments))
        if model.config.learns_to_continue:
            target = q_continue_target(model, carry, x, last)
    scores = score_rows(output.logits, slots.labels)
    loss = _segment_loss(output, slots.labels, scores, target, token_loss)
    after = slots._replace(z_H=carry.z_H, z_L=carry.z_L, segments=segments, halted=halted)
    return Segment(after, output, target, loss, scores)


def wants_to_halt(model: ReasoningModel, output: Output) -> Tensor:
    """Rows `[B]` whose Q-values say that the puzzle is solved.

    Halting is worth more than going on (HRM paper); where the model never learnt the value of
    going on, the answer is likelier right than wrong (TRM, arXiv 2510.04871).
    """
    if model.config.learns_to_continue:
        return output.q_halt > output.q_continue
    return output.q_halt > 0


@torch.no_grad()
def q_continue_target(model: ReasoningModel, carry: Carry, x: Tensor, last: Tensor) -> Tensor:
    """Value of continuing `[B]`: the next segment's best Q, or its Q of halting after the last.

    HRM paper, targets Ĝ of the Q-head; the next segment is run for this alone.
    """
    q_halt, q_continue = model.q_values(model.recur(carry, x).z_H)
    return torch.where(last, q_halt, torch.maximum(q_halt, q_continue)).sigmoid()


def _segment_loss(
    output: Output, labels: Tensor, scores: RowScores, target: Tensor | None, token_loss: TokenLoss
) -> SegmentLoss:
    lm = token_loss_sum(token_loss, output.logits, labels)
    q_halt = q_loss(output.q_halt, scores.exact)
    q_continue = torch.zeros_like(q_halt) if target is None else q_loss(output.q_continue, target)
    return SegmentLoss(lm, q_halt, q_continue)
