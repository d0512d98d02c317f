"""How long the training loader takes for a batch, and what share that is of a fast step.

    python benchmarks/loader.py [--rounds 9]

One thread; batches of 768 as published, of sets at full size. The step is that of a device which
trains on 10,000 examples a second, so 76.8 ms. The baseline, measured in the same rounds, is
plain numpy: random rows of an npy file cast to int32, with no augmentation at all. "On the host
alone" is what is left where the batch is made on another device: there torch's device ``meta``
takes all work, and does none of it. Prints a Markdown table: median and range over the rounds.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import as_in_training, conditions, spread

from puzzle_datasets.commands.prepare import prepare, puzzle_set
from puzzle_datasets.loader import TrainLoader
from puzzle_datasets.storage.dataset import PuzzleDataset

BATCH, BATCHES = 768, 20
EXAMPLES_PER_SECOND = 10_000
FRESH = {"augmentations": "fresh"}
SETS: dict[str, tuple[str, dict[str, Any], str]] = {
    "ARC-AGI-1, 1000 augmentations": ("arc-agi-1", {}, "cpu"),
    "ARC-AGI-1, 1000 augmentations, on the host alone": ("arc-agi-1", {}, "meta"),
    "ARC-AGI-1, fresh": ("arc-agi-1", FRESH, "cpu"),
    "ARC-AGI-1, fresh, on the host alone": ("arc-agi-1", FRESH, "meta"),
    "Sudoku of side 9, fresh": ("sudoku-hard-sample", {}, "cpu"),
    "maze of side 30, fresh": ("maze", FRESH, "cpu"),
}


def milliseconds(work: Callable[[], object]) -> float:
    """Return the time of one call among some, in a row."""
    started = time.perf_counter()
    for _ in range(BATCHES):
        work()
    return 1000 * (time.perf_counter() - started) / BATCHES


def plain(dataset: PuzzleDataset, folder: Path) -> Callable[[], object]:
    """Return what reads a random batch of the stored pairs with numpy alone."""
    files = [folder / "inputs.npy", folder / "labels.npy"]
    for file, tokens in zip(files, (dataset.train.inputs, dataset.train.labels), strict=True):
        np.save(file, tokens.numpy())
    columns = [np.load(file, "r") for file in files]
    generator = np.random.default_rng(0)

    def read() -> list[Any]:
        rows = generator.integers(0, len(columns[0]), BATCH)
        return [column[rows].astype(np.int32) for column in columns]

    return read


def row(name: str, folder: Path, rounds: int) -> str:
    kind, chosen, device = SETS[name]
    settings = puzzle_set(kind).settings_from(chosen)
    dataset = PuzzleDataset.open(prepare(kind, settings, folder))
    loader = TrainLoader(dataset, batch_size=BATCH, seed=0, device=device)
    read = plain(dataset, folder)
    for work in (loader.next_batch, read):
        work()
    loads, reads = [], []
    for _ in range(rounds):
        loads.append(milliseconds(loader.next_batch))
        reads.append(milliseconds(read))
    step = 1000 * BATCH / EXAMPLES_PER_SECOND
    ratios = [load / base for load, base in zip(loads, reads, strict=True)]
    shares = [100 * load / step for load in loads]
    return f"| {name} | " + " | ".join(spread(v, 2) for v in (loads, shares, reads, ratios)) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    as_in_training()
    print(conditions("torch", "numpy"))
    print(f"1 thread, n = {rounds} rounds of {BATCHES} batches of {BATCH}. Median (range).\n")
    print("| set | loader, ms a batch | % of a 76.8 ms step | numpy, ms a batch | ratio |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in SETS:
            print(row(name, Path(folder), rounds), flush=True)


if __name__ == "__main__":
    main()
