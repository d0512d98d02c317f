"""What sets each model of the harness apart from the others; see also test_every_model."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hrm.config import ModelConfig, TrainingConfig
from hrm.model.flops import parameter_count, segment_flops
from hrm.model.reasoning_model import ReasoningModel
from hrm.models import MODELS
from hrm.recurrence import kept_updates, segment_updates

MakeModel = Callable[..., ModelConfig]
MakeTraining = Callable[..., TrainingConfig]
CPU = torch.device("cpu")
counts = st.integers(1, 5)


def built(config: ModelConfig) -> ReasoningModel:
    model = ReasoningModel(config, torch.float32)  # see the module float64
    model.initialise(torch.Generator().manual_seed(0))
    return model


def embedded(model: ReasoningModel, rows: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    shape = (rows, model.config.seq_len)
    tokens = torch.randint(0, model.config.vocab_size, shape, generator=generator)
    return model.embed(tokens, model.puzzle_emb(torch.zeros(rows, dtype=torch.long)))


def test_flat_hrm_is_hrm_with_cycles_of_one_step(model_config: MakeModel) -> None:
    flat = model_config(model="hrm-flat", N=2, T=3)
    assert segment_updates(flat).word == "LH" * 6
    single = model_config(N=6, T=1)
    assert segment_updates(single).word == "LH" * 6
    ours, theirs = built(flat), built(single)
    x = embedded(ours)
    for one, other in zip(
        ours(ours.initial_carry(3), x)[1], theirs(theirs.initial_carry(3), x)[1], strict=True
    ):
        assert one.equal(other)


@pytest.fixture
def _in_float64(float64: Any) -> Iterator[None]:
    with float64.in_float64():
        yield


@pytest.mark.usefixtures("_in_float64")
def test_trm_is_hrm_whose_modules_are_one(model_config: MakeModel) -> None:
    """Also what a gradient through the last cycle means, worked out by autograd alone."""
    config = model_config(model="trm", N=2, T=3)
    assert kept_updates(config).word == "LLLH"
    trm = built(config)
    f = trm.L_level
    x = embedded(trm)
    z_H, z_L = trm.initial_carry(3)
    for cycle in range(2):
        with torch.set_grad_enabled(cycle == 1):
            for _ in range(3):
                z_L = f(z_L, z_H + x, trm.rotary)
            z_H = f(z_H, z_L, trm.rotary)
    (expected,) = torch.autograd.grad(z_H.square().sum(), trm.embed_tokens.embedding_weight)
    ours = trm.recur(trm.initial_carry(3), embedded(trm)).z_H
    (actual,) = torch.autograd.grad(ours.square().sum(), trm.embed_tokens.embedding_weight)
    assert actual.allclose(expected)


@pytest.mark.usefixtures("_in_float64")
def test_full_gradients_are_those_of_finite_differences(model_config: MakeModel) -> None:
    model = built(model_config(gradient="bptt", N=2, T=2))
    x = embedded(model).detach()
    carry = model.initial_carry(3)
    weight = model.L_level.layers[0].mlp.down_proj.weight  # type: ignore[union-attr, index]

    def loss() -> torch.Tensor:
        return model.recur(carry, x).z_H[:, 1].pow(3).sum()

    (gradient,) = torch.autograd.grad(loss(), weight)
    with torch.no_grad():
        step = 1e-5  # leaves 1e-10 of curvature and 1e-11 of rounding
        weight[3, 5] += step
        above = loss()
        weight[3, 5] -= 2 * step
        slope = (above - loss()) / (2 * step)
    assert slope.item() == pytest.approx(gradient[3, 5].item(), rel=1e-6)


def test_the_transformer_reads_no_state(model_config: MakeModel) -> None:
    model = built(model_config(model="transformer"))
    x = embedded(model)
    carry, first = model(model.initial_carry(3), x)
    _, second = model(carry, x)
    assert first.logits.equal(second.logits)


@pytest.mark.parametrize(("N", "T"), [(1, 1), (2, 2), (2, 3), (3, 1)])
def test_the_loop_is_as_deep_as_hrm(model_config: MakeModel, N: int, T: int) -> None:
    hrm, looped = model_config(N=N, T=T), model_config(model="looped", N=N, T=T)
    assert parameter_count(looped) == parameter_count(hrm)
    ratio = segment_flops(looped) / segment_flops(hrm)
    assert 1 <= ratio < 1 + 2 / (N * (T + 1))


def test_equal_layers_are_equal_parameters(model_config: MakeModel) -> None:
    counts = {name: parameter_count(model_config(model=name)) for name in MODELS}
    assert counts["hrm"] == counts["hrm-flat"] == counts["looped"] == counts["transformer"]
    assert counts["trm"] < counts["hrm"]


@pytest.mark.usefixtures("_in_float64")
def test_the_mlp_form_is_a_swiglu_over_positions_with_a_norm_over_them(
    model_config: MakeModel,
) -> None:
    """TRM's block, written out for one row."""
    model = built(model_config(model="trm", mixing="mlp"))
    block = model.L_level.layers[0]  # type: ignore[union-attr, index]
    x = embedded(model, rows=1)

    def norm(value: torch.Tensor, axis: int) -> torch.Tensor:
        return value / (value.square().mean(axis, keepdim=True) + 1e-5).sqrt()

    gate, up = (block.mlp_t.gate_up_proj.weight @ x[0]).chunk(2)
    mixed = x[0] + block.mlp_t.down_proj.weight @ (torch.nn.functional.silu(gate) * up)
    seen = norm(mixed, 0)
    gate, up = (seen @ block.mlp.gate_up_proj.weight.T).chunk(2, -1)
    out = norm(seen + (torch.nn.functional.silu(gate) * up) @ block.mlp.down_proj.weight.T, -1)
    assert block(x, None)[0].allclose(out)


def test_mixing_by_mlp_sees_other_positions(model_config: MakeModel) -> None:
    model = built(model_config(mixing="mlp"))
    x = embedded(model)
    changed = x.clone()
    changed[:, -1] += 1
    first, second = (model.recur(model.initial_carry(3), value).z_H for value in (x, changed))
    assert not first[:, 0].equal(second[:, 0])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("gradient", ["native", "one_step", "cycle", "last_k", "bptt"])
@given(N=counts, T=counts, k=st.integers(2, 12))
def test_counts_are_those_of_the_word(name: Any, gradient: Any, N: int, T: int, k: int) -> None:
    sizes = {"vocab_size": 2, "seq_len": 3, "num_puzzle_identifiers": 1}
    config = ModelConfig(**sizes, model=name, N=N, T=T, gradient=gradient, gradient_steps=k)
    whole, kept = segment_updates(config), kept_updates(config)
    assert whole.word.endswith(kept.word)
    for updates in (whole, kept):
        assert len(updates.word) == updates.length
        assert (updates.word.count("L"), updates.word.count("H")) == (updates.L, updates.H)
        assert updates.begins_with_H == (updates.word[0] == "H" and "L" in whole.word)
