"""The options of a command line that stand for settings, and how errors speak of them."""

from dataclasses import fields
from typing import get_args, get_type_hints

import pytest
import torch

from hrm.commands.machine import option_names
from hrm.config import DATASET_FIELDS, ConfigError, ModelConfig, TrainingConfig
from hrm.evaluation.wilson import wilson
from hrm.model.devices import gpu_memory
from hrm.model.memory import main_memory
from hrm.train import parser
from puzzle_datasets.common.command_line import flag, given
from puzzle_datasets.common.errors import UserError

WORDS = ["--out", "run"]
MODEL = ModelConfig(vocab_size=12, seq_len=16, num_puzzle_identifiers=3)
TRAINING = TrainingConfig(training_flops=1e9)


@pytest.mark.parametrize("default", [MODEL, TRAINING], ids=["model", "training"])
def test_every_field_has_an_option_that_sets_it(default: ModelConfig | TrainingConfig) -> None:
    """Each field's option takes a value other than the default, of the field's own type."""
    other = {"micro_batch": 7, "evaluate_at": (0.5, 1.0)}
    hints = get_type_hints(type(default))
    for field in fields(default):
        if field.name in DATASET_FIELDS:
            continue
        before = getattr(default, field.name)
        choices = [c for c in get_args(hints[field.name]) if isinstance(c, str) and c != before]
        number = 5 if before is None else (before or 1) * 2 if not choices else 0
        value = other.get(field.name, choices[0] if choices else number)
        words = map(str, value) if isinstance(value, tuple) else [str(value)]
        arguments = parser().parse_args([*WORDS, flag(field.name), *words])
        chosen = given(arguments, type(default))
        assert chosen == {field.name: value}


def test_help_names_every_option_and_its_default() -> None:
    text = " ".join(parser().format_help().split())
    for field in (*fields(MODEL), *fields(TRAINING)):
        if field.name not in DATASET_FIELDS:
            assert f"{flag(field.name)} " in text
            assert field.metadata["help"] in text
    assert "default: 512)" in text
    assert "default: 0.25 0.5 0.75 1.0)" in text
    assert "--vocab-size" not in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--hidden-size", "wide"], "--hidden-size: 'wide' is no value; give a whole number; see"),
        (["--model", "gpt"], "give hrm, hrm-flat, trm, looped or transformer"),
        (["--hidden", "64"], "unrecognized arguments: --hidden 64; see python -m hrm.train --he"),
    ],
)
def test_words_without_meaning_are_refused(words: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        parser().parse_args([*WORDS, *words])


def test_errors_speak_of_options() -> None:
    name = option_names(parser())
    assert name("hidden_size") == "--hidden-size"
    assert name("out") == "--out"
    assert name("run") == "run"
    assert name("runs/my_run") == "runs/my_run"


def test_too_little_memory_names_what_makes_it_less() -> None:
    with pytest.raises(ConfigError) as refused, gpu_memory("--batch-size"):
        raise torch.OutOfMemoryError("CUDA out of memory.")
    assert refused.value.remedy == "give a smaller --batch-size"


def test_errors_of_other_causes_pass() -> None:
    giant = ModelConfig(vocab_size=12, seq_len=10**9, num_puzzle_identifiers=3)
    with pytest.raises(RuntimeError, match="another cause"), main_memory(MODEL, TRAINING):
        raise RuntimeError("another cause")
    with pytest.raises(ConfigError, match="this machine has"), main_memory(giant, TRAINING):
        raise RuntimeError("can't allocate memory")


@pytest.mark.parametrize(
    ("share", "count", "low", "high"),
    [(0.5, 10, 0.2366, 0.7634), (0.0, 20, 0.0, 0.1611), (1.0, 20, 0.8389, 1.0), (0.0, 0, 0, 1)],
)
def test_wilson(share: float, count: int, low: float, high: float) -> None:
    assert wilson(share, count) == pytest.approx((low, high), abs=5e-5)
