"""ARC's pairs under every identity of a table, and the scored tasks in ARC's own JSON form."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from puzzle_datasets.kinds.arc.augment import Augmentation, augment_corner
from puzzle_datasets.kinds.arc.augment_batches import TablePairs
from puzzle_datasets.loading.batch import Picks
from puzzle_datasets.loading.served import ServedSplit
from puzzle_datasets.storage.dataset import IdentityTable, PairTable, PuzzleDataset
from puzzle_datasets.storage.schema import ARC_COLOURS, BLANK_IDENTIFIER, COLOUR_OFFSET, Split

Task = dict[str, list[dict[str, list[list[int]]]]]


def served_splits(dataset: PuzzleDataset) -> dict[Split, ServedSplit]:
    """Return both splits under one identity after another: train as loaded, test in the corner."""
    identities = dataset.identities
    assert identities is not None, f"{dataset.manifest.name} has no identities"
    serve, test = TablePairs(dataset, torch.device("cpu")), dataset.test

    def make_train(rows: Tensor, identity: Tensor) -> tuple[Tensor, Tensor]:
        picks = Picks(rows=rows, puzzles=identity, epochs=torch.zeros_like(rows))
        batch = serve.batch(picks)
        return batch.inputs, batch.labels

    def make_test(rows: Tensor, identity: Tensor) -> tuple[Tensor, Tensor]:
        corners = torch.zeros(len(rows), 2, dtype=torch.int64)
        dihedral, colours = identities.dihedral[identity], identities.colours[identity]
        change = Augmentation(dihedral=dihedral, colours=colours, offsets=corners)
        inputs = augment_corner(test.inputs[rows], test.input_sizes[rows], change)
        return inputs, augment_corner(test.labels[rows], test.label_sizes[rows], change)

    return {
        "train": _under_identities(dataset.train, identities, make_train),
        "test": _under_identities(test, identities, make_test),
    }


def scored_tasks(dataset: PuzzleDataset) -> dict[str, Task]:
    """Return all pairs of each task with test pairs, un-augmented, by name, in ARC's JSON form."""
    assert dataset.identities is not None, f"{dataset.manifest.name} has no identities"
    keeps_colours = (dataset.identities.colours.numpy() == np.arange(ARC_COLOURS)).all(1)
    unchanged = (dataset.identities.dihedral.numpy() == 0) & keeps_colours
    tasks: dict[str, Task] = {}
    for table, part in ((dataset.test, "test"), (dataset.train, "train")):
        for row in np.flatnonzero(unchanged[table.puzzle_identifier.numpy() - 1]).tolist():
            name = dataset.group_names[int(table.group[row])]
            if part == "test":
                tasks.setdefault(name, {"train": [], "test": []})
            if name in tasks:
                pair = {"input": _grid(table.inputs[row]), "output": _grid(table.labels[row])}
                tasks[name][part].append(pair)
    return tasks


def _under_identities(
    table: PairTable,
    identities: IdentityTable,
    make: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
) -> ServedSplit:
    """Return, for each identity one after another, the pairs of its task, which `make` makes."""
    groups, wanted = table.group.numpy(), identities.group.numpy()
    first = np.searchsorted(groups, wanted, side="left")
    counts = np.searchsorted(groups, wanted, side="right") - first
    puzzle = np.repeat(np.arange(len(wanted)), counts)
    rows = np.arange(len(puzzle)) - np.repeat(counts.cumsum() - counts - first, counts)
    row, identity = torch.from_numpy(rows), torch.from_numpy(puzzle)
    return ServedSplit(
        group=wanted[puzzle],
        puzzle=puzzle,
        puzzle_identifier=puzzle + BLANK_IDENTIFIER + 1,
        make=lambda run: make(row[run], identity[run]),
    )


def _grid(tokens: Tensor) -> list[list[int]]:
    """Return the colours of the grid on a canvas [L], wherever it lies."""
    side = math.isqrt(len(tokens))
    canvas = tokens.numpy().reshape(side, side)
    rows, columns = np.nonzero(canvas >= COLOUR_OFFSET)
    grid = canvas[rows[0] : rows[-1] + 1, columns.min() : columns.max() + 1] - COLOUR_OFFSET
    return list(grid.tolist())
