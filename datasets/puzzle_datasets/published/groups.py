"""The groups of a published folder, numbered through both splits, and ARC's identities.

A published split counts its own groups and does not name them. In ARC a task's demonstrations
lie in `train` and its held-out pairs in `test`; the names of their identifiers bring them
together under one number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.published.folder import Integers, PublishedSplit
from puzzle_datasets.published.layout import Identities
from puzzle_datasets.storage.schema import SPLITS, Split
from puzzle_datasets.storage.writer import identity_table

NO_GROUP = -1
"""The group of an identity that no pair of the folder bears."""

Splits = Mapping[Split, PublishedSplit]


@dataclass(frozen=True, kw_only=True)
class Numbering:
    """The numbers that groups get in the whole set.

    Attributes:
        groups: of each split, the numbers [G] of its groups in their order.
        tasks: ARC's name of each group; empty for other kinds.
        count: how many groups there are.
    """

    groups: Mapping[Split, Integers]
    tasks: Sequence[str]
    count: int


def number_on(splits: Splits) -> Numbering:
    """Number the groups of `train` and then those of `test`: no group is in both."""
    train, test = (len(splits[split].group_sizes) for split in SPLITS)
    numbers = np.arange(train + test)
    return Numbering(
        groups={"train": numbers[:train], "test": numbers[train:]}, tasks=[], count=train + test
    )


def number_tasks(splits: Splits, identities: Identities) -> Numbering:
    """Give the groups of one ARC task one number, ascending in both splits.

    A group's task is that of its first puzzle. Raises `DatasetError` if a task has two groups in a
    split, or the splits differ in the tasks' order.
    """
    tasks = {split: _group_tasks(content, identities) for split, content in splits.items()}
    merged = _merge(tasks["train"], tasks["test"], splits["test"].folder)
    number = {task: index for index, task in enumerate(merged)}
    return Numbering(
        groups={split: np.array([number[t] for t in tasks[split]]) for split in SPLITS},
        tasks=merged,
        count=len(merged),
    )


def table_of_identities(
    splits: Splits, names: Sequence[str], identities: Identities, numbering: Numbering
) -> pa.Table:
    """Return one row for each identifier 1, 2, …, with its name as it is in the folder."""
    return identity_table(
        _identity_groups(splits, identities, numbering)[1:],
        identities.dihedral[1:],
        identities.colours[1:],
        names[1:],
    )


def _group_tasks(split: PublishedSplit, identities: Identities) -> list[str]:
    identifiers = split.puzzle_identifiers[split.group_starts[:-1]]
    tasks = [identities.tasks[identifier] for identifier in identifiers]
    seen: dict[str, int] = {}
    for group, task in enumerate(tasks):
        if seen.setdefault(task, group) != group:
            raise DatasetError.of(
                split.folder,
                f"has task {task!r} in group {seen[task]} and in group {group}",
                "build the folder from sets that share no task",
                task,
            )
    return tasks


def _merge(train: Sequence[str], test: Sequence[str], folder: Path) -> list[str]:
    """Return the tasks of both splits so that each split's order is kept."""
    position = {task: index for index, task in enumerate(train)}
    merged: list[str] = []
    taken = 0
    for task in test:
        if position.get(task, taken) < taken:
            raise DatasetError.of(
                folder,
                f"has task {task!r} after tasks that follow it in train",
                "build the folder with its tasks in one order",
                task,
            )
        if task in position:
            merged += train[taken : position[task]]
            taken = position[task] + 1
        merged.append(task)
    return [*merged, *train[taken:]]


def _identity_groups(
    splits: Splits, identities: Identities, numbering: Numbering
) -> npt.NDArray[np.int64]:
    """Return the group [I + 1] of the puzzles that bear each identifier, or else of its task."""
    number = {task: index for index, task in enumerate(numbering.tasks)}
    groups = np.array([number.get(task, NO_GROUP) for task in identities.tasks])
    for split, content in splits.items():
        groups[content.puzzle_identifiers] = np.repeat(
            numbering.groups[split], content.group_sizes
        )
    return groups
