"""How fast puzzle sets are read from shards and how small they are, against numpy on npy files.

    python benchmarks/reading.py [--rounds 7] [--augmentations 20] [--sudokus 500000]

The same pairs lie on disk as shards and as a folder in the published npy layout: ARC-AGI-1 with
augmentations, and Sudoku of one solution with its digits exchanged and random cells blank. Both
are read from beginning to end in runs of equal length, in turns, into arrays in memory, from a
warm page cache. Prints a Markdown table: median and range over the rounds.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from measuring import conditions, spread

from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.kinds.arc.settings import ArcSettings
from puzzle_datasets.kinds.sudoku.rules import legend
from puzzle_datasets.published.export import export
from puzzle_datasets.published.source import OfficialSettings, build
from puzzle_datasets.storage.schema import Card
from puzzle_datasets.storage.shards import ROW_GROUP, read_manifest, read_rows
from puzzle_datasets.storage.writer import Rows, SetWriter

SOLUTION = np.array([[(3 * r + r // 3 + c) % 9 for c in range(9)] for r in range(9)]).ravel()
CLUES = 0.35


def arc_folders(root: Path, augmentations: int) -> tuple[Path, Path]:
    """Return ARC-AGI-1 as shards of all augmented pairs, and as a published folder."""
    base = prepare("arc-agi-1", ArcSettings(augmentations=augmentations), root)
    published, shards = root / "arc-npy", root / "arc-shards"
    export(base, published)
    shards.mkdir()
    build(OfficialSettings(folder=str(published)), SetWriter(shards))
    return shards, published


def sudoku_folders(root: Path, count: int) -> tuple[Path, Path]:
    """Return Sudoku as shards and as a published folder."""
    shards, published = root / "sudoku-shards", root / "sudoku-npy"
    shards.mkdir()
    writer = SetWriter(shards)
    writer.write_split("train", sudokus(count))
    writer.write_split("test", sudokus(1))
    card = Card(
        name="benchmark",
        kind="sudoku",
        settings={},
        source="generated",
        licence="none",
        vocab_size=11,
        seq_len=81,
        grid=(9, 9),
        box=(3, 3),
        tokens=legend(9),
        augmentation="stored",
        groups=count + 1,
        statistics={},
    )
    writer.finish(card)
    export(shards, published)
    return shards, published


def sudokus(count: int) -> Iterator[Rows]:
    generator = np.random.default_rng(0)
    for first in range(0, count, ROW_GROUP):
        digits = np.tile(np.arange(2, 11, dtype=np.uint8), (min(ROW_GROUP, count - first), 1))
        labels = generator.permuted(digits, axis=1)[:, SOLUTION]
        inputs = np.where(generator.random(labels.shape) < CLUES, labels, 1).astype(np.uint8)
        yield Rows.singles(inputs, labels, first, first)


def read_shards(folder: Path) -> int:
    """Read the training pairs as the loader's decoder does; return their number."""
    manifest = read_manifest(folder)
    return sum(
        len(rows["inputs"])
        for name in manifest.shards("train")
        for rows in read_rows(folder / name)
    )


def read_npy(folder: Path) -> int:
    """Read the same pairs with numpy alone; return their number."""
    columns = [
        np.load(folder / "train" / f"all__{part}.npy", "r") for part in ("inputs", "labels")
    ]
    for begin in range(0, len(columns[0]), ROW_GROUP):
        for column in columns:
            np.array(column[begin : begin + ROW_GROUP])
    return len(columns[0])


def million_pairs(read: Callable[[Path], int], folder: Path) -> tuple[float, float]:
    """Return how many million pairs are read in a second, and in a second of one processor."""
    started, processor = time.perf_counter(), time.process_time()
    pairs = read(folder) / 1e6
    return pairs / (time.perf_counter() - started), pairs / (time.process_time() - processor)


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def row(name: str, shards: Path, published: Path, rounds: int) -> str:
    for read, folder in ((read_shards, shards), (read_npy, published)):
        read(folder)
    fast, plain = [], []
    for _ in range(rounds):
        fast.append(million_pairs(read_shards, shards))
        plain.append(million_pairs(read_npy, published))
    ratios = [f / p for (f, _), (p, _) in zip(fast, plain, strict=True)]
    speeds = [*zip(*fast, strict=True), *zip(*plain, strict=True)]
    sizes = [size(folder) / 2**20 for folder in (shards, published)]
    cells = (
        f"{name}, {read_manifest(shards).counts['train_pairs']:,} pairs",
        *(spread(values, 2) for values in (*speeds, ratios)),
        f"{sizes[0]:.1f}",
        f"{sizes[1]:.1f}",
        f"{sizes[1] / sizes[0]:.1f}",
    )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--augmentations", type=int, default=20)
    parser.add_argument("--sudokus", type=int, default=500_000)
    asked = parser.parse_args()
    print(conditions("numpy", "pyarrow"))
    print(f"{pa.cpu_count()} threads of Arrow, n = {asked.rounds} rounds. Median (range).\n")
    print(
        "| set | shards, M pairs/s | M pairs/CPU-s | npy, M pairs/s | M pairs/CPU-s | ratio "
        "| shards, MiB | npy, MiB | ratio |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        print(row("ARC", *arc_folders(root, asked.augmentations), asked.rounds), flush=True)
        print(row("Sudoku", *sudoku_folders(root, asked.sudokus), asked.rounds), flush=True)


if __name__ == "__main__":
    main()
