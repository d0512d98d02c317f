from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import Tensor

from hrm.config import ModelConfig
from hrm.model.act import (
    Slots,
    draw_least_segments,
    empty_slots,
    join,
    refill,
    train_segment,
    wants_to_halt,
)
from hrm.model.losses import softmax_cross_entropy
from hrm.model.reasoning_model import Output, ReasoningModel
from puzzle_datasets.loading.batch import Batch

MakeModel = Callable[..., ModelConfig]
ROWS = 5


def build(config: ModelConfig) -> ReasoningModel:
    model = ReasoningModel(config)
    model.initialise(torch.Generator().manual_seed(0))
    return model


def batch_of(model: ReasoningModel, seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)

    def draw(high: int, *shape: int) -> Tensor:
        return torch.randint(0, high, shape, generator=generator, dtype=torch.int32)

    config = model.config
    return Batch(
        draw(config.vocab_size, ROWS, config.seq_len),
        draw(config.vocab_size, ROWS, config.seq_len),
        draw(config.num_puzzle_identifiers, ROWS),
    )


def run(model: ReasoningModel, slots: Slots, least: Tensor | None) -> Slots:
    rows = model.puzzle_emb(slots.puzzle_identifiers)
    return train_segment(model, slots, rows, least, softmax_cross_entropy).slots


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(halted=st.lists(st.booleans(), min_size=ROWS, max_size=ROWS))
def test_only_halted_slots_take_the_new_row(model_config: MakeModel, halted: list[bool]) -> None:
    model = build(model_config())
    before = run(model, refill(model, empty_slots(model, ROWS), batch_of(model, 1)), None)
    before = before._replace(halted=torch.tensor(halted))
    new = batch_of(model, 2)
    after = refill(model, before, new)
    start = model.initial_carry(ROWS)
    fresh = Slots(
        *start,
        torch.zeros_like(before.segments),
        before.halted,
        new.inputs,
        new.labels,
        new.puzzle_identifiers,
    )
    for row, took in enumerate(halted):
        expected = fresh if took else before
        for name in Slots._fields:
            assert getattr(after, name)[row].equal(getattr(expected, name)[row]), name


def test_rows_halt_at_the_bound_and_not_before_they_may(model_config: MakeModel) -> None:
    model = build(model_config(M_max=4))
    with torch.no_grad():
        assert model.q_head.bias is not None
        model.q_head.bias.copy_(torch.tensor([1.0, 0.0]))
    least = torch.tensor([0, 2, 3, 4, 0], dtype=torch.int32)
    slots = refill(model, empty_slots(model, ROWS), batch_of(model, 1))
    halts = []
    for _ in range(4):
        slots = run(model, slots, least)
        halts.append(slots.halted.tolist())
    wanted = [[segment >= bound for bound in least.tolist()] for segment in range(1, 5)]
    assert halts == wanted


def test_unwilling_rows_halt_at_the_bound_alone(model_config: MakeModel) -> None:
    model = build(model_config(M_max=3))
    slots = refill(model, empty_slots(model, ROWS), batch_of(model, 1))
    least = torch.zeros(ROWS, dtype=torch.int32)
    for expected in (False, False, True):
        slots = run(model, slots, least)
        assert slots.halted.tolist() == [expected] * ROWS


def test_a_single_segment_needs_no_target(model_config: MakeModel) -> None:
    model = build(model_config(M_max=1))
    slots = refill(model, empty_slots(model, ROWS), batch_of(model, 1))
    rows = model.puzzle_emb(slots.puzzle_identifiers)
    segment = train_segment(model, slots, rows, None, softmax_cross_entropy)
    assert segment.q_continue_target is None
    assert segment.loss.q_continue.item() == 0
    assert segment.slots.halted.all()


@pytest.mark.parametrize(
    ("settings", "q_halt", "q_continue", "halts"),
    [
        ({"mode": "exact"}, 1.0, 0.5, True),
        ({"mode": "exact"}, 1.0, 1.5, False),
        ({"mode": "exact"}, -1.0, -2.0, True),
        ({"mode": "lean"}, 1.0, 1.5, True),
        ({"mode": "lean"}, -1.0, -2.0, False),
        ({"mode": "exact", "M_max": 1}, -1.0, -2.0, False),
    ],
)
def test_halting_asks_for_what_was_learnt(
    model_config: MakeModel,
    settings: dict[str, Any],
    q_halt: float,
    q_continue: float,
    halts: bool,
) -> None:
    model = build(model_config(**settings))
    q = torch.tensor([[q_halt, q_continue]]).expand(ROWS, 2)
    output = Output(torch.zeros(ROWS, 1, 2), q[:, 0], q[:, 1])
    assert wants_to_halt(model, output).tolist() == [halts] * ROWS


def test_lean_slots_halt_on_their_own_value(model_config: MakeModel) -> None:
    model = build(model_config(mode="lean"))
    with torch.no_grad():
        assert model.q_head.bias is not None
        model.q_head.bias.copy_(torch.tensor([1.0, 1.5]))
    slots = refill(model, empty_slots(model, ROWS), batch_of(model, 1))
    least = torch.tensor([0, 2, 3, 0, 0], dtype=torch.int32)
    assert run(model, slots, least).halted.tolist() == [True, False, False, True, True]


def test_lean_is_exact_without_the_second_forward(model_config: MakeModel) -> None:
    """Same prediction and same gradient of everything but the Q-head's second row."""
    gradients, losses = [], []
    for mode in ("exact", "lean"):
        model = build(model_config(mode=mode))
        slots = refill(model, empty_slots(model, ROWS), batch_of(model, 1))
        rows = model.puzzle_emb(slots.puzzle_identifiers)
        least = torch.zeros(ROWS, dtype=torch.int32)
        segment = train_segment(model, slots, rows, least, softmax_cross_entropy)
        assert (segment.q_continue_target is None) == (mode == "lean")
        (segment.loss.lm + segment.loss.q_halt).backward()  # type: ignore[no-untyped-call]
        gradients.append({name: p.grad for name, p in model.named_parameters()})
        losses.append(segment.loss)
    assert losses[0].lm.equal(losses[1].lm)
    assert losses[0].q_continue > 0 == losses[1].q_continue
    for name, gradient in gradients[0].items():
        other = gradients[1][name]
        assert gradient is not None
        assert other is not None
        assert gradient.equal(other), name


def test_exploration_is_uniform_above_one() -> None:
    least = draw_least_segments(60_000, 4, 0.3, torch.Generator().manual_seed(0))
    shares = torch.bincount(least, minlength=5).double() / len(least)
    assert shares.tolist() == pytest.approx([0.7, 0, 0.1, 0.1, 0.1], abs=0.01)


def test_slots_split_and_join(model_config: MakeModel) -> None:
    model = build(model_config())
    slots = refill(model, empty_slots(model, ROWS), batch_of(model, 1))
    parts = [slots.rows(slice(start, start + 2)) for start in range(0, ROWS, 2)]
    for whole, joined in zip(slots, join(parts), strict=True):
        assert joined.equal(whole)
