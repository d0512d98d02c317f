"""The answers of a model after each segment, for the puzzles that were hardest.

Shapes: B rows, L tokens, M segments.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from hrm.model.act import wants_to_halt
from hrm.model.losses import score_rows
from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.loading.batch import Batch


class SegmentTrace(NamedTuple):
    """One puzzle: tokens and labels `[L]`, predictions `[M, L]`, all int32; the rest `[M]` bool.

    `exact` says after which segments every scored token is right, `halts` after which the Q-values
    ask for an end.
    """

    inputs: Tensor
    labels: Tensor
    predictions: Tensor
    exact: Tensor
    halts: Tensor

    @property
    def solved_at(self) -> int:
        """The segment from which on the answer is right; 0 if the last answer is wrong."""
        wrong = (~self.exact).nonzero().flatten()
        if not len(wrong):
            return 1
        last = int(wrong[-1]) + 1
        return 0 if last == len(self.exact) else last + 1

    @property
    def halts_at(self) -> int:
        """The first segment after which the model would stop; 0 if it never would."""
        asks = self.halts.nonzero().flatten()
        return int(asks[0]) + 1 if len(asks) else 0


@torch.inference_mode()
def traces(model: ReasoningModel, batch: Batch, segments: int) -> list[SegmentTrace]:
    """Run a batch for `segments` segments and keep the answers after each."""
    batch = batch.to(model.device)
    x = model.embed(batch.inputs, model.puzzle_emb(batch.puzzle_identifiers))
    carry = model.initial_carry(len(batch.inputs))
    predictions, exact, halts = [], [], []
    for _ in range(segments):
        carry, output = model(carry, x)
        predictions.append(output.logits.argmax(-1).int())
        exact.append(score_rows(output.logits, batch.labels).exact)
        halts.append(wants_to_halt(model, output))
    columns = (torch.stack(column, 1).cpu() for column in (predictions, exact, halts))
    rows = zip(batch.inputs.cpu(), batch.labels.cpu(), *columns, strict=True)
    return [SegmentTrace(*row) for row in rows]


def hardest(
    model: ReasoningModel, batches: Iterable[Batch], segments: int, count: int
) -> list[SegmentTrace]:
    """The `count` puzzles that were solved in most segments; unsolved ones only if these run out.

    Among equals the earlier puzzle is taken. No more than `count` and a batch are kept at a time.
    """
    kept: list[SegmentTrace] = []
    for batch in batches:
        candidates = kept + traces(model, batch, segments)
        kept = sorted(candidates, key=lambda trace: -trace.solved_at)[:count]
    return kept
