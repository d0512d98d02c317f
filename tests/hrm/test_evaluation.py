from collections.abc import Callable

import pytest
import torch

from hrm.config import ConfigError, ModelConfig
from hrm.evaluation.accuracy import evaluate
from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.loader import evaluation_batches
from puzzle_datasets.loading.batch import Batch
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import IGNORE_LABEL

MakeModel = Callable[..., ModelConfig]


@pytest.fixture
def model(model_config: MakeModel) -> ReasoningModel:
    model = ReasoningModel(model_config())
    model.initialise(torch.Generator().manual_seed(0))
    return model


def batches(arc: PuzzleDataset, batch_size: int = 4) -> list[Batch]:
    return list(evaluation_batches(arc, batch_size=batch_size, limit=None, seed=0))


def test_curve_is_the_score_after_each_segment(arc: PuzzleDataset, model: ReasoningModel) -> None:
    data = batches(arc, batch_size=1)
    exact, tokens = torch.zeros(3), torch.zeros(3)
    for batch in data:
        labels = batch.labels[0]
        carry = model.initial_carry(1)
        x = model.embed(batch.inputs, model.puzzle_emb(batch.puzzle_identifiers))
        for segment in range(3):
            carry, output = model(carry, x)
            pairs = zip(output.logits[0].argmax(-1).tolist(), labels.tolist(), strict=True)
            right = [guess == label for guess, label in pairs if label != IGNORE_LABEL]
            exact[segment] += all(right)
            tokens[segment] += sum(right) / len(right)
    curve = evaluate(model, data, segments=3).curve
    assert curve.puzzles == len(arc.test)
    assert curve.exact_accuracy == pytest.approx((exact / len(data)).tolist())
    assert curve.token_accuracy == pytest.approx((tokens / len(data)).tolist())
    assert max(curve.token_accuracy) > 0


def test_curve_depends_on_neither_batching_nor_later_segments(
    arc: PuzzleDataset, model: ReasoningModel
) -> None:
    long, short = evaluate(model, batches(arc), 5).curve, evaluate(model, batches(arc, 3), 2).curve
    assert long.exact_accuracy[:2] == short.exact_accuracy
    assert long.token_accuracy[:2] == pytest.approx(short.token_accuracy)
    assert long.inference_flops[:2] == short.inference_flops


def test_a_model_that_knows_the_answer_is_exact(model: ReasoningModel) -> None:
    labels = torch.zeros(3, model.config.seq_len, dtype=torch.int32)
    labels[1, 0] = 1
    labels[2] = IGNORE_LABEL
    with torch.no_grad():
        # All logits equal: the first token is the answer everywhere.
        model.lm_head.weight.zero_()
    batch = Batch(labels.clamp(min=0), labels, torch.zeros(3, dtype=torch.int32))
    curve = evaluate(model, [batch], segments=2).curve
    share = (2 * model.config.seq_len - 1) / (2 * model.config.seq_len)
    assert curve.puzzles == 2
    assert curve.exact_accuracy == (0.5, 0.5)
    assert curve.token_accuracy == pytest.approx((share, share))


def test_nothing_to_evaluate_is_refused(model: ReasoningModel) -> None:
    with pytest.raises(ConfigError, match="no puzzle"):
        evaluate(model, [], segments=1)
    with pytest.raises(ConfigError, match="segments is 0"):
        evaluate(model, [], segments=0)
