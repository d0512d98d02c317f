"""The recorded table, read: what a cell comes to at each rung, and the area below its front.

A search is judged by the means over the seeds of what it has trained: a method that draws a lucky
seed gains nothing by it. Seeds that some cell lacks are left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from sweep_platform.report.analysis.compute.hypervolume import Steps

TABLE = Path(__file__).with_name("table.parquet")
NAMES = ("N", "T", "hidden_size", "M_max")

Cell = tuple[int, ...]


@dataclass(frozen=True)
class Rung:
    """A training at a rung: its row of the table."""

    row: dict[str, Any]

    @property
    def flops(self) -> int:
        """Training FLOPs spent by then."""
        return int(self.row["training_flops"])

    @property
    def accuracy(self) -> float:
        """Exact accuracy after M_max segments."""
        return float(self.row["exact_accuracy"][-1])

    @property
    def cost(self) -> int:
        """Inference FLOPs of M_max segments."""
        return int(self.row["inference_flops"][-1])


class Table:
    """All trainings of all cells, by cell and seed; each has the same number of rungs."""

    def __init__(self, file: Path = TABLE) -> None:
        self._rungs: dict[Cell, dict[int, list[Rung]]] = {}
        for row in pq.read_table(file).to_pylist():
            cell = tuple(row[name] for name in NAMES)
            self._rungs.setdefault(cell, {}).setdefault(row["seed"], []).append(Rung(row))
        self.cells = tuple(self._rungs)
        whole = set.intersection(*(set(by_seed) for by_seed in self._rungs.values()))
        self.values = {
            name: tuple(sorted({cell[at] for cell in self.cells})) for at, name in enumerate(NAMES)
        }
        self.seeds = tuple(sorted(whole))
        self.rungs = len(self.training(self.cells[0], self.seeds[0]))
        self._reference = math.log10(max(self._mean(cell, -1)[-1][0] for cell in self.cells))
        self.whole = self.area((cell, self.rungs - 1) for cell in self.cells)
        self.flops = sum(self.training(cell, self.seeds[0])[-1].flops for cell in self.cells)

    def training(self, cell: Cell, seed: int) -> Sequence[Rung]:
        """A training's rungs, in order."""
        return self._rungs[cell][seed]

    def area(self, reached: Any) -> float:
        """The area below the front of cells, each at the rung that it reached."""
        front = self.front()
        for cell, rung in reached:
            self.add(front, cell, rung)
        return front.area

    def front(self) -> Steps:
        """A front of nothing: accuracy over powers of ten of inference FLOPs."""
        return Steps(self._reference)

    def add(self, front: Steps, cell: Cell, rung: int) -> None:
        """Add all points of a cell's curve at a rung, means over the seeds."""
        for cost, accuracy in self._mean(cell, rung):
            front.add(math.log10(cost), accuracy)

    def _mean(self, cell: Cell, rung: int) -> list[tuple[int, float]]:
        rows = [self._rungs[cell][seed][rung].row for seed in self.seeds]
        accuracy = np.mean([row["exact_accuracy"] for row in rows], axis=0)
        return list(zip(rows[0]["inference_flops"], map(float, accuracy), strict=True))
