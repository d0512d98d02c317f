"""How fast Sudoku sets are made, and what numba adds to plain Python.

    python benchmarks/sudoku_generation.py [--rounds 3] [--scale 1.0]

One thread. A round builds a whole set: puzzles with one solution, none twice, no problem in both
splits, written to shards; then it makes the same few puzzles with the compiled kernels and with
the plain ones, and numbers puzzles by their problem. Compilation comes before and is told apart.
Prints a Markdown table: median and range over the rounds.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
from measuring import conditions, spread

from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.kinds.sudoku import kernel as sudoku_kernel
from puzzle_datasets.kinds.sudoku import solver as sudoku_search
from puzzle_datasets.kinds.sudoku.kernel import generate
from puzzle_datasets.kinds.sudoku.rules import invariant
from puzzle_datasets.kinds.sudoku.source import SudokuSettings, build
from puzzle_datasets.storage.writer import SetWriter

SETS = ((4, 8, 1_000_000), (6, None, 100_000), (9, None, 100_000), (9, 30, 100_000))
PLAIN_PUZZLES = {4: 1000, 6: 200, 9: 25}
TEST_PUZZLES = 1000


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def build_set(settings: SudokuSettings) -> None:
    with tempfile.TemporaryDirectory() as folder:
        build(settings, SetWriter(Path(folder)))


def row(side: int, clues: int | None, count: int, rounds: int) -> str:
    built, compiled, plain, numbered = [], [], [], []
    few = PLAIN_PUZZLES[side]
    for seed in range(rounds):
        settings = SudokuSettings(
            side=side, clues=clues, train=count - TEST_PUZZLES, test=TEST_PUZZLES, seed=seed
        )
        built.append(seconds(lambda s=settings: build_set(s)))

        def make(seed: int = seed) -> None:
            generate(side, clues or 0, few, keyed_generator("benchmark", seed))

        compiled.append(few / seconds(make))
        with mock.patch.object(sudoku_kernel, "compiled", lambda: sudoku_search):
            plain.append(few / seconds(make))
        puzzles = generate(side, clues or 0, 10_000, keyed_generator("benchmark", seed))[0]
        numbered.append(len(puzzles) / seconds(lambda p=puzzles: invariant(p, side)))
    ratios = [c / p for c, p in zip(compiled, plain, strict=True)]
    rates = [count / s for s in built]
    name = f"{side} by {side}, {clues or 'needed'} clues"
    cells = (name, f"{count:,}", spread(built, 1), *map(spread, (rates, plain, ratios, numbered)))
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full sets")
    arguments = parser.parse_args()
    compilation = seconds(lambda: generate(4, 4, 1, np.random.default_rng(0)))
    print(conditions("numpy", "numba"))
    print(f"1 thread, compiled for {compilation:.1f} s, n = {arguments.rounds} rounds.")
    print("Median (range).\n")
    print(
        "| set | puzzles | build, s | built/s | made/s, plain Python | ratio of numba to plain "
        "| told apart up to symmetry/s |"
    )
    print("|---|---|---|---|---|---|---|")
    for side, clues, count in SETS:
        scaled = max(2 * TEST_PUZZLES, int(count * arguments.scale))
        print(row(side, clues, scaled, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
