"""A set of one's own ARC tasks: some that are trained on, and others that are scored."""

from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Literal

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.options import check, option
from puzzle_datasets.kinds.arc.build import write_set
from puzzle_datasets.kinds.arc.settings import LARGEST_CANVAS
from puzzle_datasets.kinds.arc.task_files import read_task_files, task_files
from puzzle_datasets.kinds.arc.tasks import Task, choose_tasks
from puzzle_datasets.storage.schema import (
    ARC_VOCAB_SIZE,
    LARGEST_SEED,
    MOST_AUGMENTATIONS,
    Manifest,
)
from puzzle_datasets.storage.settings import Augmentations
from puzzle_datasets.storage.writer import SetWriter

NAME = "arc"


@dataclass(frozen=True, kw_only=True)
class OwnArcSettings:
    """Where the tasks lie, and their canvas and augmentations; `DatasetError` if impossible."""

    tasks: str = option(
        MISSING,
        "folder or file of ARC tasks to train on, a file a task or Kaggle's or re-arc's files; "
        "their test pairs are scored if there is no score",
        files=task_files,
    )
    score: str | None = option(
        None,
        "folder or file of ARC tasks whose test pairs are scored; then those of tasks train too",
        files=task_files,
    )
    canvas: int = option(
        LARGEST_CANVAS,
        "side of the square canvas; tasks with a larger grid are left out",
        least=1,
        most=LARGEST_CANVAS,
    )
    augmentations: Augmentations = option(
        1000,
        "augmented identities of each task beside its own, or fresh: new ones every epoch",
        least=0,
        most=MOST_AUGMENTATIONS,
    )
    seed: int = option(0, "decides the augmentations", least=0, most=LARGEST_SEED)
    vocab_size = ARC_VOCAB_SIZE

    def __post_init__(self) -> None:
        check(self, DatasetError)

    @property
    def seq_len(self) -> int:
        """Tokens of one grid on its canvas."""
        return self.canvas**2

    @property
    def held_out(self) -> Literal["evaluation", "all"]:
        """Whose test pairs are kept from training."""
        return "all" if self.score is None else "evaluation"

    @property
    def variants(self) -> int:
        """Identities that each task gets at most, its own among them."""
        return 1 + (0 if self.augmentations == "fresh" else self.augmentations)


def chosen_tasks(settings: OwnArcSettings) -> list[Task]:
    """Return the tasks that fit the canvas, by name; one that is scored is not trained on too.

    Raises `DatasetError` where a file is no task, or no test pair has an answer to be scored by.
    """
    mix = {task.name: task for task in read_task_files(Path(settings.tasks))}
    if settings.score is not None:
        scored = read_task_files(Path(settings.score), in_evaluation_half=True)
        mix |= {task.name: task for task in scored}
    tasks = choose_tasks(mix.values(), "all", settings.canvas)
    if not any(task.tests for task in tasks if task.is_held_out(settings.held_out)):
        place = settings.tasks if settings.score is None else settings.score
        problem = f"has no test pair with its answer on a canvas of {settings.canvas}"
        raise DatasetError.of(place, problem, "give answers, or other tasks to score")
    return tasks


def most_identifiers(settings: OwnArcSettings) -> int:
    """Return the identities if no task is short of any, and the blank one."""
    return 1 + settings.variants * len(chosen_tasks(settings))


def build(settings: OwnArcSettings, writer: SetWriter) -> Manifest:
    """Write the set of `settings`, the same bytes every time; `DatasetError` if it can't be."""
    return write_set(
        NAME,
        chosen_tasks(settings),
        settings,
        writer,
        source="ARC tasks from files of the user",
        licence="that of the files",
    )
