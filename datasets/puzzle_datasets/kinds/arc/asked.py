"""ARC tasks that somebody asks about: from JSON to tokens, views to answer in, and the vote."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.reading import parse_json
from puzzle_datasets.common.records import MisfitError
from puzzle_datasets.kinds.arc.augment import Augmentation, crop
from puzzle_datasets.kinds.arc.grids import Grid, Pair, canvas_tokens
from puzzle_datasets.kinds.arc.task_files import grid_from, pairs_from
from puzzle_datasets.kinds.arc.views import draw_recipes
from puzzle_datasets.kinds.kind import Shape
from puzzle_datasets.kinds.text import FIELD
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import BLANK_IDENTIFIER, COLOUR_OFFSET, NO_GROUP, Tokens

MOST_INPUTS = 100
"""Of a task: each is held in all its views at once."""
_REMEDY = "give a task's JSON, with `train` pairs and `test` inputs, or a list of input grids"


@dataclass(frozen=True)
class AskedTask:
    """What somebody wrote: pairs that show the rule, if any, and test inputs."""

    demonstrations: Sequence[Pair]
    inputs: Sequence[Grid]


def asked_task(text: str) -> AskedTask:
    """Return the task of a JSON text, or the input grids of a mere list of them.

    >>> asked_task('{"train": [], "test": [{"input": [[1, 2]]}]}').inputs
    [array([[1, 2]], dtype=uint8)]

    Raises `DatasetError` where it is neither.
    """
    try:
        return _task(parse_json(text))
    except MisfitError as error:
        raise DatasetError.of(FIELD, error.problem, _REMEDY) from error
    except (ValueError, TypeError, LookupError) as error:
        reason = str(error) if isinstance(error, ValueError) else "it has another form"
        raise DatasetError.of(FIELD, f"holds no ARC task ({reason})", _REMEDY) from error


def _task(content: Any) -> AskedTask:
    if isinstance(content, list):
        task = AskedTask([], [grid_from(grid) for grid in content])
    else:
        tests = [grid_from(pair["input"]) for pair in content["test"]]
        task = AskedTask(pairs_from(content.get("train", [])), tests)
    if not task.inputs:
        raise ValueError("it has no test input")
    if len(task.inputs) > MOST_INPUTS:
        raise ValueError(f"it has over {MOST_INPUTS} test inputs")
    return task


def from_text(text: str, grid: Shape) -> Tokens:
    """Return the test inputs [n, L] of a task, or of a list of grids, on canvases.

    Raises `DatasetError` where it is neither, or an input is larger than the canvas.
    """
    inputs, side = asked_task(text).inputs, grid[0]
    for number, one in enumerate(inputs, start=1):
        if max(one.shape) > side:
            problem = f"has {' by '.join(map(str, one.shape))} cells in test input {number}"
            remedy = f"give grids of up to {side} by {side}, which the model's canvas holds"
            raise DatasetError.of(FIELD, problem, remedy)
    return np.stack([canvas_tokens(one, side) for one in inputs])


def to_text(tokens: Tokens, grid: Shape) -> str:
    """Return the grids in the corners of canvases [n, L] as JSON; one without cells is []."""
    return json.dumps([_cells(one, grid[0]) for one in tokens])


def _cells(tokens: Tokens, side: int) -> list[list[int]]:
    """Return the colours of the largest top-left rectangle of them."""
    [(height, width)] = crop(torch.from_numpy(tokens[None].astype(np.int64))).tolist()
    colours: list[list[int]] = (
        tokens.reshape(side, side)[:height, :width] - COLOUR_OFFSET
    ).tolist()
    return colours


def known_row(dataset: PuzzleDataset, task: AskedTask) -> int | None:
    """Return a row of the training split that shows the task in its own form; None if unknown.

    It is known where one group has all its demonstrations, whatever its name.
    """
    side, train = dataset.manifest.grid[0], dataset.train
    if any(max(grid.shape) > side for pair in task.demonstrations for grid in pair):
        return None
    shown = [_rows_of(dataset, pair) for pair in task.demonstrations]
    groups = [{int(train.group[row]) for row in rows} for rows in shown]
    common = set[int]().union(*groups[:1]).intersection(*groups)
    return next(
        (row for rows in shown[:1] for row in rows if int(train.group[row]) in common), None
    )


def _rows_of(dataset: PuzzleDataset, pair: Pair) -> list[int]:
    """Return the rows of the training split that hold a pair as it is."""
    train = dataset.train
    sizes = torch.tensor([grid.shape for grid in pair])
    alike = (train.input_sizes == sizes[0]).all(1) & (train.label_sizes == sizes[1]).all(1)
    rows = alike.nonzero().flatten()
    for grid, tokens in zip(pair, (train.inputs, train.labels), strict=True):
        wanted = torch.from_numpy(canvas_tokens(grid, dataset.manifest.grid[0]))
        rows = rows[(tokens[rows] == wanted).all(1)]
    return list(rows.tolist())


def views_of(
    dataset: PuzzleDataset | None, row: int | None, count: int
) -> tuple[Tensor, Augmentation]:
    """Return identifiers [v] and changes [v] of up to `count` views, a task's own form first.

    The views of a known task, by a `row` of its training pairs, are its identities, as where the
    set is scored; where augmentation is fresh, and for unknown tasks, they are drawn.
    """
    if dataset is None or row is None:
        identifier, (dihedral, colours) = BLANK_IDENTIFIER, draw_recipes(0, NO_GROUP, count)
        return torch.full((count,), identifier), _corner(dihedral, colours)
    table, group = dataset.identities, int(dataset.train.group[row])
    assert table is not None, f"{dataset.manifest.name} has no identities"
    if dataset.manifest.augmentation == "fresh":
        recipes = draw_recipes(dataset.manifest.settings["seed"], group, count)
        return dataset.train.puzzle_identifier[row].repeat(count), _corner(*recipes)
    chosen = (table.group == group).nonzero().flatten()[:count]
    return chosen + 1, _corner(table.dihedral[chosen], table.colours[chosen])


def _corner(dihedral: Tensor, colours: Tensor) -> Augmentation:
    corners = torch.zeros(len(dihedral), 2, dtype=torch.int64)
    return Augmentation(dihedral=dihedral, colours=colours, offsets=corners)


@dataclass(frozen=True, kw_only=True)
class Voted:
    """One answer to an input: its tokens [L], how many views gave it, and how sure they were."""

    tokens: Tokens
    votes: int
    confidence: float


def ranked(tokens: Tokens, confidence: npt.NDArray[np.float64]) -> list[Voted]:
    """Return the different answers among those of an input's views [v, L], best first.

    A guess ranks by its votes, then by the mean confidence [v] behind them.
    """
    different, which = np.unique(tokens, axis=0, return_inverse=True)
    which = which.reshape(-1)
    votes = np.bincount(which)
    sure = np.bincount(which, confidence) / votes
    order = np.lexsort((-sure, -votes))
    return [
        Voted(tokens=different[at], votes=int(votes[at]), confidence=float(sure[at]))
        for at in order
    ]
