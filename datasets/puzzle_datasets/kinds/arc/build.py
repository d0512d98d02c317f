"""Write an ARC puzzle set: base pairs of both splits, and the recipes of every identity."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.arc.grids import Pair, canvas_tokens
from puzzle_datasets.kinds.arc.kind import KIND
from puzzle_datasets.kinds.arc.recipes import Recipes, draw_recipes
from puzzle_datasets.kinds.arc.settings import VERSIONS, ArcSettings, ArcVersion
from puzzle_datasets.kinds.arc.task_files import read_task_files
from puzzle_datasets.kinds.arc.tasks import Task, choose_tasks, read_tasks
from puzzle_datasets.storage.leaks import refuse_leaks_by_name
from puzzle_datasets.storage.schema import GROUP_FILE, IDENTITY_FILE, Manifest
from puzzle_datasets.storage.settings import Augmentations, Settings
from puzzle_datasets.storage.shards import ROW_GROUP
from puzzle_datasets.storage.writer import Rows, SetWriter, group_table, identity_table


class _Row(NamedTuple):
    """One base pair of a split; `example` counts the pairs of its task, demonstrations first."""

    pair: Pair
    group: int
    example: int
    puzzle_identifier: int


class SetSettings(Settings, Protocol):
    """The settings that writing any ARC set asks for."""

    @property
    def seed(self) -> int:
        """Decides the augmentations."""

    @property
    def canvas(self) -> int:
        """Side of the square canvas."""

    @property
    def augmentations(self) -> Augmentations:
        """Augmented identities of each task beside its own, or fresh ones every epoch."""

    @property
    def variants(self) -> int:
        """Identities that each task gets at most, its own among them."""

    @property
    def held_out(self) -> str:
        """Whose test pairs are kept from training: all, or those of the evaluation half."""


def build(version: ArcVersion, settings: ArcSettings, writer: SetWriter) -> Manifest:
    """Write the set of `settings`, the same bytes every time; `DatasetError` if none fits them."""
    sources = [version.source]
    if settings.also is not None:
        sources.append(f"training tasks of {VERSIONS[settings.also].source}")
    if settings.concept_arc is not None:
        sources.append("ConceptARC (MIT) from a folder of the user")
    return write_set(
        version.name,
        chosen_tasks(version, settings),
        settings,
        writer,
        source="; ".join(sources),
        licence=version.licence,
    )


def write_set(
    name: str,
    tasks: Sequence[Task],
    settings: SetSettings,
    writer: SetWriter,
    *,
    source: str,
    licence: str,
) -> Manifest:
    """Write a set of these tasks; `DatasetError` if none of them has a test pair to score."""
    # Keyed by the task's name, so that a task's identities do not depend on its company.
    generators = (keyed_generator("recipes", settings.seed, task.name) for task in tasks)
    others = settings.variants - 1
    recipes = [draw_recipes(t.pairs, others, g) for t, g in zip(tasks, generators, strict=True)]
    train, test = _split(tasks, recipes, settings.held_out)
    if not test:
        there = f"the {len(tasks)} tasks chosen hold no test pair of that half"
        problem = f"is {settings.held_out!r}, but {there}"
        remedy, also = "set it to 'all', or raise tasks or canvas", ("tasks", "canvas")
        raise DatasetError.of("held_out", problem, remedy, settings.held_out, also=also)
    writer.write_split("train", _rows(train, settings.canvas))
    writer.write_split("test", _rows(test, settings.canvas))
    identities = identity_table(
        np.repeat(np.arange(len(recipes)), [len(one) for one in recipes]),
        np.concatenate([one.dihedral for one in recipes]),
        np.concatenate([one.colours for one in recipes]),
    )
    writer.write_table(IDENTITY_FILE, identities)
    writer.write_table(GROUP_FILE, group_table([task.name for task in tasks]))
    card = KIND.card(
        name,
        settings,
        source=source,
        licence=licence,
        groups=len(tasks),
        statistics=_statistics(tasks),
        identities=sum(map(len, recipes)),
        augmentation="fresh" if settings.augmentations == "fresh" else "table",
    )
    return writer.finish(card)


def chosen_tasks(version: ArcVersion, settings: ArcSettings) -> list[Task]:
    """Return the tasks of a set by name; added ones count as training tasks, and common ones once.

    Raises `DatasetError` if fewer fit than are asked for, or an added task is among those scored.
    """
    own = read_tasks(version)
    added: list[Task] = []
    if settings.concept_arc is not None:
        added += read_task_files(Path(settings.concept_arc))
    if settings.also is not None:
        added += _other_version(version, own, settings)
    mix = {task.name: task for task in [*added, *own]}
    return choose_tasks(mix.values(), settings.tasks, settings.canvas)


def _other_version(
    version: ArcVersion, own: Sequence[Task], settings: ArcSettings
) -> Sequence[Task]:
    """Return the training tasks of another version, unless one of them is scored in this one."""
    assert settings.also is not None
    tasks = read_tasks(VERSIONS[settings.also])
    added = [task for task in tasks if not task.in_evaluation_half]
    refuse_leaks_by_name(
        {task.name for task in added},
        {task.name for task in own if task.is_held_out(settings.held_out)},
        trained_on=settings.also,
        scored_on=version.name,
        setting="also",
    )
    return added


def _split(
    tasks: Sequence[Task], recipes: Sequence[Recipes], held_out: str
) -> tuple[list[_Row], list[_Row]]:
    """Return the rows that train and those that test, each ordered by task."""
    train: list[_Row] = []
    test: list[_Row] = []
    identifier = 1
    for group, (task, task_recipes) in enumerate(zip(tasks, recipes, strict=True)):
        for example, pair in enumerate(task.pairs):
            is_test = example >= len(task.demonstrations) and task.is_held_out(held_out)
            (test if is_test else train).append(_Row(pair, group, example, identifier))
        identifier += len(task_recipes)
    return train, test


def _rows(rows: Sequence[_Row], side: int) -> Iterator[Rows]:
    puzzles = np.unique([row.group for row in rows], return_inverse=True)[1]
    for begin in range(0, len(rows), ROW_GROUP):
        run = slice(begin, begin + ROW_GROUP)
        pairs, group, example, identifier = zip(*rows[run], strict=True)
        inputs, labels = zip(*pairs, strict=True)
        sizes = np.array([[*x.shape, *y.shape] for x, y in pairs], np.uint8).T
        names = ("h_in", "w_in", "h_out", "w_out")
        yield Rows(
            inputs=np.stack([canvas_tokens(grid, side) for grid in inputs]),
            labels=np.stack([canvas_tokens(grid, side) for grid in labels]),
            group=np.array(group, np.int32),
            puzzle=puzzles[run].astype(np.int32),
            puzzle_identifier=np.array(identifier, np.int32),
            details={
                "example": np.array(example, np.int16),
                **dict(zip(names, sizes, strict=True)),
            },
        )


def _statistics(tasks: Sequence[Task]) -> dict[str, float]:
    halves = Counter(task.in_evaluation_half for task in tasks)
    pairs = sum(len(task.pairs) for task in tasks)
    unanswered = sum(task.unanswered for task in tasks)
    return {
        **({"unanswered_tests": unanswered} if unanswered else {}),
        "evaluation_tasks": halves[True],
        "other_tasks": halves[False],
        "mean_cells": round(sum(task.cells for task in tasks) / (2 * pairs), 2),
        "largest_side": max(task.largest_side for task in tasks),
    }
