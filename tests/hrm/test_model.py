from collections.abc import Callable
from typing import Any

import pytest
import torch

from hrm.config import ModelConfig
from hrm.model.reasoning_model import Carry, ReasoningModel

MakeModel = Callable[..., ModelConfig]


def build(config: ModelConfig, seed: int = 0, **options: Any) -> ReasoningModel:
    model = ReasoningModel(config, **options)
    model.initialise(torch.Generator().manual_seed(seed))
    return model


def test_initial_weights_are_lecun_normal(model_config: MakeModel) -> None:
    model = build(model_config(hidden_size=128))
    for name, weight in model.named_parameters():
        if not name.startswith("q_head"):
            wanted = weight.shape[1] ** -0.5
            assert weight.std().item() == pytest.approx(wanted, rel=0.06), name
    assert not model.q_head.weight.any()
    assert model.q_head.bias is not None
    assert model.q_head.bias.tolist() == [-5.0, -5.0]
    assert not model.puzzle_emb.weights.any()
    assert model.H_init.std().item() == pytest.approx(1.0, abs=0.2)


def test_initial_weights_follow_the_generator(model_config: MakeModel) -> None:
    first, again, other = (build(model_config(), seed) for seed in (1, 1, 2))
    for name, value in first.state_dict().items():
        assert value.equal(again.state_dict()[name]), name
    assert not first.H_init.equal(other.H_init)
    assert not first.lm_head.weight.equal(other.lm_head.weight)


def test_no_weight_knows_the_recurrence(model_config: MakeModel) -> None:
    shapes = [
        {name: value.shape for name, value in build(config).state_dict().items()}
        for config in (model_config(), model_config(N=3, T=5, M_max=9))
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(("N", "T"), [(1, 1), (2, 1), (1, 3), (3, 2)])
def test_only_the_last_updates_keep_a_gradient(model_config: MakeModel, N: int, T: int) -> None:
    model = build(model_config(N=N, T=T))
    shape = (2, model.config.tokens, model.config.hidden_size)
    generator = torch.Generator().manual_seed(3)
    x, start_H, start_L = (torch.randn(shape, generator=generator) for _ in range(3))
    x.requires_grad_()
    out = model.recur(Carry(start_H, start_L), x)
    (gradient,) = torch.autograd.grad(out.z_H.square().sum(), x)

    z_H, z_L, rotary = start_H, start_L, model.rotary
    with torch.no_grad():
        for cycle in range(N):
            for _ in range(T - (cycle == N - 1)):
                z_L = model.L_level(z_L, z_H + x, rotary)
            if cycle < N - 1:
                z_H = model.H_level(z_H, z_L, rotary)
    expected_H = model.H_level(z_H, model.L_level(z_L, z_H + x, rotary), rotary)
    (expected,) = torch.autograd.grad(expected_H.square().sum(), x)
    assert out.z_H.equal(expected_H)
    assert gradient.equal(expected)


def test_bfloat16_computes_near_float32_with_float32_weights(model_config: MakeModel) -> None:
    wide, narrow = build(model_config()), build(model_config(), dtype=torch.bfloat16)
    tokens = torch.randint(
        0, 12, (4, wide.config.seq_len), generator=torch.Generator().manual_seed(0)
    )
    outputs = []
    for model in (wide, narrow):
        x = model.embed(tokens, model.puzzle_emb(torch.tensor([0, 1, 2, 3])))
        carry, output = model(model.initial_carry(4), x)
        assert x.dtype == carry.z_H.dtype == output.logits.dtype == model.dtype
        assert output.q_halt.dtype == torch.float32
        outputs.append(output.logits.detach().float())
    assert all(p.dtype == torch.float32 for p in narrow.parameters())
    assert (outputs[0] - outputs[1]).abs().mean() < 0.05 * outputs[0].abs().mean()
