"""Losses and scores of a segment, summed over rows or per row; no mean over the batch.

Shapes: B rows, L tokens, V vocabulary. Labels hold `IGNORE_LABEL` where a token is not scored.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from puzzle_datasets.storage.schema import IGNORE_LABEL

Q_LOSS_WEIGHT = 0.5
"""Weight of both Q-losses, as in the published code; the paper's sum has 1."""

TokenLoss = Callable[[Tensor, Tensor], Tensor]
"""From logits `[B, L, V]` and labels `[B, L]` to losses `[B, L]`, zero at ignored labels."""


def stablemax_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of s(x) / Σ s(x) in float64, s(x) = x + 1 for x >= 0 and 1 / (1 - x) below.

    Stablemax is due to Prieto et al., arXiv 2501.04697; the HRM paper uses it for small samples.
    """
    x = logits.double()
    # The branch not taken must not divide by zero at x = 1, or the gradient is nan.
    s = torch.where(x < 0, 1 / (1 - x.clamp(max=0)), x + 1)
    scored = labels != IGNORE_LABEL
    target = torch.where(scored, labels, 0).long().unsqueeze(-1)
    loss = s.sum(-1).log() - s.gather(-1, target).squeeze(-1).log()
    return torch.where(scored, loss, 0)


def softmax_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of softmax, in float32."""
    by_class = logits.float().transpose(1, 2)
    return F.cross_entropy(by_class, labels.long(), ignore_index=IGNORE_LABEL, reduction="none")


TOKEN_LOSSES: dict[str, TokenLoss] = {
    "stablemax": stablemax_cross_entropy,
    "softmax": softmax_cross_entropy,
}


class RowScores(NamedTuple):
    """Per row `[B]`: scored tokens, the share of them that is right, whether all are."""

    labelled: Tensor
    token_accuracy: Tensor
    exact: Tensor


def score_rows(logits: Tensor, labels: Tensor) -> RowScores:
    """Compare the likeliest tokens with the labels; a row without labels counts as exact."""
    scored = labels != IGNORE_LABEL
    labelled = scored.sum(-1)
    correct = (scored & (logits.argmax(-1) == labels)).sum(-1)
    return RowScores(labelled, correct / labelled.clamp(min=1), correct == labelled)


class SegmentLoss(NamedTuple):
    """Losses of a segment, each a scalar summed over the rows."""

    lm: Tensor
    q_halt: Tensor
    q_continue: Tensor

    @property
    def total(self) -> Tensor:
        """The loss that is minimised."""
        return self.lm + Q_LOSS_WEIGHT * (self.q_halt + self.q_continue)


def token_loss_sum(token_loss: TokenLoss, logits: Tensor, labels: Tensor) -> Tensor:
    """Sum over rows of each row's mean loss over its scored tokens."""
    labelled = (labels != IGNORE_LABEL).sum(-1).clamp(min=1)
    return (token_loss(logits, labels).sum(-1) / labelled).sum()


def q_loss(q: Tensor, target: Tensor) -> Tensor:
    """Binary cross entropy of Q-logits `[B]` to targets `[B]` in 0 … 1, summed over the rows."""
    return F.binary_cross_entropy_with_logits(q, target.to(q.dtype), reduction="sum")
