"""Piece `learning`: hard Sudoku at the published size, for as many steps as there is time for."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from gpu_pieces.puzzles import sudoku
from gpu_pieces.setting import Setting
from gpu_pieces.tables import Table, require
from hrm.config import ModelConfig, TrainingConfig
from hrm.model.flops import step_flops
from hrm.progress import Progress
from hrm.training.trainer import Trainer
from puzzle_datasets.storage.dataset import PuzzleDataset

MODEL: dict[str, Any] = {"mode": "lean", "hidden_size": 512, "num_heads": 8, "M_max": 16}
TRAINING: dict[str, Any] = {
    "batch_size": 384,
    "learning_rate": 1e-4,
    "puzzle_learning_rate": 1e-4,
    "weight_decay": 1.0,
    "puzzle_weight_decay": 1.0,
    "warmup_steps": 500,
    "ema": 0.999,
}
TINY_MODEL = {"hidden_size": 32, "num_heads": 2, "H_layers": 1, "L_layers": 1, "M_max": 3}
TINY_TRAINING = {"batch_size": 8, "warmup_steps": 2}

TRIAL_STEPS = 40
"""Steps of a first, short training that says how many the time is enough for."""

RESERVE = 0.1
"""Share of the time that is kept back for evaluations and slower steps."""

EVALUATIONS = 10
COLUMNS = (
    "minutes",
    "step",
    "puzzles seen",
    "token loss",
    "exact on training puzzles, %",
    "test, 1 segment, %",
    "half of them, %",
    "all, %",
    "when it halts, %",
    "segments then",
)
NOTE = (
    "{dataset}: {train} training and {test} test puzzles, new variants in each epoch. {model}. "
    "{training}. {steps} steps, as many as {minutes:g} minutes allow. Accuracy is the share of "
    "test puzzles with every cell right, of the moving average of the weights."
)


def run(setting: Setting) -> bool:
    """Print the table; return whether the run came to its end."""
    deadline = setting.deadline()
    with tempfile.TemporaryDirectory() as folder:
        dataset = sudoku(Path(folder), setting.tiny)
        steps = _affordable_steps(setting, dataset, deadline)
        trainer = _trainer(setting, dataset, steps)
        table = Table(
            f"Learning on {setting.device.type}",
            _note(setting, trainer),
            *COLUMNS,
            deadline=deadline,
        )
        began = time.monotonic()
        try:
            for progress in _until(trainer.run(), deadline):
                if progress.curve is not None:
                    table.row(f"{(time.monotonic() - began) / 60:.1f}", _cells(progress))
            _require_end(trainer)
        except Exception as error:
            table.failed(f"{(time.monotonic() - began) / 60:.1f}", error)
    return table.whole


def _note(setting: Setting, trainer: Trainer) -> str:
    dataset = trainer.dataset
    model, training = (
        ", ".join(f"{key} {value}" for key, value in settings.items())
        for settings in (_model(setting), _training(setting))
    )
    return NOTE.format(
        dataset=dataset.manifest.name,
        train=len(dataset.train),
        test=len(dataset.test),
        model=model,
        training=training,
        steps=trainer.total_steps,
        minutes=setting.minutes,
    )


def _model(setting: Setting) -> dict[str, Any]:
    return MODEL | (TINY_MODEL if setting.tiny else {})


def _training(setting: Setting) -> dict[str, Any]:
    execution = "compiled" if "compiled" in setting.executions else setting.executions[0]
    how = {"precision": setting.precision, "execution": execution}
    return TRAINING | (TINY_TRAINING if setting.tiny else {}) | how


def _trainer(
    setting: Setting, dataset: PuzzleDataset, steps: int, evaluations: int = EVALUATIONS
) -> Trainer:
    manifest = dataset.manifest
    model = ModelConfig(
        seq_len=manifest.seq_len,
        vocab_size=manifest.vocab_size,
        num_puzzle_identifiers=manifest.num_puzzle_identifiers,
        **_model(setting),
    )
    fractions = tuple((1 + n) / evaluations for n in range(evaluations))
    one = TrainingConfig(training_flops=1.0, evaluate_at=fractions, **_training(setting))
    training = replace(one, training_flops=float(steps * step_flops(model, one)))
    return Trainer(model, training, dataset, setting.device)


def _affordable_steps(setting: Setting, dataset: PuzzleDataset, deadline: float) -> int:
    """Train and evaluate a little, for the compiler's sake and to see how long steps take."""
    if setting.tiny:
        return EVALUATIONS
    reports = _trainer(setting, dataset, TRIAL_STEPS, evaluations=1).run()
    # A report waits for the device, so that the time of the steps before it has passed.
    times = [(report.step, time.monotonic()) for report in reports if report.curve is None]
    (first, began), (last, ended) = times[len(times) // 2], times[-1]
    each = (ended - began) / (last - first)
    left = deadline - time.monotonic()
    return max(EVALUATIONS, int((1 - RESERVE) * left / each))


def _require_end(trainer: Trainer) -> None:
    done, steps = trainer.step, trainer.total_steps
    require(trainer.done, f"stopped after step {done:,} of {steps:,}; give more --minutes")


def _until(reports: Iterator[Progress], deadline: float) -> Iterator[Progress]:
    """Pass on reports until it is too late for more."""
    for progress in reports:
        yield progress
        if time.monotonic() > deadline:
            return


def _cells(progress: Progress) -> list[str]:
    assert progress.curve is not None
    assert progress.halting is not None
    accuracy, halting = progress.curve.exact_accuracy, progress.halting
    shares = (
        progress.train_exact_accuracy,
        accuracy[0],
        accuracy[(len(accuracy) - 1) // 2],
        accuracy[-1],
        halting.exact_accuracy,
    )
    return [
        f"{progress.step:,}",
        f"{progress.examples:,}",
        f"{progress.lm_loss:.3f}",
        *(f"{100 * share:.1f}" for share in shares),
        f"{halting.mean_segments:.1f}",
    ]
