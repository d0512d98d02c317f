"""What users of the package call refuses, in a sentence, whatever it can't use."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import hrm
from hrm.config import ModelConfig, TrainingConfig
from puzzle_datasets.common.errors import UserError
from puzzle_datasets.storage.dataset import PuzzleDataset

CPU = torch.device("cpu")
FLOPS = 1e6


@pytest.fixture(scope="module")
def parts(
    arc: PuzzleDataset, model_config: Callable[..., ModelConfig]
) -> tuple[ModelConfig, TrainingConfig, PuzzleDataset]:
    return model_config(), TrainingConfig(training_flops=FLOPS, batch_size=2), arc


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m, t, d: hrm.Trainer(None, t, d, CPU), "model_config is None; give a hrm.Model"),
        (lambda m, t, d: hrm.Trainer(m, None, d, CPU), "training_config is None"),
        (lambda m, t, d: hrm.Trainer(m, t, "x", CPU), "dataset is 'x'"),
        (lambda m, t, d: hrm.Trainer(m, t, d, "cpu"), "device is 'cpu'; give a torch.device"),
        (lambda m, t, d: hrm.Trainer(m, t, d), "device is missing"),
        (lambda m, t, d: hrm.Trainer(m, t, d, CPU, foo=1), "foo is no argument of Trainer"),
        (lambda m, t, d: hrm.Trainer(m, t, d, CPU).run(3), "checkpoint is 3; give a path or none"),
        (lambda m, t, d: hrm.Trainer(m, t, d, CPU).run(seconds=-1), "seconds is -1"),
        (lambda m, t, d: hrm.Trainer(m, t, d, CPU).save(None), "path is None; give a path"),
        (lambda m, t, d: hrm.Trainer(m, t, d, CPU).restore(None), "path is None; give a path"),
        (lambda m, t, d: hrm.load_model(None), "path is None; give a path"),
        (lambda m, t, d: hrm.load_model("a" * 5000), "give a shorter path"),
        (lambda m, t, d: hrm.load_model("a", dtype=3), "dtype is 3; give a torch.dtype or none"),
        (lambda m, t, d: hrm.load_published(None), "folder is None; give a path"),
        (lambda m, t, d: hrm.load_published("a", foo=1), "foo is no argument of load_published"),
        (lambda m, t, d: hrm.export_published(None, "a"), "model is None"),
        (lambda m, t, d: hrm.ReasoningModel(None), "config is None"),
        (lambda m, t, d: hrm.ReasoningModel(m, torch.int32), "dtype is torch.int32"),
        (lambda m, t, d: hrm.ModelConfig(), "vocab_size is missing"),
        (lambda m, t, d: hrm.ModelConfig(3), "ModelConfig has values without names"),
        (lambda m, t, d: hrm.ModelConfig.for_dataset(d, n=1), "n is no setting"),
        (
            lambda m, t, d: hrm.ModelConfig.for_dataset(d, vocab_size=7),
            "vocab_size is given, but follows from the dataset; leave it out",
        ),
        (lambda m, t, d: hrm.ModelConfig.for_dataset(None), "vocab_size is None"),
        (lambda m, t, d: hrm.TrainingConfig(), "training_flops is missing"),
        (lambda m, t, d: hrm.TrainingConfig(training_flops=1, x=1), "x is no setting"),
    ],
)
def test_public_names_refuse_what_they_cannot_use(
    call: Callable[..., object], said: str, parts: tuple[Any, ...]
) -> None:
    with pytest.raises(UserError) as caught:
        call(*parts)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_batch_beyond_all_bounds_is_refused_before_it_is_drawn(parts: tuple[Any, ...]) -> None:
    model, _, dataset = parts
    training = TrainingConfig(training_flops=1e30, batch_size=10**9)
    with pytest.raises(UserError, match="batch_size is 1000000000"):
        hrm.Trainer(model, training, dataset, CPU)


def test_a_path_may_be_a_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        hrm.load_model(str(tmp_path / "none"))
