"""How fast a file of the shape of Sudoku-Extreme becomes shards, with all checks.

    python benchmarks/csv_import.py [--scale 1.0]

Writes 3,831,994 + 422,786 rows, the sample puzzles under random symmetries, to a temporary folder
and imports them in a process of its own: reading, the check of every answer, the search for
training puzzles that are test puzzles in disguise, a solver on a sample, and the shards. The
baseline, measured in the same run on a slice, is a loop over `csv.reader` that makes one numpy
array a grid, and checks and writes nothing.
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from measuring import conditions

from puzzle_datasets.kinds.sudoku.csv_source import (
    SAMPLE_FOLDER,
    SudokuExtremeSettings,
    build_extreme,
)
from puzzle_datasets.storage.writer import SetWriter

ROWS = {"train": 3_831_994, "test": 422_786}
CHUNK = 100_000
BASELINE_ROWS = 50_000
BLANK = ord(".")

Text = npt.NDArray[np.uint8]


def sample(split: str) -> Text:
    """Return questions and answers of the sample as bytes uint8 [n, 2, 81]."""
    with (SAMPLE_FOLDER / f"{split}.csv").open(newline="") as stream:
        rows = [(row["question"] + row["answer"]).encode() for row in csv.DictReader(stream)]
    return np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 2, 81)


def orders(count: int, generator: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return orders [count, 9] of nine lines in which those of a band stay together."""
    triples = np.tile(np.arange(3), (count, 4, 1))
    bands, *within = np.moveaxis(generator.permuted(triples, axis=2), 1, 0)
    lines = 3 * np.arange(3)[:, None] + np.stack(within, 1)
    return np.take_along_axis(lines, bands[:, :, None], 1).reshape(count, 9)


def disguised(grids: Text, generator: np.random.Generator) -> Text:
    """Return the same problems [n, 2, 81] with lines exchanged and digits renamed."""
    count = len(grids)
    names = np.full((count, 128), BLANK, np.uint8)
    digits = np.tile(np.arange(ord("1"), ord("9") + 1, dtype=np.uint8), (count, 1))
    names[:, ord("1") : ord("9") + 1] = generator.permuted(digits, axis=1)
    rows, columns = orders(count, generator), orders(count, generator)
    cells = (9 * rows[:, :, None] + columns[:, None, :]).reshape(count, 1, 81)
    moved = np.take_along_axis(grids, cells, 2).reshape(count, 162)
    return np.take_along_axis(names, moved, 1).reshape(count, 2, 81)


def write(file: Path, split: str, rows: int, generator: np.random.Generator) -> None:
    grids = sample(split)
    with file.open("wb") as stream:
        stream.write(b"source,question,answer,rating\n")
        for begin in range(0, rows, CHUNK):
            count = min(CHUNK, rows - begin)
            chosen = disguised(grids[generator.integers(len(grids), size=count)], generator)
            ratings = generator.integers(ord("0"), ord("9") + 1, (count, 2), dtype=np.uint8)
            source, comma, end = (
                np.tile(np.frombuffer(text, np.uint8), (count, 1))
                for text in (b"forum_hardest,", b",", b"\n")
            )
            parts = (source, chosen[:, 0], comma, chosen[:, 1], comma, ratings, end)
            stream.write(np.concatenate(parts, axis=1).tobytes())


def import_here(folder: str, out: str) -> None:
    """Import, in a process that does nothing else, and print what it took."""
    started = time.perf_counter()
    build_extreme(SudokuExtremeSettings(csv=folder), SetWriter(Path(out)))
    took = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"seconds": took, "cpu": time.process_time(), "peak": peak}))


def baseline(file: Path) -> float:
    """Return the rows a second of the plain loop."""
    started = time.perf_counter()
    inputs, labels = [], []
    with file.open(newline="") as stream:
        for _, question, answer, _ in islice(csv.reader(stream), 1, BASELINE_ROWS + 1):
            grid = np.frombuffer(question.replace(".", "0").encode(), np.uint8)
            inputs.append(grid - ord("0") + 1)
            labels.append(np.frombuffer(answer.encode(), np.uint8) - ord("0") + 1)
    np.stack(inputs), np.stack(labels)
    return len(inputs) / (time.perf_counter() - started)


def megabytes(*files: Path) -> float:
    return sum(file.stat().st_size for file in files) / 1e6


def measure(root: Path, scale: float) -> None:
    source, out = root / "csv", root / "set"
    source.mkdir()
    out.mkdir()
    counts = {split: int(rows * scale) for split, rows in ROWS.items()}
    for split, count in counts.items():
        write(source / f"{split}.csv", split, count, np.random.default_rng(0))
    plain = [baseline(source / "train.csv")]
    command = [sys.executable, __file__, "--import", str(source), str(out)]
    took = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    plain.append(baseline(source / "train.csv"))
    rows = sum(counts.values())
    rate = rows / took["seconds"]
    print(f"{rows:,} rows, {megabytes(*source.iterdir()):.0f} MB of text:")
    print(f"- import: {took['seconds']:.1f} s ({took['cpu']:.1f} s of processor),", end=" ")
    print(f"{rate:,.0f} rows/s, peak {took['peak']:.2f} GiB")
    print(f"- shards: {megabytes(*out.iterdir()):.0f} MB")
    print(f"- csv.reader and numpy, no checks, before and after: {plain[0]:,.0f} and", end=" ")
    print(f"{plain[1]:,.0f} rows/s on {BASELINE_ROWS:,} rows")
    print(f"- ratio: {rate * len(plain) / sum(plain):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--import", dest="folders", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folders:
        import_here(*arguments.folders)
        return
    print(conditions("numpy", "pyarrow", "numba"))
    print("One run.\n")
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), arguments.scale)


if __name__ == "__main__":
    main()
