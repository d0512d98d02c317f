import math
from dataclasses import fields, replace
from typing import get_args, get_type_hints

import pytest
import torch

from hrm.commands import options, units
from hrm.commands.outcome import outcome, sentence
from hrm.config import ConfigError, ModelConfig, TrainingConfig

SHAPE = {"vocab_size": 12, "seq_len": 16, "num_puzzle_identifiers": 3}
MODEL = ModelConfig(**SHAPE)
TRAINING = TrainingConfig(training_flops=1e9)
CONFIGURATIONS = [(ModelConfig, MODEL), (TrainingConfig, TRAINING)]


def parser() -> options.Parser:
    made = options.Parser(prog="train")
    options.add_fields(made, ModelConfig, "model", without=options.FROM_DATASET)
    options.add_fields(made, TrainingConfig, "training")
    return made


@pytest.mark.parametrize(("configuration", "default"), CONFIGURATIONS)
def test_every_field_has_an_option_that_sets_it(
    configuration: options.Configuration, default: ModelConfig | TrainingConfig
) -> None:
    """Each field's option takes a value other than the default, of the field's own type."""
    other = {"hidden_size": 256, "gradient": "last_k", "micro_batch": 7, "evaluate_at": (0.5, 1.0)}
    hints = get_type_hints(configuration)
    for field in fields(configuration):
        if field.name in options.FROM_DATASET:
            continue
        before = getattr(default, field.name)
        choices = [c for c in get_args(hints[field.name]) if isinstance(c, str) and c != before]
        number = 5 if before is None else (before or 1) * 2 if not choices else 0
        value = other.get(field.name, choices[0] if choices else number)
        if field.name in ("halt_exploration", "beta1", "beta2", "lr_min_ratio", "ema"):
            value = 0.25
        words = map(str, value) if isinstance(value, tuple) else [str(value)]
        parsed = parser().parse_args([options.flag(field.name), *words])
        given = options.given(parsed, configuration)
        assert given == {field.name: value}
        assert type(given[field.name]) is type(value) or isinstance(before, float)
        if field.name != "gradient_steps":  # of no use without last_k
            assert getattr(replace(default, **given), field.name) == value


def test_what_is_not_given_is_left_out() -> None:
    arguments = parser().parse_args([])
    assert options.given(arguments, ModelConfig) == {}
    assert options.given(arguments, TrainingConfig) == {}


def test_help_names_every_option_and_its_default() -> None:
    text = " ".join(parser().format_help().split())
    for configuration, _ in CONFIGURATIONS:
        for field in fields(configuration):
            if field.name not in options.FROM_DATASET:
                assert f"{options.flag(field.name)} " in text
                assert options.HELP[field.name] in text
    assert "width of the states (default: 512)" in text
    assert "(default: 0.25 0.5 0.75 1.0)" in text
    assert "--vocab-size" not in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--hidden-size", "wide"], "--hidden-size: 'wide' is no value; give a whole number; see"),
        (["--N", "1.5"], "--N: '1.5' is no value; give a whole number; see train --help"),
        (["--model", "gpt"], "give hrm or hrm-flat or trm or looped or transformer"),
        (["--ema", "often"], "'often' is no value; give a number or none"),
        (["--hidden", "64"], "unrecognized arguments: --hidden 64; see train --help"),
    ],
)
def test_words_without_meaning_are_refused(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parser().parse_args(words)


def test_none_and_numbers_are_told_apart() -> None:
    words = ["--eval-puzzles", "none", "--ema", "0.5", "--evaluate-at", "--seed", "3"]
    given = options.given(parser().parse_args(words), TrainingConfig)
    assert given == {"eval_puzzles": None, "ema": 0.5, "evaluate_at": (), "seed": 3}


def test_errors_speak_of_options() -> None:
    with pytest.raises(ConfigError) as caught:
        replace(MODEL, hidden_size=65)
    expected = "--hidden-size is 65; give a multiple of num_heads=8."
    assert sentence(caught.value) == expected
    assert sentence(OSError(28, "No space left on device", "runs/x")) == (
        "runs/x: No space left on device; make room there or name another place."
    )
    assert sentence(PermissionError(13, "Permission denied", "runs/x")) == (
        "runs/x: Permission denied; mend that or name another place."
    )
    assert sentence(ConnectionError(111, "Connection refused")) == "Connection refused."


def test_too_little_memory_names_the_option_of_the_command() -> None:
    def work() -> int:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    assert outcome(work)[1].endswith("give a smaller --micro-batch.")
    assert outcome(work, "--batch-size")[1].endswith("give a smaller --batch-size.")


@pytest.mark.parametrize(
    ("share", "count", "low", "high"),
    [(0.5, 10, 0.2366, 0.7634), (0.0, 20, 0.0, 0.1611), (1.0, 20, 0.8389, 1.0), (0.0, 0, 0, 1)],
)
def test_wilson(share: float, count: int, low: float, high: float) -> None:
    assert units.wilson(share, count) == pytest.approx((low, high), abs=5e-5)


def test_units() -> None:
    assert units.flops(1.2e9) == "1.2 GFLOP"
    assert units.flops(0) == "0 FLOP"
    assert units.flops(999.96e9) == "1 TFLOP"
    assert units.seconds(200) == "3 min 20 s"
    assert units.seconds(3.21) == "3.2 s"
    assert units.percent(0.125) == "12.5 %"
    assert not math.isnan(units.wilson(1 / 3, 7)[0])
