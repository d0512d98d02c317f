"""Rows that stop leave the batch: the numbers stay those of the fixed pass, the compute goes."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hrm.config import ConfigError, ModelConfig
from hrm.evaluation.accuracy import evaluate, evaluate_halting
from hrm.evaluation.answers import Answering, Answers, answer_late, answer_when_sure
from hrm.model.act import wants_to_halt
from hrm.model.flops import segment_flops
from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.loading.batch import Batch
from puzzle_datasets.storage.schema import IGNORE_LABEL

LENGTH, VOCABULARY, IDENTIFIERS = 3, 3, 5


def unsure_model(kind: str = "hrm", mode: str = "exact", seed: int = 0) -> ReasoningModel:
    """A model whose Q-values differ from puzzle to puzzle and from segment to segment."""
    config = ModelConfig(
        vocab_size=VOCABULARY,
        seq_len=LENGTH,
        num_puzzle_identifiers=IDENTIFIERS,
        model=kind,  # type: ignore[arg-type]
        mode=mode,  # type: ignore[arg-type]
        hidden_size=8,
        num_heads=2,
        H_layers=1,
        L_layers=1,
        expansion=1.0,
    )
    model = ReasoningModel(config, torch.float32)  # see the module float64
    generator = torch.Generator().manual_seed(seed)
    model.initialise(generator)
    for tensor in (model.puzzle_emb.weights, model.q_head.weight.data):
        tensor.normal_(generator=generator)
    assert model.q_head.bias is not None
    model.q_head.bias.data.fill_(-1.0)
    return model


def puzzles(count: int, seed: int = 0) -> Batch:
    """Random puzzles; labels are short or missing, so that some rows are right by chance."""
    generator = torch.Generator().manual_seed(seed)

    def draw(high: int, *shape: int) -> torch.Tensor:
        return torch.randint(high, shape, generator=generator, dtype=torch.int32)

    labels = draw(VOCABULARY, count, LENGTH)
    labels[draw(3, count, LENGTH) > 0] = IGNORE_LABEL
    return Batch(draw(VOCABULARY, count, LENGTH), labels, draw(IDENTIFIERS, count))


def joined(answers: Iterable[Answers]) -> Answers:
    """All answers in the order of the puzzles."""
    parts = [torch.cat(fields) for fields in zip(*answers, strict=True)]
    order = parts[0].argsort()
    return Answers(*(part[order] for part in parts))


@torch.inference_mode()
def one_by_one(model: ReasoningModel, batch: Batch, segments: int) -> Iterator[Answers]:
    """Each puzzle alone, segment after segment, until it wants to stop."""
    for place, puzzle in enumerate(batch.split(1)):
        x = model.embed(puzzle.inputs, model.puzzle_emb(puzzle.puzzle_identifiers))
        carry, output = model(model.initial_carry(1), x)
        spent = 1
        while spent < segments and not wants_to_halt(model, output):
            carry, output = model(carry, x)
            spent += 1
        yield Answers(
            torch.tensor([place]),
            puzzle.inputs,
            puzzle.labels,
            output.logits.argmax(-1),
            output.q_halt,
            torch.tensor([spent]),
        )


CASES = {
    "kind": st.sampled_from(["hrm", "hrm-flat", "trm", "looped"]),
    "mode": st.sampled_from(["exact", "lean"]),
    "seed": st.integers(0, 50),
    "segments": st.integers(1, 6),
    "count": st.integers(8, 20),
    "batch_size": st.integers(1, 9),
}


@given(**CASES)
def test_each_puzzle_gets_what_it_would_get_alone(
    float64: Any, kind: str, mode: str, seed: int, segments: int, count: int, batch_size: int
) -> None:
    """And the numbers are those of the fixed pass."""
    with float64.in_float64():
        model, batch = unsure_model(kind, mode, seed), puzzles(count, seed)
        fixed = evaluate(model, [batch], segments).halting
        seen: list[Answers] = []
        halting = evaluate_halting(model, batch.split(batch_size), segments, seen.append)
        alone = joined(one_by_one(model, batch, segments))
    assert halting == fixed
    torch.testing.assert_close(joined(seen), alone, rtol=float64.CLOSE, atol=float64.CLOSE)


def spent_flops(answer: Answering, model: ReasoningModel, batch: Batch, segments: int) -> int:
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        list(answer(model, batch.split(4), segments))
    total: int = counter.get_total_flops()
    return total


@pytest.mark.parametrize("kind", ["hrm", "trm", "looped"])
def test_compute_is_that_of_the_segments_and_no_more(kind: str) -> None:
    model, batch = unsure_model(kind, seed=1), puzzles(13)
    batch.labels[:, 0] = 1
    halting = evaluate_halting(model, [batch], 6)
    assert 1 < halting.mean_segments < 5, halting
    spent = spent_flops(answer_when_sure, model, batch, 6)
    assert spent == round(13 * halting.inference_flops)
    assert spent < 13 * 6 * segment_flops(model.config)


def test_late_answers_are_the_last_of_the_curve(float64: Any) -> None:
    batch, seen = puzzles(11), list[Answers]()
    with float64.in_float64():
        model = unsure_model()
        evaluate(model, batch.split(4), 3, observe=seen.append)
        late = joined(answer_late(model, batch.split(3), 3))
    torch.testing.assert_close(late, joined(seen), rtol=float64.CLOSE, atol=float64.CLOSE)
    assert late.segments.tolist() == [3] * 11
    # The heads are read once.
    heads = 2 * (LENGTH + 1) * 8 * VOCABULARY + 2 * 8 * 2
    whole = 11 * (3 * segment_flops(model.config) - 2 * heads)
    assert spent_flops(answer_late, unsure_model(), batch, 3) == whole


def test_batches_stay_full_while_puzzles_wait() -> None:
    model, sizes = unsure_model(seed=1), []
    forward = model.forward

    def counted(carry, x):  # type: ignore[no-untyped-def]
        sizes.append(len(x))
        return forward(carry, x)

    model.forward = counted  # type: ignore[method-assign]
    list(answer_when_sure(model, puzzles(30).split(4), 5))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes.count(4) >= 30 / 4
    assert len(set(sizes)) > 1


def test_exactness_needs_a_label_and_all_of_them() -> None:
    labels = torch.tensor([[1, 2], [1, IGNORE_LABEL], [IGNORE_LABEL] * 2, [2, 2]])
    predictions = torch.tensor([[1, 2], [1, 0], [0, 0], [2, 1]])
    none = torch.zeros(4)
    answers = Answers(none, labels, labels, predictions, none, none)
    assert answers.exact.tolist() == [True, True, False, False]
    assert answers.labelled.tolist() == [True, True, False, True]


def test_nothing_to_evaluate_is_refused() -> None:
    model, batch = unsure_model(), puzzles(4)
    batch.labels.fill_(IGNORE_LABEL)
    empty = Batch(batch.inputs[:0], batch.labels[:0], batch.puzzle_identifiers[:0])
    for batches in ([], [empty], [batch]):
        with pytest.raises(ConfigError, match="no puzzle"):
            evaluate_halting(model, batches, 2)
    with pytest.raises(ConfigError, match="segments is 0"):
        evaluate_halting(model, [batch], 0)
    assert evaluate_halting(model, [empty, puzzles(5), empty], 2).segments
