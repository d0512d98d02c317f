"""The pairs of a puzzle set that are drawn: a sample as stored, and as training serves it."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from puzzle_datasets.commands.summary import augmentation_in_words
from puzzle_datasets.common.dihedral import DIHEDRAL_NAMES
from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.drawing.picture import COLUMNS, Pair, Section
from puzzle_datasets.drawing.svg import Grid
from puzzle_datasets.kinds.kind import augmenter, kind_named
from puzzle_datasets.loading.picks import Picks
from puzzle_datasets.loading.puzzle_index import PuzzleIndex
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import PAD, Split

Integers = npt.NDArray[np.int64]

EPOCHS = COLUMNS - 1
"""Epochs in which a training puzzle is drawn."""


def train_section(dataset: PuzzleDataset, puzzles: int, seed: int) -> Section:
    """Return `puzzles` training puzzles; where they have variants, each with some of them.

    The variants are those that a loader of this seed would serve in the first epochs.
    """
    generator = keyed_generator("pictures", "train", seed)
    index = PuzzleIndex.of(dataset)
    groups = _sample(len(index.starts) - 1, puzzles, generator)
    firsts = index.starts[groups]
    offsets = generator.integers(index.rows[firsts])
    rows = index.first_row[firsts] + offsets
    stored = [_stored_pair(dataset, "train", row) for row in rows.tolist()]
    several = bool((np.diff(index.starts) > 1).any())
    pairs = stored
    if several or dataset.manifest.augmentation != "stored":
        picks = _picks(index, groups, offsets, generator)
        pairs = _in_rows(stored, _served_pairs(dataset, picks, seed))
    explanation = _explanation(dataset, several, seed)
    return Section(heading="To train on", explanation=explanation, pairs=pairs)


def test_section(dataset: PuzzleDataset, puzzles: int, seed: int) -> Section:
    """Return `puzzles` test pairs."""
    generator = keyed_generator("pictures", "test", seed)
    rows = _sample(len(dataset.test), puzzles, generator)
    return Section(
        heading="To be scored on",
        explanation="Test pairs are served as they are stored.",
        pairs=[_stored_pair(dataset, "test", row) for row in rows.tolist()],
    )


def _explanation(dataset: PuzzleDataset, several: bool, seed: int) -> str:
    if dataset.manifest.augmentation != "stored":
        return (
            f"On the left as stored, then as a loader with seed {seed} serves it in two epochs. "
            f"Augmentation: {augmentation_in_words(dataset.manifest)}."
        )
    if several:
        return "On the left a group's first puzzle, then others of it, served as they are stored."
    return "Training pairs are served as they are stored."


def _in_rows(stored: list[Pair], served: list[Pair]) -> list[Pair]:
    """Return each stored pair and behind it the `EPOCHS` that were served for it."""
    return [
        pair
        for row, one in enumerate(stored)
        for pair in (one, *served[row * EPOCHS : (row + 1) * EPOCHS])
    ]


def _sample(count: int, wanted: int, generator: np.random.Generator) -> Integers:
    """Return up to `wanted` of the numbers below `count`, in order."""
    return np.sort(generator.choice(count, min(count, wanted), replace=False))


def _picks(
    index: PuzzleIndex, groups: Integers, offsets: Integers, generator: np.random.Generator
) -> Picks:
    """Return `EPOCHS` picks of each group: of its variants if it has any, the same pair."""
    begins, ends = (np.repeat(index.starts[groups + end], EPOCHS) for end in (0, 1))
    puzzles = generator.integers(np.minimum(begins + 1, ends - 1), ends)
    rows = index.first_row[puzzles] + np.repeat(offsets, EPOCHS) % index.rows[puzzles]
    epochs = np.tile(np.arange(EPOCHS), len(groups))
    return Picks(
        rows=torch.from_numpy(rows),
        puzzles=torch.from_numpy(puzzles),
        epochs=torch.from_numpy(epochs),
    )


def _served_pairs(dataset: PuzzleDataset, picks: Picks, seed: int) -> list[Pair]:
    """Return picked pairs as the training loader serves them."""
    batch = augmenter(dataset, seed, torch.device("cpu")).batch(picks)
    labels = batch.labels.clamp(min=PAD)
    has_table = dataset.identities is not None and dataset.manifest.augmentation != "fresh"
    return [
        Pair(
            puzzle=_grid(dataset, puzzle),
            solution=_grid(dataset, solution),
            heading="as trained on",
            details=f"epoch {epoch}{_identity(dataset, identifier) if has_table else ''}",
        )
        for puzzle, solution, epoch, identifier in zip(
            batch.inputs,
            labels,
            picks.epochs.tolist(),
            batch.puzzle_identifiers.tolist(),
            strict=True,
        )
    ]


def _identity(dataset: PuzzleDataset, identifier: int) -> str:
    """Return how an identity differs from its task."""
    assert dataset.identities is not None
    dihedral = int(dataset.identities.dihedral[identifier - 1])
    colours = dataset.identities.colours[identifier - 1].tolist()
    recoloured = ", recoloured" if colours != sorted(colours) else ""
    return f", identity {identifier:,}: {DIHEDRAL_NAMES[dihedral]}{recoloured}"


def _stored_pair(dataset: PuzzleDataset, split: Split, row: int) -> Pair:
    table = dataset.train if split == "train" else dataset.test
    columns = {name: values[row].item() for name, values in table.details.items()}
    heading = f"row {row:,}"
    if dataset.group_names:
        task = dataset.group_names[int(table.group[row])]
        heading = f"{task}, pair {columns['example'] + 1}"
    return Pair(
        puzzle=_grid(dataset, table.inputs[row]),
        solution=_grid(dataset, table.labels[row]),
        heading=heading,
        details=", ".join(kind_named(dataset.manifest.kind).details(columns)),
    )


def _grid(dataset: PuzzleDataset, tokens: Tensor) -> Grid:
    return tokens.numpy().astype(np.uint8).reshape(dataset.manifest.grid)
