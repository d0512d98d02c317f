"""How fast mazes are made, against plain Python that makes one at a time.

    python benchmarks/maze_generation.py [--rounds 5] [--random 100] [--perfect 2000]

One thread. A round builds a whole set, with labels, counts of shortest paths and shards, then
draws grids and looks how far their ways lead: as the builder does, many at a time in numpy, and
as the same procedure reads in plain Python. Prints a Markdown table: median and range over the
rounds.
"""

import argparse
import random
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measuring import conditions, spread

from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.kinds.maze.search import (
    FAMILIES,
    LEAST_WALLS,
    MOST_WALLS,
    Family,
    far_reaching,
)
from puzzle_datasets.kinds.maze.source import MazeSettings, build
from puzzle_datasets.storage.writer import SetWriter

MOVES = ((-1, 0), (0, -1), (0, 1), (1, 0))
SETS: tuple[tuple[Family, int], ...] = (
    ("perfect", 9),
    ("perfect", 30),
    ("random-walls", 10),
    ("random-walls", 30),
)

Cell = tuple[int, int]


def plain_random_walls(draw: random.Random, side: int) -> tuple[set[Cell], Cell]:
    share = draw.randint(LEAST_WALLS, MOST_WALLS) / 256
    cells = {(r, c) for r in range(side) for c in range(side) if draw.random() >= share}
    start = draw.randrange(side), draw.randrange(side)
    return cells | {start}, start


def plain_perfect(draw: random.Random, side: int) -> tuple[set[Cell], Cell]:
    rooms = (side + 1) // 2 * 2
    trail = [(2 * draw.randrange(rooms // 2), 2 * draw.randrange(rooms // 2))]
    dug = {trail[0]}
    while trail:
        row, column = trail[-1]
        ways = [(d, r) for d, r in MOVES if (row + 2 * d, column + 2 * r) not in dug]
        ways = [
            (d, r) for d, r in ways if 0 <= row + 2 * d < rooms and 0 <= column + 2 * r < rooms
        ]
        if not ways:
            trail.pop()
            continue
        down, right = draw.choice(ways)
        dug.add((row + down, column + right))
        trail.append((row + 2 * down, column + 2 * right))
        dug.add(trail[-1])
    return dug, draw.choice(list(dug))


PLAIN = {"perfect": plain_perfect, "random-walls": plain_random_walls}


def plain_reach(cells: set[Cell], start: Cell, steps: int) -> bool:
    reached = {start: 0}
    queue = deque([start])
    while queue:
        row, column = cell = queue.popleft()
        if reached[cell] == steps:
            return True
        for down, right in MOVES:
            neighbour = (row + down, column + right)
            if neighbour in cells and neighbour not in reached:
                reached[neighbour] = reached[cell] + 1
                queue.append(neighbour)
    return False


def rate(work: Callable[[], int]) -> float:
    """Return how many a second, of what the work says it did."""
    started = time.perf_counter()
    done = work()
    return done / (time.perf_counter() - started)


def build_set(settings: MazeSettings) -> int:
    with tempfile.TemporaryDirectory() as folder:
        build(settings, SetWriter(Path(folder)))
    return settings.train + settings.test


def draw_grids(settings: MazeSettings, generator: np.random.Generator) -> int:
    draw, batch = FAMILIES[settings.family]
    for _ in range(4):
        far_reaching(*draw(generator, batch, settings.side), settings.side, settings.bounds[0])
    return 4 * batch


def draw_plain_grids(settings: MazeSettings, draw: random.Random) -> int:
    for _ in range(200):
        plain_reach(*PLAIN[settings.family](draw, settings.side), settings.bounds[0])
    return 200


def row(family: Family, side: int, mazes: int, rounds: int) -> str:
    generator, plain_draw = keyed_generator("benchmark", family, side), random.Random(0)
    built, drawn, plain = [], [], []
    for seed in range(rounds):
        settings = MazeSettings(
            side=side, family=family, train=mazes // 2, test=mazes // 2, seed=seed
        )
        built.append(rate(lambda s=settings: build_set(s)))
        drawn.append(rate(lambda s=settings: draw_grids(s, generator)))
        plain.append(rate(lambda s=settings: draw_plain_grids(s, plain_draw)))
    ratios = [d / p for d, p in zip(drawn, plain, strict=True)]
    least, most = settings.bounds
    name = f"{family} {side} by {side}, {least} to {most} steps"
    cells = (name, str(mazes), *(spread(values) for values in (built, drawn, plain, ratios)))
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--random", type=int, default=100, help="mazes a round, random walls")
    parser.add_argument("--perfect", type=int, default=2000, help="mazes a round, perfect")
    arguments = parser.parse_args()
    counts = {"perfect": arguments.perfect, "random-walls": arguments.random}
    print(conditions("numpy"))
    print(f"1 thread, n = {arguments.rounds} rounds. Median (range).\n")
    print("| set | mazes | mazes/s | grids/s | grids/s, plain Python | ratio of grids/s |")
    print("|---|---|---|---|---|---|")
    for family, side in SETS:
        print(row(family, side, counts[family], arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
