"""From the start of a command to its end: twenty trivial trials, and a stock script with the same.

    python benchmarks/whole_sweep.py [--rounds 3] [--trials 20]

Ours is `python sweeps/run.py`, with study, folder, MLflow and the report. The stock script uses
Ray Tune, OptunaSearch and MLflowLoggerCallback into SQLite as their pages show it, with the same
Trainer on the same puzzles, which are built before; once as it comes and once with `reuse_actors`.
Prints a Markdown table: median and range over the rounds in seconds on the clock, and the ratio to
ours of the same round.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import conditions, spread

from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.kinds.sudoku.source import SudokuSettings

ROOT = Path(__file__).parents[1]
PUZZLES = SudokuSettings(side=4, train=200, test=50, clues=6, seed=1)
FLOPS = 1e8
MODEL: dict[str, Any] = {"hidden_size": 32, "num_heads": 1, "H_layers": 1, "L_layers": 1}
TRAINING: dict[str, Any] = {
    "training_flops": FLOPS,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "warmup_steps": 0,
    "loss": "softmax",
}
SPACE = f"""\
name: trivial
dataset: {{name: sudoku, side: 4, train: 200, test: 50, clues: 6, seed: 1}}
space:
  N: {{choices: [1, 2, 3]}}
  T: {{choices: [1, 2, 3]}}
  M_max: {{choices: [1, 2, 4]}}
model: {{hidden_size: 32, head_dim: 32, H_layers: 1, L_layers: 1}}
training: {{batch_size: 16, learning_rate: 1e-3, warmup_steps: 0, loss: softmax}}
budget: {{trials: %d, flops_per_trial: {FLOPS:g}}}
resources: {{cpus: 1, gpus: 0}}
"""
STOCK, REUSE = "stock", "reuse"


def main() -> None:
    """Measure round by round, or be the stock script."""
    if sys.argv[1:2] == [STOCK]:
        folder, place, trials = sys.argv[2:5]
        stock(Path(folder), Path(place), int(trials), sys.argv[-1] == REUSE)
    else:
        arguments = argparse.ArgumentParser(description=__doc__)
        arguments.add_argument("--rounds", type=int, default=3)
        arguments.add_argument("--trials", type=int, default=20)
        options = arguments.parse_args()
        measure(options.rounds, options.trials)


def measure(rounds: int, trials: int) -> None:
    """Print the table."""
    print(conditions("ray", "optuna", "mlflow", "torch"))
    found: dict[str, list[float]] = {"ours": [], "stock script": [], "with reuse_actors": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            folder = prepare("sudoku", PUZZLES, place / "data")
            for way, command in commands(place, folder, trials).items():
                found[way].append(timed(command))
    print(f"\n{rounds} rounds of {trials} trials, seconds: median (range)\n")
    print("| | seconds | times ours |\n|--|--:|--:|")
    for way, times in found.items():
        ratios = [theirs / ours for theirs, ours in zip(times, found["ours"], strict=True)]
        print(f"| {way} | {spread(times, 1)} | {spread(ratios, 2)} |")


def commands(place: Path, folder: Path, trials: int) -> dict[str, list[str]]:
    """What is timed; ours finds the puzzles in `place/data`."""
    space = place / "trivial.yaml"
    space.write_text(SPACE % trials)
    run = [sys.executable, str(ROOT / "sweeps/run.py"), "--space", str(space)]
    run += ["--data", str(place / "data"), "--out", str(place / "ours")]
    script = [sys.executable, __file__, STOCK, str(folder)]
    return {
        "ours": [*run, "--tracking-uri", f"sqlite:///{place}/ours.db"],
        "stock script": [*script, str(place / "plain"), str(trials)],
        "with reuse_actors": [*script, str(place / "reuse"), str(trials), REUSE],
    }


def timed(command: list[str]) -> float:
    """Seconds that a command takes; it has to end well."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def stock(folder: Path, place: Path, trials: int, reuse: bool) -> None:
    """A search as the pages of Ray, Optuna and MLflow show it."""
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.search.optuna import OptunaSearch

    def train(config: dict[str, int]) -> None:
        import torch

        from hrm.config import ModelConfig, TrainingConfig
        from hrm.training.trainer import Trainer
        from puzzle_datasets.storage.dataset import PuzzleDataset

        torch.set_num_threads(1)
        dataset = PuzzleDataset.open(folder)
        model = ModelConfig.for_dataset(dataset, **config, **MODEL)
        trainer = Trainer(model, TrainingConfig(**TRAINING), dataset, torch.device("cpu"))
        for progress in trainer.run():
            accuracy = progress.curve.exact_accuracy[-1] if progress.curve else 0.0
            tune.report({"loss": progress.loss, "exact_accuracy": accuracy})

    choices = {"N": [1, 2, 3], "T": [1, 2, 3], "M_max": [1, 2, 4]}
    callback = MLflowLoggerCallback(
        tracking_uri=f"sqlite:///{place}.db", experiment_name="trivial"
    )
    tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={name: tune.choice(values) for name, values in choices.items()},
        tune_config=tune.TuneConfig(
            metric="exact_accuracy",
            mode="max",
            search_alg=OptunaSearch(),
            num_samples=trials,
            reuse_actors=reuse,
        ),
        run_config=tune.RunConfig(storage_path=str(place), callbacks=[callback]),
    ).fit()


if __name__ == "__main__":
    main()
