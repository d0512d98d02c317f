import subprocess
import sys
from typing import Any

import pytest

from hrm.config import ConfigError, ModelConfig, TrainingConfig

SUDOKU: dict[str, Any] = {"vocab_size": 11, "seq_len": 81, "num_puzzle_identifiers": 1}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vocab_size", 0),
        ("seq_len", 2.5),
        ("N", 0),
        ("T", 0),
        ("T", True),
        ("M_max", 0),
        ("H_layers", 0),
        ("expansion", 0.0),
        ("rope_theta", float("inf")),
        ("norm_eps", -1e-5),
        ("halt_exploration", 1.5),
        ("positions", "sine"),
        ("hidden_size", 100),
        ("hidden_size", 8),
    ],
)
def test_impossible_models_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"ModelConfig\.{field} is {value!r}; .+\."):
        ModelConfig(**{**SUDOKU, field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("training_flops", 0.0),
        ("training_flops", float("nan")),
        ("batch_size", 0),
        ("micro_batch", 0),
        ("micro_batch", 1000),
        ("loss", "hinge"),
        ("learning_rate", 0.0),
        ("puzzle_learning_rate", -1.0),
        ("weight_decay", -0.1),
        ("beta1", 1.0),
        ("beta2", -0.5),
        ("warmup_steps", -1),
        ("lr_min_ratio", 2.0),
        ("evaluate_at", (0.5, 0.25)),
        ("evaluate_at", (0.0, 1.0)),
        ("evaluate_at", (0.5, 1.5)),
        ("eval_puzzles", 0),
        ("eval_batch_size", 0),
        ("seed", -1),
        ("precision", "float16"),
    ],
)
def test_impossible_trainings_are_refused_by_name(field: str, value: object) -> None:
    settings: dict[str, Any] = {"training_flops": 1e12, field: value}
    with pytest.raises(ConfigError) as refused:
        TrainingConfig(**settings)
    assert str(refused.value).startswith(f"TrainingConfig.{field} is {value!r}; ")


def test_swiglu_width_is_rounded_up_to_256() -> None:
    widths = {d: ModelConfig(**SUDOKU, hidden_size=d).swiglu_width for d in (32, 128, 512, 768)}
    assert widths == {32: 256, 128: 512, 512: 1536, 768: 2048}


def test_costs_are_known_without_torch() -> None:
    code = "import sys, hrm.config, hrm.model.flops, hrm.progress; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
