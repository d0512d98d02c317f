"""Puzzle embeddings of any width, against a reference that is written out for one puzzle."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from hrm.checkpoints.checkpoint import CheckpointError
from hrm.checkpoints.published import export_published, load_published
from hrm.checkpoints.published_settings import TRM
from hrm.config import ModelConfig, TrainingConfig
from hrm.model.flops import parameter_count
from hrm.model.memory import training_memory
from hrm.model.reasoning_model import ReasoningModel
from hrm.training.trainer import Trainer
from puzzle_datasets.storage.dataset import PuzzleDataset

D, LENGTH, IDENTITIES = 8, 5, 4
SHAPES: list[dict[str, Any]] = [
    {},
    {"puzzle_emb_ndim": 0},
    {"puzzle_emb_ndim": 3},
    {"puzzle_emb_ndim": 17},
    {"puzzle_emb_ndim": 17, "positions": "learned"},
    {"puzzle_emb_ndim": 0, "positions": "learned"},
    {"puzzle_emb_len": 4},
    {"model": "trm", "puzzle_emb_len": 4, "puzzle_emb_ndim": 9},
    {"model": "trm", "mixing": "mlp", "puzzle_emb_len": 3},
    {"model": "trm", "mixing": "mlp", "puzzle_emb_ndim": 0},
]


def drawn(**changes: Any) -> ReasoningModel:
    """A small model all of whose weights are drawn."""
    config = ModelConfig(
        vocab_size=6,
        seq_len=LENGTH,
        num_puzzle_identifiers=IDENTITIES,
        hidden_size=D,
        num_heads=2,
        H_layers=1,
        L_layers=1,
        M_max=3,
        **changes,
    )
    model = ReasoningModel(config, torch.float32)  # see the module float64
    generator = torch.Generator().manual_seed(5)
    model.initialise(generator)
    for tensor in (model.puzzle_emb.weights, model.q_head.weight.data):
        tensor.normal_(generator=generator)
    return model


class Reference:
    """One segment of one puzzle, spelled out from the names of the weights alone."""

    def __init__(self, model: ReasoningModel) -> None:
        self.weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        self.config = model.config

    def segment(self, tokens: list[int], row: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logits `[LENGTH, V]` and both Q-values of the first segment."""
        weights, config = self.weights, self.config
        columns = [weights["embed_tokens.embedding_weight"][token] for token in tokens]
        front: list[Tensor] = []
        if row is not None:
            front = list(row.split(D))
            front[-1] = torch.cat((front[-1], torch.zeros(D - len(front[-1]))))
            front += [torch.zeros(D)] * (config.puzzle_emb_len - len(front))
        x = torch.stack([*front, *columns])
        if config.positions == "learned":
            x = (x + weights["embed_pos.embedding_weight"]) * 0.5**0.5
        x = x * D**0.5
        z_H, z_L = (weights[name].expand(len(x), D) for name in ("H_init", "L_init"))
        upper = "L_level" if config.model == "trm" else "H_level"
        for _ in range(config.N):
            for _ in range(config.T):
                z_L = self.block("L_level", z_L + z_H + x)
            z_H = self.block(upper, z_H + z_L)
        q = weights["q_head.weight"] @ z_H[0] + weights["q_head.bias"]
        return z_H[len(front) :] @ weights["lm_head.weight"].T, q

    def block(self, module: str, x: Tensor) -> Tensor:
        name = f"{module}.layers.0"
        if self.config.mixing == "mlp":
            x = self.norm((x + self.swiglu(f"{name}.mlp_t", x.T).T).T).T
        else:
            x = self.norm(x + self.attention(f"{name}.self_attn", x))
        return self.norm(x + self.swiglu(f"{name}.mlp", x))

    def attention(self, name: str, x: Tensor) -> Tensor:
        heads, k = 2, D // 2
        qkv = (x @ self.weights[f"{name}.qkv_proj.weight"].T).view(len(x), 3 * heads, k)
        out = []
        for head in range(heads):
            query, key, value = (qkv[:, part * heads + head] for part in range(3))
            if self.config.positions == "rope":
                query, key = self.turned(query), self.turned(key)
            out.append(torch.softmax(query @ key.T / k**0.5, -1) @ value)
        return torch.cat(out, -1) @ self.weights[f"{name}.o_proj.weight"].T

    def turned(self, x: Tensor) -> Tensor:
        """Pairs of coordinates (i, i + 2), turned by position x theta^(-i / 2)."""
        out = x.clone()
        for place, pair in ((p, i) for p in range(len(x)) for i in range(2)):
            angle = torch.tensor(place * self.config.rope_theta ** (-pair / 2))
            a, b = x[place, pair], x[place, pair + 2]
            out[place, pair] = a * angle.cos() - b * angle.sin()
            out[place, pair + 2] = b * angle.cos() + a * angle.sin()
        return out

    def swiglu(self, name: str, x: Tensor) -> Tensor:
        gate, up = (x @ self.weights[f"{name}.gate_up_proj.weight"].T).chunk(2, -1)
        return (gate * gate.sigmoid() * up) @ self.weights[f"{name}.down_proj.weight"].T

    def norm(self, x: Tensor) -> Tensor:
        return x / (x.square().mean(-1, keepdim=True) + self.config.norm_eps).sqrt()


