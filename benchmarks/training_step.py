"""How much of this machine's matmul speed a training step reaches, and what the loader adds.

    python benchmarks/training_step.py [--rounds 7]

One thread, the shapes of `sweeps/arc.yaml` at scale laptop. The baseline, measured in the same
rounds, is a plain float32 matrix product of the size of a block's widest one. Prints a Markdown
table: median and range over the rounds.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from measuring import conditions, spread

from hrm.config import ModelConfig, TrainingConfig
from hrm.model.flops import step_flops
from hrm.training.trainer import Trainer
from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.kinds.arc.settings import ArcSettings
from puzzle_datasets.loader import TrainLoader
from puzzle_datasets.storage.dataset import PuzzleDataset

ARC = ArcSettings(canvas=5, tasks=24, augmentations=2, held_out="all")
BATCH, STEPS = 32, 20
SHAPES = ((1, 1, 32), (1, 2, 64), (2, 2, 64), (3, 3, 96))


def seconds(work: Callable[[], object], repeats: int) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - started) / repeats


def trainer(dataset: PuzzleDataset, N: int, T: int, hidden_size: int) -> Trainer:
    manifest = dataset.manifest
    model = ModelConfig(
        vocab_size=manifest.vocab_size,
        seq_len=manifest.seq_len,
        num_puzzle_identifiers=manifest.num_puzzle_identifiers,
        N=N,
        T=T,
        H_layers=1,
        L_layers=1,
        hidden_size=hidden_size,
        num_heads=hidden_size // 32,
        M_max=4,
    )
    training = TrainingConfig(training_flops=1e15, batch_size=BATCH)
    return Trainer(model, training, dataset, torch.device("cpu"))


def row(dataset: PuzzleDataset, shape: tuple[int, int, int], rounds: int) -> str:
    trained = trainer(dataset, *shape)
    loader = TrainLoader(dataset, batch_size=BATCH, seed=0)
    width = shape[2]
    left = torch.randn(BATCH * trained.model_config.tokens, width)
    right = torch.randn(width, 2 * trained.model_config.swiglu_width)
    flops = step_flops(trained.model_config, trained.config)
    matmul_flops = 2 * left.shape[0] * right.numel()
    step, load, peak = [], [], []
    trained._take_step()
    for _ in range(rounds):
        step.append(seconds(trained._take_step, STEPS))
        load.append(seconds(loader.next_batch, 8 * STEPS))
        peak.append(seconds(lambda: left @ right, 5 * STEPS))
    rates = [flops / s / 1e9 for s in step]
    bases = [matmul_flops / s / 1e9 for s in peak]
    ratios = [100 * r / b for r, b in zip(rates, bases, strict=True)]
    shares = [100 * b / s for b, s in zip(load, step, strict=True)]
    name = "N={} T={} d={}".format(*shape)
    cells = (name, *(spread(v, 1) for v in (rates, bases, ratios)), spread(shares, 2))
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print(conditions("torch"))
    print(f"1 thread, n = {rounds} rounds of {STEPS} steps, batch {BATCH}, 25 tokens, one layer")
    print("each, M_max 4. Median (range).\n")
    print("| shape | step, GFLOP/s | matmul, GFLOP/s | ratio, % | loader's share of a step, % |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        dataset = PuzzleDataset.open(prepare("arc-agi-1", ARC, Path(folder)))
        for shape in SHAPES:
            print(row(dataset, shape, rounds), flush=True)


if __name__ == "__main__":
    main()
