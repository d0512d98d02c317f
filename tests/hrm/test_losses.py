import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from hrm.model.losses import (
    TokenLoss,
    score_rows,
    softmax_cross_entropy,
    stablemax_cross_entropy,
    token_loss_sum,
)
from puzzle_datasets.storage.schema import IGNORE_LABEL

logit_rows = st.lists(st.floats(-1e4, 1e4, width=32), min_size=2, max_size=6)


def stablemax(x: list[float]) -> list[float]:
    s = [value + 1 if value >= 0 else 1 / (1 - value) for value in x]
    return [value / math.fsum(s) for value in s]


@given(logits=logit_rows, data=st.data())
def test_stablemax_is_its_definition(logits: list[float], data: st.DataObject) -> None:
    label = data.draw(st.integers(0, len(logits) - 1))
    x = torch.tensor([[logits]], dtype=torch.float64)
    loss = stablemax_cross_entropy(x, torch.tensor([[label]], dtype=torch.int32))
    assert loss.shape == (1, 1)
    assert loss.item() == pytest.approx(-math.log(stablemax(logits)[label]), rel=1e-9, abs=1e-12)


def test_stablemax_has_finite_gradients_where_a_branch_would_divide_by_zero() -> None:
    x = torch.tensor([[[1.0, 0.0, -1.0, 1.0]]], requires_grad=True)
    loss = stablemax_cross_entropy(x, torch.tensor([[0]], dtype=torch.int32))
    (gradient,) = torch.autograd.grad(loss.sum(), x)
    # s = 2, 1, 1/2, 2 with slopes 1, 1, 1/4, 1 and sum 11/2; minus 1/s at the label.
    expected = [2 / 11 - 1 / 2, 2 / 11, 0.5 / 11, 2 / 11]
    assert gradient[0, 0].tolist() == pytest.approx(expected)


def test_softmax_is_torchs_on_scored_tokens() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 5, generator=generator)
    labels = torch.tensor([[1, IGNORE_LABEL, 4], [0, 2, IGNORE_LABEL]], dtype=torch.int32)
    loss = softmax_cross_entropy(logits, labels)
    expected = -F.log_softmax(logits, -1)
    assert loss[0, 2].item() == pytest.approx(expected[0, 2, 4].item())
    assert loss[1, 0].item() == pytest.approx(expected[1, 0, 0].item())
    assert loss[0, 1].item() == loss[1, 2].item() == 0


@pytest.mark.parametrize("token_loss", [stablemax_cross_entropy, softmax_cross_entropy])
def test_ignored_tokens_and_empty_rows_cost_nothing(token_loss: TokenLoss) -> None:
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.full((2, 3), IGNORE_LABEL, dtype=torch.int32)
    labels[0, 1] = 2
    single = token_loss(logits, labels)[0, 1].item()
    assert token_loss_sum(token_loss, logits, labels).item() == pytest.approx(single)


def test_scores_of_rows() -> None:
    labels = torch.tensor([[1, 0], [1, IGNORE_LABEL], [0, 1], [IGNORE_LABEL] * 2])
    logits = F.one_hot(torch.tensor([[1, 0], [1, 1], [0, 0], [0, 0]]), 2).float()
    scores = score_rows(logits, labels)
    assert scores.labelled.tolist() == [2, 1, 2, 0]
    assert scores.token_accuracy.tolist() == [1.0, 1.0, 0.5, 0.0]
    assert scores.exact.tolist() == [True, True, False, True]