TOKENS = [[0, 1, 2, 3, 4], [5, 5, 0, 2, 1], [3, 0, 0, 0, 0]]
IDENTIFIERS = [2, 0, 3]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_outputs_and_row_gradients_are_those_of_the_reference(
    shape: dict[str, Any], float64: Any
) -> None:
    with float64.in_float64():
        compare_with_reference(shape, float64.CLOSE)


def compare_with_reference(shape: dict[str, Any], close: float) -> None:
    assert_close = partial(torch.testing.assert_close, rtol=close, atol=close)
    model = drawn(gradient="bptt", **shape)
    reference, width = Reference(model), model.config.puzzle_width
    rows = model.puzzle_emb(torch.tensor(IDENTIFIERS)).requires_grad_()
    assert rows.shape == (3, width)
    output = model(model.initial_carry(3), model.embed(torch.tensor(TOKENS), rows))[1]
    (output.logits.square().sum() + output.q_halt.sum()).backward()
    for index, tokens in enumerate(TOKENS):
        row = rows[index].detach().clone().requires_grad_() if width else None
        logits, q = reference.segment(tokens, row)
        assert_close(output.logits[index], logits)
        assert_close(torch.stack((output.q_halt[index], output.q_continue[index])), q)
        if row is not None:
            (logits.square().sum() + q[0]).backward()
            assert rows.grad is not None
            assert row.grad is not None
            assert_close(rows.grad[index], row.grad)


def test_an_absent_embedding_has_no_tensor_and_no_say() -> None:
    model = drawn(puzzle_emb_ndim=0)
    assert not [name for name in model.state_dict() if name.startswith("puzzle_emb")]
    first, second = (
        model.embed(torch.tensor(TOKENS), model.puzzle_emb(torch.tensor(identifiers)))
        for identifiers in (IDENTIFIERS, [0, 0, 10**6])
    )
    assert first.equal(second)


def test_costs_know_the_width() -> None:
    training = TrainingConfig(training_flops=1.0, batch_size=4)
    narrow, wide = (drawn(puzzle_emb_ndim=width).config for width in (8, 24))
    assert parameter_count(wide) == parameter_count(narrow)
    table = 4 * IDENTITIES * (24 - 8)
    assert training_memory(wide, training) > training_memory(narrow, training) + table
    assert parameter_count(drawn(puzzle_emb_ndim=24, positions="learned").config) == (
        parameter_count(drawn(positions="learned").config) + 2 * D
    )


