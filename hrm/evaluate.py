"""Accuracy against inference compute, from one pass over the puzzles."""

from collections.abc import Iterable

import torch
from torch import Tensor

from hrm.config import ConfigError
from hrm.flops import inference_flops
from hrm.losses import score_rows
from hrm.model import HierarchicalReasoningModel
from hrm.progress import Curve
from puzzle_datasets.batch import Batch


@torch.inference_mode()
def evaluate(model: HierarchicalReasoningModel, batches: Iterable[Batch], segments: int) -> Curve:
    """Run every puzzle for `segments` segments and score the prediction after each.

    No row halts early, as in the published evaluation, so one pass yields the whole curve. Rows
    without labels do not count. Raises `ConfigError` if `segments` is below 1 or there is no row
    to score.
    """
    if segments < 1:
        raise ConfigError(f"segments is {segments!r}; evaluate at least 1.")
    totals = torch.zeros(segments, 3, dtype=torch.float64, device=model.device)
    for batch in batches:
        totals += _scores_by_segment(model, batch.to(model.device), segments)
    exact, tokens, puzzles = totals.cpu().unbind(-1)
    count = int(puzzles[0])
    if count == 0:
        raise ConfigError("No puzzle to evaluate has labels; choose another test set.")
    return Curve(
        exact_accuracy=tuple((exact / count).tolist()),
        token_accuracy=tuple((tokens / count).tolist()),
        inference_flops=tuple(inference_flops(model.config, m + 1) for m in range(segments)),
        puzzles=count,
    )


def _scores_by_segment(model: HierarchicalReasoningModel, batch: Batch, segments: int) -> Tensor:
    """Sums over the rows, `[segments, 3]`: exact, token accuracy, rows scored."""
    x = model.embed(batch.inputs, model.puzzle_emb(batch.puzzle_identifiers))
    carry = model.initial_carry(len(batch.inputs))
    sums = []
    for _ in range(segments):
        carry, output = model(carry, x)
        scores = score_rows(output.logits, batch.labels)
        counts = scores.labelled > 0
        per_row = torch.stack((scores.exact & counts, scores.token_accuracy * counts, counts))
        sums.append(per_row.double().sum(-1))
    return torch.stack(sums)
