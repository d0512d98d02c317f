"""How fast each augmenter makes batches, beside a loop over single pairs in plain numpy.

    python benchmarks/augmentation.py [--rounds 9]

One thread, real sets, CPU time. An augmenter's is that of a whole batch: draws, gathering,
augmentation, ignored padding. The loop states the published procedure one pair at a time; it is
given the draws and the base grids, and its pairs are checked to be the augmenter's. Both are
timed in each round. Prints a Markdown table: median and range over the rounds.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from measuring import as_in_training, conditions, spread

from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.kinds.arc.settings import ArcSettings
from puzzle_datasets.kinds.kind import augmenter
from puzzle_datasets.kinds.maze.source import MazeSettings
from puzzle_datasets.kinds.sudoku.csv_source import SudokuSampleSettings
from puzzle_datasets.loading.batch import Picks
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import EOS, IGNORE_LABEL, PAD

BATCHES = 10
SETS: dict[str, tuple[str, Any]] = {
    "ARC-AGI-1, 30x30, table": ("arc-agi-1", ArcSettings(augmentations=100)),
    "ARC-AGI-1, 30x30, fresh": ("arc-agi-1", ArcSettings(augmentations="fresh")),
    "ARC-AGI-1, 5x5, table": ("arc-agi-1", ArcSettings(augmentations=100, canvas=5)),
    "Sudoku, 9x9, fresh": ("sudoku-hard-sample", SudokuSampleSettings(augmentations="fresh")),
    "mazes, 30x30, fresh": ("maze", MazeSettings(augmentations="fresh")),
}

Grid = npt.NDArray[Any]
Pair = tuple[Grid, Grid]

TURNS: tuple[Callable[[Grid], Grid], ...] = (
    lambda grid: grid,
    lambda grid: np.rot90(grid, 1),
    lambda grid: np.rot90(grid, 2),
    lambda grid: np.rot90(grid, 3),
    np.fliplr,
    np.flipud,
    np.transpose,
    lambda grid: np.fliplr(np.rot90(grid)),
)


def arc_tokens(grid: Grid, dihedral: int, colours: Grid, offset: Grid, side: int) -> Grid:
    new = TURNS[dihedral](colours[grid]) + 2
    (height, width), (row, column) = new.shape, offset
    canvas = np.full((side, side), PAD, np.int32)
    canvas[row : row + height, column : column + width] = new
    canvas[row + height : row + height + 1, column : column + width] = EOS
    canvas[row : row + height, column + width : column + width + 1] = EOS
    return canvas.ravel()


def sudoku_tokens(grid: Grid, transposes: bool, rows: Grid, columns: Grid, digits: Grid) -> Grid:
    new_tokens = np.concatenate([[0, 1], digits + 2]).astype(np.int32)
    moved = (grid.T if transposes else grid)[rows[:, None], columns]
    return new_tokens[moved].ravel()


def maze_tokens(grid: Grid, dihedral: int) -> Grid:
    return TURNS[dihedral](grid).astype(np.int32).ravel()


def grids(dataset: PuzzleDataset) -> list[Pair]:
    """Return input and label of every training pair as grids; ARC's as colours, cut out."""
    train, (rows, columns) = dataset.train, dataset.manifest.grid
    pairs = []
    for row in range(len(train)):
        pair = [
            tokens[row].numpy().reshape(rows, columns) for tokens in (train.inputs, train.labels)
        ]
        if dataset.manifest.kind == "arc":
            sizes = (train.input_sizes[row].tolist(), train.label_sizes[row].tolist())
            pair = [grid[:h, :w] - 2 for grid, (h, w) in zip(pair, sizes, strict=True)]
        pairs.append((pair[0], pair[1]))
    return pairs


def loop(kind: str, side: int, pairs: list[Pair], change: list[Grid]) -> tuple[Grid, Grid]:
    """Return inputs and labels int32 [B, L] of pairs, changed one by one."""
    inputs, labels = [], []
    for pair, *values in zip(pairs, *change, strict=True):
        for grid, rows in zip(pair, (inputs, labels), strict=True):
            if kind == "arc":
                rows.append(arc_tokens(grid, values[0], values[1], values[2], side))
            elif kind == "sudoku":
                rows.append(sudoku_tokens(grid, *values))
            else:
                rows.append(maze_tokens(grid, *values))
        labels[-1][labels[-1] == PAD] = IGNORE_LABEL
    return np.stack(inputs), np.stack(labels)


def random_picks(dataset: PuzzleDataset, batch_size: int, generator: np.random.Generator) -> Picks:
    rows = generator.integers(0, len(dataset.train), batch_size)
    puzzles = dataset.train.puzzle[rows].numpy().astype(np.int64)
    if dataset.identities is not None:
        group, groups = dataset.train.group[rows].numpy(), dataset.identities.group.numpy()
        puzzles = generator.integers(
            np.searchsorted(groups, group), np.searchsorted(groups, group, side="right")
        )
    return Picks(
        rows=torch.from_numpy(rows),
        puzzles=torch.from_numpy(puzzles),
        epochs=torch.from_numpy(generator.integers(0, 1000, batch_size)),
    )


def pairs_per_second(work: Callable[[], object], repeats: int, batch_size: int) -> float:
    started = time.process_time()
    for _ in range(repeats):
        work()
    return repeats * batch_size / (time.process_time() - started)


def line(name: str, dataset: PuzzleDataset, batch_size: int, rounds: int) -> str:
    pairs: Any = augmenter(dataset, 0, torch.device("cpu"))
    picks = random_picks(dataset, batch_size, np.random.default_rng(0))
    change = [value.numpy() for value in vars(pairs.augmentation(picks)).values()]
    base = grids(dataset)
    picked = [base[row] for row in picks.rows]
    kind, side = dataset.manifest.kind, dataset.manifest.grid[0]
    inputs, labels = loop(kind, side, picked, change)
    batch = pairs.batch(picks)
    assert np.array_equal(batch.inputs.numpy(), inputs), name
    assert np.array_equal(batch.labels.numpy(), labels), name
    fast, slow = [], []
    for _ in range(rounds):
        fast.append(pairs_per_second(lambda: pairs.batch(picks), BATCHES, batch_size))
        slow.append(pairs_per_second(lambda: loop(kind, side, picked, change), 1, batch_size))
    ratios = [f / s for f, s in zip(fast, slow, strict=True)]
    return f"| {name} | {batch_size} | {spread(fast)} | {spread(slow)} | {spread(ratios, 1)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    as_in_training()
    print(conditions("torch", "numpy"))
    print(f"1 thread, n = {rounds} rounds of {BATCHES} batches. Median (range).\n")
    print("| set | batch | augmenter, pairs/s | loop, pairs/s | ratio |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, (kind, settings) in SETS.items():
            dataset = PuzzleDataset.open(prepare(kind, settings, Path(folder)))
            for batch_size in (768, 4096):
                print(line(name, dataset, batch_size, rounds), flush=True)


if __name__ == "__main__":
    main()