@pytest.mark.parametrize("width", [0, 40])
def test_training_moves_the_rows_of_the_batch(
    arc: PuzzleDataset,
    model_config: Callable[..., ModelConfig],
    training_config: Callable[..., TrainingConfig],
    tmp_path: Path,
    width: int,
) -> None:
    config = model_config(puzzle_emb_ndim=width)
    trainer = Trainer(config, training_config(config, 3), arc, torch.device("cpu"))
    list(trainer.run(tmp_path / "checkpoint.pt"))
    changed = trainer.model.puzzle_emb.weights.any(-1)
    assert bool(changed.any()) == (width > 0)
    assert not changed.all()
    again = Trainer(config, trainer.config, arc, torch.device("cpu"))
    again.restore(tmp_path / "checkpoint.pt")
    assert again.model.puzzle_emb.weights.equal(trainer.model.puzzle_emb.weights)


def test_a_published_checkpoint_without_embedding_loads(tmp_path: Path) -> None:
    model = drawn(puzzle_emb_ndim=0)
    export_published(model, tmp_path)
    arch = yaml.safe_load((tmp_path / "all_config.yaml").read_text())["arch"]
    assert arch["puzzle_emb_ndim"] == 0
    loaded = load_published(tmp_path)
    assert_same_outputs(loaded, model)
    del arch["puzzle_emb_ndim"]  # 0 is what the published code takes then
    (tmp_path / "all_config.yaml").write_text(yaml.safe_dump({"arch": arch, "seq_len": LENGTH}))
    assert_same_outputs(load_published(tmp_path), model)


def assert_same_outputs(one: ReasoningModel, other: ReasoningModel) -> None:
    outputs = [
        model(
            model.initial_carry(3),
            model.embed(torch.tensor(TOKENS), model.puzzle_emb(torch.tensor(IDENTIFIERS))),
        )[1]
        for model in (one, other)
    ]
    for first, second in zip(*outputs, strict=True):
        assert first.equal(second)


ARCH: dict[str, Any] = {
    "name": TRM,
    "loss": {"name": "losses@ACTLossHead", "loss_type": "stablemax_cross_entropy"},
    "H_cycles": 2,
    "L_cycles": 2,
    "H_layers": 0,
    "L_layers": 1,
    "hidden_size": D,
    "num_heads": 2,
    "expansion": 4,
    "halt_max_steps": 3,
    "halt_exploration_prob": 0.1,
    "puzzle_emb_ndim": D,
    "pos_encodings": "rope",
    "forward_dtype": "float32",
    "mlp_t": False,
    "puzzle_emb_len": 16,
    "no_ACT_continue": True,
}


def write_trm(folder: Path, model: ReasoningModel, **changes: Any) -> None:
    """A folder as TRM's trainer leaves it."""
    weights = {f"_orig_mod.model.inner.{k}": v for k, v in model.state_dict().items()}
    torch.save(weights, folder / "step_0")
    (folder / "all_config.yaml").write_text(yaml.safe_dump({"arch": {**ARCH, **changes}}))
    (folder / "dataset.json").write_text(json.dumps({"seq_len": LENGTH}))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"puzzle_emb_len": 16}, {}),
        ({"puzzle_emb_len": 16, "puzzle_emb_ndim": 20}, {"puzzle_emb_ndim": 20}),
        ({}, {"puzzle_emb_len": 0}),
        ({"puzzle_emb_len": 16, "positions": "learned"}, {"pos_encodings": "learned"}),
        ({"puzzle_emb_len": 16, "mixing": "mlp"}, {"mlp_t": True, "pos_encodings": "none"}),
    ],
    ids=str,
)
def test_published_trm_loads(ours: dict[str, Any], theirs: dict[str, Any], tmp_path: Path) -> None:
    model = drawn(model="trm", **ours)
    write_trm(tmp_path, model, **theirs)
    loaded = load_published(tmp_path)
    assert (loaded.config.model, loaded.config.mode) == ("trm", "lean")
    assert loaded.config.puzzle_positions == model.config.puzzle_positions
    assert_same_outputs(loaded, model)


def test_a_trm_whose_embedding_does_not_fit_is_refused(tmp_path: Path) -> None:
    write_trm(tmp_path, drawn(model="trm"), puzzle_emb_len=1, puzzle_emb_ndim=2 * D)
    with pytest.raises(CheckpointError) as refused:
        load_published(tmp_path)
    assert "puzzle_emb" in str(refused.value)
