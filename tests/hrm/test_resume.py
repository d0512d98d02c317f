"""A run that was killed and resumed gives the numbers of one left alone, bit for bit."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hrm.checkpoints import checkpoint
from hrm.checkpoints.checkpoint import CheckpointError
from hrm.config import ModelConfig, TrainingConfig
from hrm.progress import Progress
from hrm.training.trainer import Trainer
from puzzle_datasets.storage.dataset import PuzzleDataset

MakeModel = Callable[..., ModelConfig]
MakeTraining = Callable[..., TrainingConfig]
CPU = torch.device("cpu")
MEASURED = (
    "device_seconds",
    "examples_per_second",
    "peak_memory_bytes",
    "device_busy",
    "energy_joules",
)


def numbers(progress: Progress) -> dict[str, Any]:
    """All that does not depend on the clock or on the process; tuples as JSON has them."""
    fields: dict[str, Any] = json.loads(json.dumps(asdict(progress)))
    return {name: value for name, value in fields.items() if name not in MEASURED}


def tensors(content: Any, name: str = "") -> dict[str, Any]:
    """The leaves of nested dictionaries and sequences by their path."""
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, (list, tuple)):
        items = dict(enumerate(content)).items()
    else:
        return {name: content}
    return {k: v for key, part in items for k, v in tensors(part, f"{name}/{key}").items()}


def saved(trainer: Trainer, path: Path) -> dict[str, Any]:
    trainer.save(path)
    leaves = tensors(checkpoint.load(path))
    return {
        name: value
        for name, value in leaves.items()
        if "seconds" not in name and "/measurements/" not in name
    }


def assert_same_state(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        same = value.equal(second[name]) if isinstance(value, Tensor) else value == second[name]
        assert same, name


def kill_after(reports: int, request: dict[str, Any]) -> list[dict[str, Any]]:
    """Train in another process, kill it without warning, return the reports it printed."""
    script = Path(__file__).with_name("train_and_save.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), json.dumps(request)]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(json.loads(line))
            if len(lines) == reports:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    return lines


@pytest.mark.parametrize("halting", [{}, {"halt_exploration": 0.9, "N": 1}])
def test_killed_and_resumed_equals_left_alone(
    arc: PuzzleDataset,
    arc_folder: Path,
    model_config: MakeModel,
    training_config: MakeTraining,
    tmp_path: Path,
    halting: dict[str, Any],
) -> None:
    model = model_config(**halting)
    evaluate_at = (0.3, 0.6, 1.0)
    training = training_config(model, steps=120, evaluate_at=evaluate_at, lr_min_ratio=0.1)
    alone = Trainer(model, training, arc, CPU)
    expected = {progress.step: numbers(progress) for progress in alone.run()}

    path = tmp_path / "checkpoint.pt"
    request = {
        "dataset": str(arc_folder),
        "checkpoint": str(path),
        "model": asdict(model),
        "training": asdict(training),
    }
    printed = kill_after(7, request)
    resumed = Trainer(model, training, arc, CPU)
    resumed.restore(path)
    assert resumed.step >= printed[-1]["step"] > 0
    assert not resumed.done
    last = printed[-1]
    rest = list(resumed.run())
    assert rest[0].device_seconds > last["device_seconds"]
    for line in printed:
        assert {k: v for k, v in line.items() if k not in MEASURED} == expected[line["step"]]
    assert [numbers(progress) for progress in rest] == [
        fields for step, fields in expected.items() if step >= rest[0].step
    ]
    assert rest[-1].step == 120
    assert_same_state(saved(alone, tmp_path / "alone.pt"), saved(resumed, tmp_path / "other.pt"))


def test_a_checkpoint_between_two_reports_resumes_to_the_bit(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining, tmp_path: Path
) -> None:
    """Checkpoints go by the clock, so sums of a report under way are part of the state."""
    model, path = model_config(), tmp_path / "checkpoint.pt"
    training = training_config(model, steps=60)
    alone = Trainer(model, training, arc, CPU)
    reports = alone.run(path, seconds=0)
    *_, fifth = islice(reports, 5)
    resumed = Trainer(model, training, arc, CPU)
    resumed.restore(path)
    assert resumed.step == fifth.step - 1 == 14
    assert resumed.measurements == alone.measurements[:4]
    expected = [numbers(progress) for progress in (fifth, *reports)]
    assert [numbers(progress) for progress in resumed.run()] == expected
    for one, other in zip(resumed.measurements, alone.measurements, strict=True):
        assert numbers(one.progress) == numbers(other.progress)
    assert_same_state(saved(alone, tmp_path / "alone.pt"), saved(resumed, tmp_path / "other.pt"))


def test_checkpoints_of_other_runs_are_refused(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining, tmp_path: Path
) -> None:
    model, path = model_config(), tmp_path / "checkpoint.pt"
    training = training_config(model, steps=4)
    Trainer(model, training, arc, CPU).save(path)
    deeper = replace(model, T=3)
    with pytest.raises(
        CheckpointError, match=r"T \(model setting\) is 3, but .*checkpoint\.pt has 2; "
    ):
        Trainer(deeper, training, arc, CPU).restore(path)
    other_seed = replace(training, seed=1)
    with pytest.raises(CheckpointError, match=r"seed \(training setting\) is 1, but"):
        Trainer(model, other_seed, arc, CPU).restore(path)
    manifest = replace(arc.manifest, name="other")
    with pytest.raises(CheckpointError, match=r"fingerprint \(dataset\) is"):
        Trainer(model, training, replace(arc, manifest=manifest), CPU).restore(path)


def test_a_run_that_is_stopped_saves_at_once(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining, tmp_path: Path
) -> None:
    model, path = model_config(), tmp_path / "checkpoint.pt"
    training = training_config(model, steps=60)
    trainer = Trainer(model, training, arc, CPU)
    for _ in trainer.run(path, seconds=1000.0, stop=lambda: trainer.step == 7):
        pass
    assert trainer.step == 7
    state = checkpoint.load(path)["state"]
    assert state["learner"]["steps"] == 7
    assert [one["progress"]["step"] for one in state["measurements"]] == [3, 6]


def test_checkpoints_never_run_ahead_of_the_reports(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining, tmp_path: Path
) -> None:
    """A run that dies while its caller deals with a report finds that report again."""
    model = model_config()
    training = training_config(model, steps=12)
    path = tmp_path / "checkpoint.pt"
    for progress in Trainer(model, training, arc, CPU).run(path, seconds=0):
        if path.exists():
            assert checkpoint.load(path)["state"]["learner"]["steps"] == progress.step - 1
    assert checkpoint.load(path)["state"]["learner"]["steps"] == 12
