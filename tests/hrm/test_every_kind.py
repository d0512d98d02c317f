"""The trainer takes every kind of puzzle, and resumes in the middle of each one's stream."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from hrm.config import ModelConfig, TrainingConfig
from hrm.model.losses import score_rows
from hrm.training.trainer import Trainer
from puzzle_datasets.commands.floors import floors
from puzzle_datasets.commands.prepare import prepare, puzzle_set
from puzzle_datasets.kinds.floors import COMMON
from puzzle_datasets.kinds.kind import kind_named
from puzzle_datasets.loader import evaluation_batches
from puzzle_datasets.storage.dataset import PuzzleDataset

ASKED: list[tuple[str, dict[str, Any]]] = [
    ("arc-agi-1", {"canvas": 4, "held_out": "all", "augmentations": "fresh"}),
    ("sudoku", {"side": 4, "clues": 8, "train": 30, "test": 5}),
    ("maze", {"side": 5, "train": 30, "test": 5, "augmentations": 7}),
]


@pytest.mark.parametrize(("name", "chosen"), ASKED, ids=[name for name, _ in ASKED])
def test_a_resumed_run_ends_as_one_left_alone(
    name: str,
    chosen: dict[str, Any],
    training_config: Callable[..., TrainingConfig],
    tmp_path: Path,
) -> None:
    folder = prepare(name, puzzle_set(name).settings_from(chosen), tmp_path)
    dataset = PuzzleDataset.open(folder)
    model = ModelConfig(
        vocab_size=dataset.manifest.vocab_size,
        seq_len=dataset.manifest.seq_len,
        num_puzzle_identifiers=dataset.manifest.num_puzzle_identifiers,
        hidden_size=16,
        num_heads=2,
        H_layers=1,
        L_layers=1,
        M_max=2,
    )
    training = training_config(model, 9)
    whole, begun, resumed = (
        Trainer(model, training, dataset, torch.device("cpu")) for _ in range(3)
    )
    last = list(whole.run())[-1]
    for _ in range(4):
        begun._take_step()
    begun.save(tmp_path / "checkpoint.pt")
    resumed.restore(tmp_path / "checkpoint.pt")
    again = list(resumed.run())[-1]
    assert again.curve == last.curve
    assert again.curve is not None
    assert again.curve.puzzles == min(4, len(dataset.test))
    for key, value in whole.model.state_dict().items():
        assert value.equal(resumed.model.state_dict()[key]), key


@pytest.mark.parametrize(("name", "chosen"), ASKED, ids=[name for name, _ in ASKED])
def test_floors_count_as_the_evaluation_of_a_model_counts(
    name: str, chosen: dict[str, Any], tmp_path: Path
) -> None:
    dataset = PuzzleDataset.open(prepare(name, puzzle_set(name).settings_from(chosen), tmp_path))
    rows, vocabulary = np.arange(len(dataset.test)), dataset.manifest.vocab_size
    [batch] = evaluation_batches(dataset, batch_size=len(rows), limit=None, seed=0)
    known = [*COMMON, *kind_named(dataset.manifest.kind).floors]
    for floor, found in zip(known, floors(dataset), strict=True):
        answers = torch.from_numpy(floor.predict(dataset, rows).astype(np.int64))
        scores = score_rows(F.one_hot(answers, vocabulary).float(), batch.labels)
        assert scores.labelled.all()
        assert found.exact_accuracy == pytest.approx(float(scores.exact.double().mean()))
        assert found.token_accuracy == pytest.approx(float(scores.token_accuracy.mean()))
