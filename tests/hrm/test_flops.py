"""The formulas agree with what torch counts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hrm.config import ConfigError, ModelConfig, TrainingConfig
from hrm.evaluation.accuracy import evaluate
from hrm.model.flops import (
    inference_flops,
    parameter_count,
    segment_flops,
    step_flops,
    total_steps,
    training_flops,
)
from hrm.model.reasoning_model import ReasoningModel
from hrm.training.trainer import Trainer
from puzzle_datasets.loader import evaluation_batches
from puzzle_datasets.storage.dataset import PuzzleDataset

MakeModel = Callable[..., ModelConfig]
MakeTraining = Callable[..., TrainingConfig]
CPU = torch.device("cpu")

SHAPES: list[dict[str, Any]] = [
    {},
    {"N": 1, "T": 1, "M_max": 1},
    {"N": 4, "T": 1, "M_max": 2},
    {"N": 1, "T": 4, "H_layers": 2, "positions": "learned"},
    {"N": 3, "T": 2, "L_layers": 3, "hidden_size": 64},
    {"hidden_size": 48, "num_heads": 1, "expansion": 12.0, "M_max": 1},
    {"mode": "lean", "T": 3},
    {"gradient": "bptt"},
    {"gradient": "cycle", "T": 3},
    {"gradient": "last_k", "gradient_steps": 4, "N": 3},
    {"gradient": "last_k", "gradient_steps": 3, "T": 1, "H_layers": 2},
    {"gradient": "last_k", "gradient_steps": 3, "T": 1, "mixing": "mlp"},
    {"mixing": "mlp", "expansion": 2.0},
    {"model": "hrm-flat", "T": 3, "H_layers": 2},
    {"model": "hrm-flat", "gradient": "last_k", "gradient_steps": 3},
    {"model": "trm", "T": 3, "L_layers": 2},
    {"model": "trm", "mixing": "mlp", "gradient": "bptt"},
    {"model": "looped", "T": 3},
    {"model": "looped", "gradient": "last_k", "gradient_steps": 1, "mode": "lean"},
    {"model": "transformer", "H_layers": 3},
    {"model": "transformer", "mixing": "mlp", "positions": "learned"},
    {"puzzle_emb_ndim": 0},
    {"puzzle_emb_ndim": 100, "positions": "learned"},
    {"model": "trm", "puzzle_emb_len": 16, "mixing": "mlp"},
]


@pytest.mark.parametrize(
    ("vocab_size", "seq_len", "parameters"),
    [(12, 900, 27_276_290), (11, 81, 27_275_266), (6, 900, 27_270_146)],
    ids=["arc", "sudoku", "maze"],
)
def test_published_parameter_counts(vocab_size: int, seq_len: int, parameters: int) -> None:
    config = ModelConfig(vocab_size=vocab_size, seq_len=seq_len, num_puzzle_identifiers=1)
    with torch.device("meta"):
        model = ReasoningModel(config)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert parameter_count(config) == parameters


@pytest.mark.parametrize("shape", SHAPES)
def test_parameters_of_other_shapes(model_config: MakeModel, shape: dict[str, Any]) -> None:
    config = model_config(**shape)
    model = ReasoningModel(config)
    assert sum(p.numel() for p in model.parameters()) == parameter_count(config)


@pytest.mark.parametrize("shape", SHAPES)
def test_flops_equal_what_torch_counts(
    arc: PuzzleDataset,
    model_config: MakeModel,
    training_config: MakeTraining,
    shape: dict[str, Any],
) -> None:
    config = model_config(**shape)
    training = training_config(config, steps=30)
    trainer = Trainer(config, training, arc, CPU)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as step:
        progress = next(trainer.run())
    assert progress.step == 1
    assert step.get_total_flops() == step_flops(config, training) == progress.training_flops
    assert step_flops(config, training) == training.batch_size * training_flops(config)
    batches = evaluation_batches(arc, batch_size=3, limit=5, seed=0)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as evaluation:
        curve = evaluate(trainer.model, batches, segments=2).curve
    assert evaluation.get_total_flops() == curve.puzzles * inference_flops(config, 2)
    assert curve.inference_flops == (segment_flops(config), 2 * segment_flops(config))


def test_steps_are_what_the_budget_pays_in_full(
    model_config: MakeModel, training_config: MakeTraining
) -> None:
    config = model_config()
    training = training_config(config, steps=7)
    flops = training.training_flops
    assert total_steps(config, training) == 7
    assert total_steps(config, replace(training, training_flops=flops - 1)) == 6
    assert total_steps(config, replace(training, training_flops=1.0)) == 1
    with pytest.raises(ConfigError, match=r"training_flops is 1e\+40, which pays for over"):
        total_steps(config, replace(training, training_flops=1e40))
