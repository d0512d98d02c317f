"""The groups of a published folder, numbered through both splits, and ARC's identities.

In ARC a task's demonstrations lie in `train` and its held-out pairs in `test`; the names of their
identifiers bring them together under one number.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.published.folder import PublishedSplit
from puzzle_datasets.published.layout import Identities
from puzzle_datasets.storage.schema import NO_GROUP, SPLITS, Integers, Split
from puzzle_datasets.storage.writer import identity_table

Splits = Mapping[Split, PublishedSplit]


Numbers = Mapping[Split, Integers]
"""The numbers [G] of each split's groups in the whole set."""


def number_on(splits: Splits) -> Numbers:
    """Number the groups of `train` and then those of `test`: no group is in both."""
    train, test = (len(splits[split].group_sizes) for split in SPLITS)
    return {"train": np.arange(train), "test": np.arange(train, train + test)}


def number_tasks(splits: Splits, identities: Identities) -> tuple[Numbers, list[str]]:
    """Give groups of one ARC task one number; `DatasetError` if they are not in one order."""
    tasks = {split: _group_tasks(content, identities) for split, content in splits.items()}
    merged = _merge(tasks["train"], tasks["test"], splits["test"].folder)
    number = {task: index for index, task in enumerate(merged)}
    return {split: np.array([number[t] for t in tasks[split]]) for split in SPLITS}, merged


def table_of_identities(
    splits: Splits,
    names: Sequence[str],
    identities: Identities,
    numbers: Numbers,
    tasks: Sequence[str],
) -> pa.Table:
    """Return a row for each identifier 1, 2, …: its name, and the group of its puzzles or task."""
    number = {task: index for index, task in enumerate(tasks)}
    groups = np.array([number.get(task, NO_GROUP) for task in identities.tasks])
    for split, content in splits.items():
        borne = np.repeat(numbers[split], content.group_sizes)
        groups[content.puzzle_identifiers] = borne
    return identity_table(groups[1:], identities.dihedral[1:], identities.colours[1:], names[1:])


def _group_tasks(split: PublishedSplit, identities: Identities) -> list[str]:
    identifiers = split.puzzle_identifiers[split.group_starts[:-1]]
    tasks = [identities.tasks[identifier] for identifier in identifiers]
    seen: dict[str, int] = {}
    for group, task in enumerate(tasks):
        if seen.setdefault(task, group) != group:
            problem = f"has task {task!r} in group {seen[task]} and in group {group}"
            remedy = "build the folder from sets that share no task"
            raise DatasetError.of(split.folder, problem, remedy, task)
    return tasks


def _merge(train: Sequence[str], test: Sequence[str], folder: Path) -> list[str]:
    """Return the tasks of both splits so that each split's order is kept."""
    position = {task: index for index, task in enumerate(train)}
    merged: list[str] = []
    taken = 0
    for task in test:
        if position.get(task, taken) < taken:
            problem = f"has task {task!r} after tasks that follow it in train"
            remedy = "build the folder with its tasks in one order"
            raise DatasetError.of(folder, problem, remedy, task)
        if task in position:
            merged += train[taken : position[task]]
            taken = position[task] + 1
        merged.append(task)
    return [*merged, *train[taken:]]
