"""Make the figures of docs/model.md anew: train three small models and look inside them.

    python benchmarks/figures.py

builds a set of 4×4 Sudoku, trains an HRM, a recurrent net and a deep net with equal training
FLOPs, measures them as `python -m hrm.dynamics` does and puts the pictures into docs/model/. About
15 minutes on one CPU core. What was trained is kept in the working folder; run again, it goes on.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from hrm.checkpoints.checkpoint import CHECKPOINT_FILE
from hrm.checkpoints.loading import load_model
from hrm.config import ModelConfig, TrainingConfig
from hrm.dynamics.report import ReportOptions, write_report
from hrm.training.trainer import Trainer
from puzzle_datasets.commands.prepare import build_at
from puzzle_datasets.common.exit_status import guarded, say
from puzzle_datasets.common.files import write_file
from puzzle_datasets.common.text import percent
from puzzle_datasets.drawing.svg import packed
from puzzle_datasets.kinds.sudoku.source import SudokuSettings
from puzzle_datasets.storage.dataset import PuzzleDataset

CPU = torch.device("cpu")
FIGURES = Path(__file__).resolve().parents[1] / "docs" / "model"
PICTURES = ("residuals", "participation", "halting", "segments-1-hrm")

# A net of 16 blocks learns nothing at the rate that suits the recurrent ones.
SETTINGS: dict[str, dict[str, Any]] = {
    "hrm": {"learning_rate": 2e-3, "batch_size": 32},
    "looped": {"learning_rate": 2e-3, "batch_size": 32},
    "transformer": {"learning_rate": 3e-4, "batch_size": 16},
}
LAYERS = {"hrm": 1, "looped": 1, "transformer": 8}
"""Blocks of each module: a loop has 2 and reaches HRM's depth of 15, the deep net has 16."""


def main() -> int:
    """Train, measure, and copy the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--work", type=Path, default=Path("runs/figures"), metavar="DIR")
    parser.add_argument("--flops", type=float, default=2e12, help="training FLOPs of each model")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    return guarded("figures", lambda: make(arguments.work, arguments.flops))


def make(work: Path, flops: float) -> int:
    """Do all of it, in `work` but for the pictures."""
    puzzles = work / "sudoku"
    build_at("sudoku", SudokuSettings(side=4, clues=6), puzzles)
    dataset = PuzzleDataset.open(puzzles)
    runs = [train(name, dataset, work / name, flops) for name in SETTINGS]
    write_report([load_model(run) for run in runs], dataset, work / "report", ReportOptions(), say)
    for name in PICTURES:
        image = (work / "report" / f"{name}.png").read_bytes()
        write_file(FIGURES / f"{name}.png", packed(image))
    return 0


def train(name: str, dataset: PuzzleDataset, folder: Path, flops: float) -> Path:
    """Train one model, or go on with it; return its folder."""
    manifest = dataset.manifest
    model = ModelConfig(
        model=name,  # type: ignore[arg-type]
        mode="lean",
        N=3,
        T=4,
        M_max=4,
        H_layers=LAYERS[name],
        L_layers=LAYERS[name],
        vocab_size=manifest.vocab_size,
        seq_len=manifest.seq_len,
        num_puzzle_identifiers=manifest.num_puzzle_identifiers,
        hidden_size=64,
        num_heads=4,
        positions="learned",
    )
    training = TrainingConfig(
        training_flops=flops,
        puzzle_learning_rate=1e-3,
        warmup_steps=100,
        lr_min_ratio=0.1,
        eval_puzzles=200,
        **SETTINGS[name],
    )
    trainer = Trainer(model, training, dataset, CPU)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / CHECKPOINT_FILE
    if checkpoint.exists():
        trainer.restore(checkpoint)
    for progress in trainer.run(checkpoint):
        if progress.curve is not None:
            accuracy = ", ".join(map(percent, progress.curve.exact_accuracy))
            say(f"{name}: step {progress.step} of {progress.total_steps}: {accuracy}")
    return folder


if __name__ == "__main__":
    sys.exit(main())
