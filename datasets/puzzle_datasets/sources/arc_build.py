"""Write an ARC puzzle set: base pairs of both splits, and the recipes of every identity."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from puzzle_datasets.draws import keyed_generator
from puzzle_datasets.recipes import Grid, Pair, Recipes, draw_recipes
from puzzle_datasets.schema import (
    ARC_COLOURS,
    COLOUR_OFFSET,
    EOS,
    PAD,
    RECIPE_FILE,
    SCHEMA_VERSION,
    DatasetError,
    Manifest,
)
from puzzle_datasets.shards import bytes_column, file_hash, shard_file, write_manifest, write_shard
from puzzle_datasets.sources import arc
from puzzle_datasets.sources.arc import ArcSettings, Task


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One base pair of a split; ``example`` counts the pairs of its task, demonstrations first."""

    task: Task
    group: int
    example: int
    puzzle_identifier: int

    @property
    def pair(self) -> Pair:
        return self.task.pairs[self.example]


def build(settings: ArcSettings, folder: Path) -> Manifest:
    """Write the puzzle set of ``settings`` into an empty folder, the same bytes every time.

    Raises:
        DatasetError: the settings ask for more tasks than fit, or leave no test pair.
    """
    tasks = arc.choose_tasks(arc.read_tasks(), settings)
    recipes = [_task_recipes(task, settings) for task in tasks]
    train, test = _split(tasks, recipes, settings)
    if not test:
        raise DatasetError(
            f"the {len(tasks)} tasks chosen hold no test pair of the evaluation half; "
            "set held_out to 'all', or raise tasks or canvas"
        )
    tables = {
        shard_file("train"): _pair_table(train, settings.canvas),
        shard_file("test"): _pair_table(test, settings.canvas),
        RECIPE_FILE: _recipe_table(recipes),
    }
    for name, table in tables.items():
        write_shard(table, folder / name)
    identities = len(tables[RECIPE_FILE])
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name="arc-agi-1",
        settings=asdict(settings),
        source=arc.SOURCE,
        licence=arc.LICENCE,
        vocab_size=settings.vocab_size,
        seq_len=settings.seq_len,
        num_puzzle_identifiers=identities + 1,
        tokens=_token_legend(),
        counts={
            "tasks": len(tasks),
            "train_pairs": len(train),
            "test_pairs": len(test),
            "identities": identities,
        },
        files={name: file_hash(folder / name) for name in sorted(tables)},
    )
    write_manifest(manifest, folder)
    return manifest


def _task_recipes(task: Task, settings: ArcSettings) -> Recipes:
    # Keyed by the task's name, so that a task's identities do not depend on its company.
    generator = keyed_generator("recipes", settings.seed, task.name)
    return draw_recipes(task.pairs, settings.augmentations, generator)


def _split(
    tasks: Sequence[Task], recipes: Sequence[Recipes], settings: ArcSettings
) -> tuple[list[_Row], list[_Row]]:
    """Return the rows that train and those that test, each ordered by task."""
    train: list[_Row] = []
    test: list[_Row] = []
    identifier = 1
    for group, (task, task_recipes) in enumerate(zip(tasks, recipes, strict=True)):
        for example in range(len(task.pairs)):
            is_test = example >= len(task.demonstrations) and arc.is_held_out(task, settings)
            row = _Row(task=task, group=group, example=example, puzzle_identifier=identifier)
            (test if is_test else train).append(row)
        identifier += len(task_recipes)
    return train, test


def _pair_table(rows: Sequence[_Row], side: int) -> pa.Table:
    inputs, labels = zip(*(row.pair for row in rows), strict=True)
    columns = {
        "inputs": bytes_column(np.stack([_canvas_tokens(grid, side) for grid in inputs])),
        "labels": bytes_column(np.stack([_canvas_tokens(grid, side) for grid in labels])),
        "group": pa.array([row.group for row in rows], pa.int32()),
        "example": pa.array([row.example for row in rows], pa.int16()),
        "puzzle_identifier": pa.array([row.puzzle_identifier for row in rows], pa.int32()),
        "h_in": pa.array([grid.shape[0] for grid in inputs], pa.uint8()),
        "w_in": pa.array([grid.shape[1] for grid in inputs], pa.uint8()),
        "h_out": pa.array([grid.shape[0] for grid in labels], pa.uint8()),
        "w_out": pa.array([grid.shape[1] for grid in labels], pa.uint8()),
        "task": pa.array([row.task.name for row in rows], pa.string()),
    }
    return pa.table(columns)


def _canvas_tokens(grid: Grid, side: int) -> npt.NDArray[np.uint8]:
    """Return tokens [side·side] of a grid in the canvas's corner, and its border if it fits."""
    height, width = grid.shape
    canvas = np.full((side + 1, side + 1), PAD, np.uint8)
    canvas[:height, :width] = grid + COLOUR_OFFSET
    canvas[height, :width] = EOS
    canvas[:height, width] = EOS
    return canvas[:side, :side].ravel()


def _recipe_table(recipes: Sequence[Recipes]) -> pa.Table:
    """Return one row for each identity, in the order of their identifiers 1, 2, …."""
    sizes = [len(task_recipes) for task_recipes in recipes]
    columns = {
        "identifier": pa.array(np.arange(1, sum(sizes) + 1), pa.int32()),
        "group": pa.array(np.repeat(np.arange(len(recipes)), sizes), pa.int32()),
        "dihedral": pa.array(np.concatenate([r.dihedral for r in recipes]), pa.int8()),
        "colours": bytes_column(np.concatenate([r.colours for r in recipes])),
    }
    return pa.table(columns)


def _token_legend() -> dict[str, str]:
    colours = {str(COLOUR_OFFSET + colour): f"colour {colour}" for colour in range(ARC_COLOURS)}
    return {str(PAD): "padding", str(EOS): "end of sequence", **colours}
