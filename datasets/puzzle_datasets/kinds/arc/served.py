"""ARC's pairs under every identity of a table, and the scored tasks in ARC's own JSON form."""

import math
from collections.abc import Callable, Iterator

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
    """Return both splits under every identity, one identity after another.

    Training pairs are as the training loader serves them, test pairs in the corner as published.
    """
    identities = dataset.identities
    assert identities is not None, f"{dataset.manifest.name} has no identities"
    rows, identity = _rows_by_identity(dataset.train, identities)
    serve = TablePairs(dataset, torch.device("cpu"))

    def make_train(run: slice) -> tuple[Tensor, Tensor]:
        picks = Picks(rows=rows[run], puzzles=identity[run], epochs=torch.zeros_like(rows[run]))
        batch = serve.batch(picks)
        return batch.inputs, batch.labels

    return {
        "train": _under_identities(identity, identities, make_train),
        "test": _test_split(dataset.test, identities),
    }


def scored_tasks(dataset: PuzzleDataset) -> dict[str, Task]:
    """Return all pairs of each task with test pairs, un-augmented, by name, in ARC's JSON form."""
    assert dataset.identities is not None, f"{dataset.manifest.name} has no identities"
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


def _test_split(table: PairTable, identities: IdentityTable) -> ServedSplit:
    rows, identity = _rows_by_identity(table, identities)

    def make(run: slice) -> tuple[Tensor, Tensor]:
        at = rows[run]
        augmentation = Augmentation(
            dihedral=identities.dihedral[identity[run]],
            colours=identities.colours[identity[run]],
            offsets=torch.zeros(len(at), 2, dtype=torch.int64),
        )
        return (
            augment_corner(table.inputs[at], table.input_sizes[at], augmentation),
            augment_corner(table.labels[at], table.label_sizes[at], augmentation),
        )

    return _under_identities(identity, identities, make)


def _rows_by_identity(table: PairTable, identities: IdentityTable) -> tuple[Tensor, Tensor]:
    """Return, for each identity one after another, the rows of its task, and the identity [n]."""
    groups, wanted = table.group.numpy(), identities.group.numpy()
    first = np.searchsorted(groups, wanted, side="left")
    counts = np.searchsorted(groups, wanted, side="right") - first
    identity = np.repeat(np.arange(len(wanted)), counts)
    rows = np.arange(len(identity)) - np.repeat(counts.cumsum() - counts - first, counts)
    return torch.from_numpy(rows), torch.from_numpy(identity)


def _under_identities(
    identity: Tensor, identities: IdentityTable, make: Callable[[slice], tuple[Tensor, Tensor]]
) -> ServedSplit:
    return ServedSplit(
        group=identities.group[identity].numpy(),
        puzzle=identity.numpy(),
        puzzle_identifier=(identity + BLANK_IDENTIFIER + 1).numpy(),
        make=make,
    )


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
