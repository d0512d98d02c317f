"""What every registered model must do: the conformance tests of a record in `hrm.models`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hrm.checkpoints.loading import load_model
from hrm.config import ModelConfig, TrainingConfig
from hrm.model.act import wants_to_halt
from hrm.model.flops import parameter_count
from hrm.model.reasoning_model import ReasoningModel
from hrm.models import MODELS
from hrm.recurrence import kept_updates, segment_updates
from hrm.training.trainer import Trainer
from puzzle_datasets.storage.dataset import PuzzleDataset

MakeModel = Callable[..., ModelConfig]
MakeTraining = Callable[..., TrainingConfig]
CPU = torch.device("cpu")
ROWS = 3


def built(config: ModelConfig, seed: int = 0) -> ReasoningModel:
    """A model with drawn weights, those of the Q-head included, which start at zero."""
    model = ReasoningModel(config)
    generator = torch.Generator().manual_seed(seed)
    model.initialise(generator)
    model.q_head.weight.data.normal_(generator=generator)
    return model


def embedded(model: ReasoningModel) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    shape = (ROWS, model.config.seq_len)
    tokens = torch.randint(0, model.config.vocab_size, shape, generator=generator)
    return model.embed(tokens, model.puzzle_emb(torch.zeros(ROWS, dtype=torch.long)))


class ModelConformance:
    """What the harness asks of a model. A subclass gives the settings that make it, `form`."""

    @pytest.fixture
    def config(self, form: dict[str, Any], model_config: MakeModel) -> ModelConfig:
        return model_config(**form)

    def test_its_record_is_whole(self, config: ModelConfig) -> None:
        kind, letters = config.kind, set(config.kind.networks(config))
        assert {rule.network for rule in kind.updates.values()} == letters
        assert "H" in kind.updates
        assert kind.gradient in ("one_step", "cycle", "bptt")
        known = ModelConfig.__dataclass_fields__
        assert {*kind.fixed, *kind.unused} <= known.keys()
        assert segment_updates(config).word.endswith("H")
        assert segment_updates(config).word.endswith(kept_updates(config).word)

    def test_its_shapes(self, config: ModelConfig) -> None:
        model = built(config)
        carry, output = model(model.initial_carry(ROWS), embedded(model))
        tokens, d = config.tokens, config.hidden_size
        assert carry.z_H.shape == (ROWS, tokens, d)
        assert carry.z_L.shape == (ROWS, tokens if config.kind.has_low_state else 0, d)
        assert output.logits.shape == (ROWS, config.seq_len, config.vocab_size)
        assert output.q_halt.shape == output.q_continue.shape == (ROWS,)
        assert not carry.z_H.requires_grad
        assert wants_to_halt(model, output).shape == (ROWS,)

    def test_every_weight_is_used_and_counted(self, config: ModelConfig) -> None:
        model = built(config)
        output = model(model.initial_carry(ROWS), embedded(model))[1]
        sum(value.square().sum() for value in output).backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name
        assert sum(p.numel() for p in model.parameters()) == parameter_count(config)

    def test_a_segment_is_its_updates_each_of_one_state(self, config: ModelConfig) -> None:
        model = built(config)
        x, before = embedded(model), model.initial_carry(ROWS)
        after = model.recur(before, x)
        word = ""
        for letter, carry in model.states(before, x):
            for state in ("z_H", "z_L"):
                if state != f"z_{letter}":
                    assert getattr(carry, state) is getattr(before, state)
            word, before = word + letter, carry
        assert word == segment_updates(config).word
        for state, expected in zip(before, after, strict=True):
            assert state.equal(expected)

    def test_inactive_settings_change_no_number(self, config: ModelConfig) -> None:
        others = {"N": 3, "T": 3, "M_max": 2, "mode": "lean", "H_layers": 2, "num_heads": 4}
        changes = {name: others[name] for name in others.keys() & config.inactive.keys()}
        one, other = built(config), built(replace(config, **changes))
        for model in (one, other):
            assert model.config == config.effective
        outputs = [model(model.initial_carry(ROWS), embedded(model))[1] for model in (one, other)]
        for first, second in zip(*outputs, strict=True):
            assert first.equal(second)

    def test_it_learns_and_its_checkpoint_loads(
        self,
        config: ModelConfig,
        arc: PuzzleDataset,
        training_config: MakeTraining,
        tmp_path: Path,
    ) -> None:
        """Over five seeds of every form here, the loss ends at 0.54 to 0.84 of its start."""
        training = training_config(
            config, 100, batch_size=16, learning_rate=3e-3, puzzle_weight_decay=0.0, ema=0.0
        )
        trainer = Trainer(config, training, arc, CPU)
        reports = list(trainer.run(tmp_path / "checkpoint.pt"))
        assert reports[-1].lm_loss < 0.95 * reports[0].lm_loss
        curve, halting = reports[-1].curve, reports[-1].halting
        assert curve is not None
        assert halting is not None
        segments = config.effective.M_max
        assert len(curve.exact_accuracy) == len(halting.segments) == segments
        assert sum(halting.segments) == pytest.approx(1)
        loaded = load_model(tmp_path).model
        for name, value in trainer.model.state_dict().items():
            assert loaded.state_dict()[name].equal(value), name


@pytest.mark.parametrize(
    "form", [{"model": name} for name in MODELS], ids=lambda form: form["model"]
)
class TestEveryModel(ModelConformance):
    pass


VARIANTS: list[dict[str, Any]] = [
    {"model": "trm", "mixing": "mlp"},
    {"mode": "lean"},
    {"gradient": "bptt"},
    {"puzzle_emb_ndim": 0},
    {"puzzle_emb_ndim": 70},
    {"model": "trm", "puzzle_emb_len": 4, "positions": "learned"},
]


@pytest.mark.parametrize("form", VARIANTS, ids=str)
class TestVariants(ModelConformance):
    pass
