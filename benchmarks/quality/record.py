"""Trains every cell of a small space once a seed, and records what each comes to at its rungs.

    python benchmarks/quality/record.py --parts table.jsonl [--seeds 0 1 2] [--part 1/2]
    python benchmarks/quality/record.py --parts a.jsonl b.jsonl --write table.parquet

A cell is a choice of N, T, width and M_max, trained on 6x6 Sudoku for equal training FLOPs. One
line is appended for each training, so that a recording that was stopped goes on where it was; of
several processes each takes its `--part`. `--write` gathers the lines into one Parquet table. What
is recorded follows from the settings and the seed alone, up to rounding by the processor. A table
that was written counts as recorded where it is among the parts, so that one can go on from it.
"""

import argparse
import itertools
import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from hrm.config import ModelConfig, TrainingConfig
from hrm.model.flops import parameter_count
from hrm.progress import Progress
from hrm.training.trainer import Trainer
from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.common.files import write_whole
from puzzle_datasets.kinds.sudoku.source import SudokuSettings
from puzzle_datasets.storage.dataset import PuzzleDataset

PUZZLES = SudokuSettings(side=6, clues=18, train=1000, test=500, test_twins="drop", seed=1)
KNOBS = {"N": (1, 2, 3), "T": (1, 2, 4), "hidden_size": (32, 64, 128), "M_max": (1, 2, 4)}
RUNGS = (0.125, 0.25, 0.5, 0.75, 1.0)
"""Shares of the training at which a cell is evaluated."""

FLOPS = 2e11
MODEL: dict[str, Any] = {
    "H_layers": 1,
    "L_layers": 1,
    "mode": "lean",
    "mixing": "mlp",
    "positions": "learned",
}
TRAINING: dict[str, Any] = {
    "training_flops": FLOPS,
    "batch_size": 16,
    "learning_rate": 6e-3,
    "lr_min_ratio": 0.1,
    "weight_decay": 0.1,
    "warmup_steps": 50,
    "loss": "softmax",
    "evaluate_at": RUNGS,
    "eval_batch_size": 125,
}

SCHEMA = pa.schema(
    [
        *((name, pa.int16()) for name in KNOBS),
        ("seed", pa.int16()),
        ("parameters", pa.int64()),
        ("step", pa.int32()),
        ("training_flops", pa.int64()),
        ("loss", pa.float32()),
        ("exact_accuracy", pa.list_(pa.float32())),
        ("token_accuracy", pa.list_(pa.float32())),
        ("inference_flops", pa.list_(pa.int64())),
    ]
)
"""A row is a cell and seed at a rung; lists go over segments, 1 to M_max."""


class Training(NamedTuple):
    """A cell by the values of `KNOBS`, and a seed."""

    cell: tuple[int, ...]
    seed: int

    @property
    def knobs(self) -> dict[str, int]:
        """The cell's values by name."""
        return dict(zip(KNOBS, self.cell, strict=True))


def trainings(seeds: list[int]) -> list[Training]:
    """All of them, every cell of one seed before the next."""
    return [Training(cell, seed) for seed in seeds for cell in itertools.product(*KNOBS.values())]


def rows(dataset: PuzzleDataset, training: Training) -> Iterator[dict[str, Any]]:
    """Train a cell; a row of each of its rungs."""
    knobs = training.knobs
    model = ModelConfig.for_dataset(
        dataset, num_heads=knobs["hidden_size"] // 32, **knobs, **MODEL
    )
    config = TrainingConfig(seed=training.seed, **TRAINING)
    trainer = Trainer(model, config, dataset, torch.device("cpu"))
    fixed = {**knobs, "seed": training.seed, "parameters": parameter_count(model)}
    for progress in trainer.run():
        if progress.curve is not None:
            yield {**fixed, **measured(progress)}


def measured(progress: Progress) -> dict[str, Any]:
    """What a rung's row holds beside the cell."""
    assert progress.curve is not None
    return {
        "step": progress.step,
        "training_flops": progress.training_flops,
        "loss": progress.loss,
        "exact_accuracy": progress.curve.exact_accuracy,
        "token_accuracy": progress.curve.token_accuracy,
        "inference_flops": progress.curve.inference_flops,
    }


def recorded(files: list[Path]) -> dict[Training, list[dict[str, Any]]]:
    """The rows of each training in files of lines, or in a table."""
    every: dict[Training, list[dict[str, Any]]] = {}
    for file in files:
        found: dict[Training, list[dict[str, Any]]] = {}
        for row in pq.read_table(file).to_pylist() if file.suffix == ".parquet" else lines(file):
            training = Training(tuple(row[name] for name in KNOBS), row["seed"])
            found.setdefault(training, []).append(row)
        every |= found
    return every


def lines(file: Path) -> Iterator[dict[str, Any]]:
    """The rows in a file of lines; a line that was cut off counts for nothing."""
    for line in file.read_text().splitlines() if file.exists() else []:
        with suppress(ValueError):
            yield from json.loads(line)


def record(parts: list[Path], seeds: list[int], share: tuple[int, int]) -> None:
    """Train what is not in the files yet, and append it to the first of them."""
    torch.set_num_threads(1)
    part, of = share
    done = recorded(parts)
    with tempfile.TemporaryDirectory() as folder:
        dataset = PuzzleDataset.open(prepare("sudoku", PUZZLES, Path(folder)))
        for number, training in enumerate(trainings(seeds)):
            if number % of == part - 1 and training not in done:
                found = list(rows(dataset, training))
                with parts[0].open("a") as file:
                    file.write("\n" + json.dumps(found) + "\n")
                print(number, training, [one["exact_accuracy"][-1] for one in found], flush=True)


def write(parts: list[Path], file: Path) -> None:
    """Gather all rows into a Parquet table, in the order of cells and seeds."""
    every = sorted(recorded(parts).items())
    table = pa.Table.from_pylist([row for _, found in every for row in found], SCHEMA)
    write_whole(file, lambda into: pq.write_table(table, into, compression="zstd"))
    print(f"{file}: {len(every)} trainings, {file.stat().st_size:,} bytes")


def main() -> None:
    """Record, or gather what was recorded."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--parts", type=Path, nargs="+", required=True)
    arguments.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments.add_argument("--part", default="1/1")
    arguments.add_argument("--write", type=Path)
    options = arguments.parse_args()
    if options.write:
        write(options.parts, options.write)
    else:
        part, of = map(int, options.part.split("/"))
        record(options.parts, options.seeds, (part, of))


if __name__ == "__main__":
    main()
