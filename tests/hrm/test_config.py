import subprocess
import sys
from dataclasses import fields, replace
from typing import Any

import pytest

import hrm
from hrm.canonical import canonical
from hrm.config import ConfigError, ModelConfig, TrainingConfig, heads_of_width
from hrm.models import MODELS

SUDOKU: dict[str, Any] = {"vocab_size": 11, "seq_len": 81, "num_puzzle_identifiers": 1}
TRAINING = TrainingConfig(training_flops=1e12)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vocab_size", 0),
        ("seq_len", 2.5),
        ("N", 0),
        ("N", 10**7),
        ("T", True),
        ("M_max", 0),
        ("H_layers", 0),
        ("hidden_size", 10**21),
        ("expansion", 0.0),
        ("expansion", 1e300),
        ("rope_theta", float("inf")),
        ("norm_eps", -1e-5),
        ("halt_exploration", 1.5),
        ("positions", "sine"),
        ("model", "gpt"),
        ("hidden_size", 100),
        ("hidden_size", 8),
        ("puzzle_emb_ndim", -1),
    ],
)
def test_impossible_models_are_refused_by_field(field: str, value: object) -> None:
    with pytest.raises(ConfigError) as refused:
        ModelConfig(**{**SUDOKU, field: value})
    assert (refused.value.field, refused.value.value) == (field, value)


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
        ("learning_rate", 1e300),
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
        ("seed", 10**400),
        ("precision", "float16"),
        ("ema", 1.0),
    ],
)
def test_impossible_trainings_are_refused_by_field(field: str, value: object) -> None:
    settings: dict[str, Any] = {"training_flops": 1e12, field: value}
    with pytest.raises(ConfigError) as refused:
        TrainingConfig(**settings)
    assert (refused.value.field, refused.value.value) == (field, value)


@pytest.mark.parametrize(
    ("settings", "field", "also", "sentence"),
    [
        (
            {"hidden_size": 65},
            "hidden_size",
            ("num_heads",),
            "hidden_size is 65; give a multiple of num_heads=8.",
        ),
        (
            {"hidden_size": 8},
            "hidden_size",
            ("num_heads", "positions"),
            "hidden_size is 8; rope needs a multiple of 16.",
        ),
        (
            {"gradient": "last_k", "gradient_steps": 1},
            "gradient_steps",
            ("gradient", "model"),
            "gradient_steps is 1; give at least 2: the last of z_L and of z_H.",
        ),
        (
            {"puzzle_emb_ndim": 1025, "puzzle_emb_len": 2},
            "puzzle_emb_len",
            ("puzzle_emb_ndim", "hidden_size"),
            "puzzle_emb_len is 2; give at least 3, or 0.",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_named(
    settings: dict[str, Any], field: str, also: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        ModelConfig(**SUDOKU, **settings)
    assert (refused.value.field, refused.value.also) == (field, also)
    assert str(refused.value) == sentence


def test_what_a_model_has_no_use_for_is_not_checked_against_it() -> None:
    assert ModelConfig(**SUDOKU, mixing="mlp", hidden_size=100).num_heads == 8
    ModelConfig(**SUDOKU, gradient_steps=1)


def test_heads_of_a_width() -> None:
    assert heads_of_width(64, 512) == 8
    with pytest.raises(ConfigError) as refused:
        heads_of_width(48, 512)
    assert (refused.value.field, refused.value.also) == ("hidden_size", ("head_dim",))


def test_swiglu_width_is_rounded_up_to_256() -> None:
    widths = {d: ModelConfig(**SUDOKU, hidden_size=d).swiglu_width for d in (32, 128, 512, 768)}
    assert widths == {32: 256, 128: 512, 512: 1536, 768: 2048}


@pytest.mark.parametrize(
    ("settings", "positions"),
    [
        ({}, 1),
        ({"puzzle_emb_ndim": 512}, 1),
        ({"puzzle_emb_ndim": 513}, 2),
        ({"puzzle_emb_ndim": 1}, 1),
        ({"puzzle_emb_ndim": 0}, 0),
        ({"puzzle_emb_ndim": 0, "puzzle_emb_len": 16}, 0),
        ({"puzzle_emb_len": 16}, 16),
    ],
)
def test_the_embedding_fills_as_many_positions_as_it_needs(
    settings: dict[str, Any], positions: int
) -> None:
    config = ModelConfig(**SUDOKU, **settings)
    assert (config.puzzle_positions, config.tokens) == (positions, 81 + positions)


@pytest.mark.parametrize("model", MODELS)
def test_inactive_settings_change_nothing(model: str) -> None:
    """A configuration keeps them as given; what it acts as does not depend on them."""
    others = {
        "N": 3,
        "T": 5,
        "M_max": 7,
        "mode": "lean",
        "gradient": "bptt",
        "gradient_steps": 5,
        "halt_exploration": 0.5,
        "H_layers": 3,
        "num_heads": 4,
        "rope_theta": 100.0,
        "puzzle_emb_len": 3,
    }
    for base in ({}, {"M_max": 1}, {"mixing": "mlp", "puzzle_emb_ndim": 0}):
        config = ModelConfig(**SUDOKU, model=model, **base)
        for name in others.keys() & config.inactive.keys():
            changed = replace(config, **{name: others[name]})
            assert getattr(changed, name) == others[name]
            assert changed.effective == config.effective
            assert canonical(changed, TRAINING) == canonical(config, TRAINING)
        assert config.effective.effective == config.effective
        assert canonical(config.effective, TRAINING) == canonical(config, TRAINING)


def test_every_cause_and_inactive_setting_is_a_setting() -> None:
    known = {item.name for cls in (ModelConfig, TrainingConfig) for item in fields(cls)}
    for model in MODELS:
        config = ModelConfig(**SUDOKU, model=model, M_max=1, mixing="mlp", puzzle_emb_ndim=0)
        assert {*config.inactive, *config.inactive.values()} <= known


def test_numbers_that_are_equal_are_one_setting() -> None:
    whole, broken = (ModelConfig(**SUDOKU, rope_theta=theta) for theta in (10_000, 10_000.0))
    as_text = [str(canonical(model, TRAINING)) for model in (whole, broken)]
    assert as_text[0] == as_text[1]


def test_costs_are_known_without_torch() -> None:
    code = (
        "import sys, hrm, hrm.canonical, hrm.model.flops, hrm.progress, hrm.runs.folder;"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_public_names_are_there() -> None:
    for name in hrm.__all__:
        assert getattr(hrm, name).__name__ == name
        assert name in dir(hrm)
    with pytest.raises(AttributeError, match="no attribute 'Absent'"):
        hrm.Absent  # noqa: B018
