"""A small set of real ARC tasks, and configurations small enough to train in a second."""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hrm.config import ModelConfig, TrainingConfig
from hrm.model.flops import step_flops
from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.kinds.arc.settings import ArcSettings
from puzzle_datasets.storage.dataset import PuzzleDataset


@pytest.fixture(scope="session")
def arc_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = ArcSettings(canvas=4, tasks=8, augmentations=8, held_out="all")
    return prepare("arc-agi-1", settings, tmp_path_factory.mktemp("arc"))


@pytest.fixture(scope="session")
def arc(arc_folder: Path) -> PuzzleDataset:
    return PuzzleDataset.open(arc_folder)


@pytest.fixture(scope="session")
def model_config(arc: PuzzleDataset) -> Callable[..., ModelConfig]:
    """The configuration of a tiny model of the ARC tasks, with some settings changed."""

    def make(**changes: Any) -> ModelConfig:
        tiny = ModelConfig(
            vocab_size=arc.manifest.vocab_size,
            seq_len=arc.manifest.seq_len,
            num_puzzle_identifiers=arc.manifest.num_puzzle_identifiers,
            hidden_size=32,
            num_heads=2,
            H_layers=1,
            L_layers=1,
            M_max=3,
        )
        return replace(tiny, **changes)

    return make


@pytest.fixture(scope="session")
def training_config() -> Callable[..., TrainingConfig]:
    """A configuration that trains `model` for `steps` steps, with some settings changed."""

    def make(model: ModelConfig, steps: int, **changes: Any) -> TrainingConfig:
        tiny = TrainingConfig(
            training_flops=1.0,
            batch_size=8,
            learning_rate=1e-3,
            warmup_steps=2,
            evaluate_at=(1.0,),
            eval_puzzles=4,
        )
        config = replace(tiny, **changes)
        return replace(config, training_flops=float(steps * step_flops(model, config)))

    return make


@pytest.fixture(scope="session")
def float64() -> Any:
    """The module `float64` beside this file, which scripts import as well."""
    spec = importlib.util.spec_from_file_location(
        "float64", Path(__file__).with_name("float64.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Compute on one thread, and leave the number of threads as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def emulated_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a CPU that has no bfloat16 of its own compute in it, slowly."""
    monkeypatch.setattr("hrm.model.devices._computes_bfloat16", lambda device: True)
