"""ARC tasks read back from a puzzle set, in the JSON form that ARC is published in."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from puzzle_datasets.storage.dataset import IdentityTable, PairTable, PuzzleDataset
from puzzle_datasets.storage.schema import ARC_COLOURS, COLOUR_OFFSET

Task = dict[str, list[dict[str, list[list[int]]]]]


def scored_tasks(dataset: PuzzleDataset) -> dict[str, Task]:
    """Return every task that has test pairs, by name: all its pairs, un-augmented.

    Demonstrations are ``train``, test pairs ``test``; a pair has ``input`` and ``output``, grids
    as lists of rows of colours.
    """
    assert dataset.identities is not None
    tasks: dict[str, Task] = {}
    for table, part in ((dataset.test, "test"), (dataset.train, "train")):
        for row in _unchanged_rows(table, dataset.identities):
            name = dataset.group_names[int(table.group[row])]
            if part == "test":
                tasks.setdefault(name, {"train": [], "test": []})
            if name in tasks:
                pair = {"input": _grid(table.inputs[row]), "output": _grid(table.labels[row])}
                tasks[name][part].append(pair)
    return tasks


def _unchanged_rows(table: PairTable, identities: IdentityTable) -> Iterator[int]:
    """Yield the rows whose identity neither turns the grid nor changes a colour."""
    keeps_colours = (identities.colours.long() == torch.arange(ARC_COLOURS)).all(1)
    unchanged = (identities.dihedral == 0) & keeps_colours
    yield from torch.nonzero(unchanged[table.puzzle_identifier.long() - 1]).flatten().tolist()


def _grid(tokens: Tensor) -> list[list[int]]:
    """Return the colours of the grid on a canvas [L], wherever it lies."""
    side = math.isqrt(len(tokens))
    canvas = tokens.numpy().reshape(side, side)
    rows, columns = np.nonzero(canvas >= COLOUR_OFFSET)
    grid = canvas[rows[0] : rows[-1] + 1, columns.min() : columns.max() + 1] - COLOUR_OFFSET
    cells: list[list[int]] = grid.tolist()
    return cells
