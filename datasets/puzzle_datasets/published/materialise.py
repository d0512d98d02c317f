"""All pairs that a puzzle set serves, one after another, with the puzzles and groups they form."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from puzzle_datasets.kinds.arc.augment import Augmentation, augment_corner
from puzzle_datasets.kinds.arc.augment_batches import TablePairs
from puzzle_datasets.kinds.maze import augment as maze
from puzzle_datasets.kinds.sudoku import augment as sudoku
from puzzle_datasets.loading.picks import Picks
from puzzle_datasets.loading.puzzle_index import run_starts
from puzzle_datasets.storage.dataset import IdentityTable, PairTable, PuzzleDataset
from puzzle_datasets.storage.schema import BLANK_IDENTIFIER, PAD, Manifest, Split

Integers = npt.NDArray[np.int64]
Tokens = npt.NDArray[np.uint8]

_CHUNK = 4096
_HOST = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class ServedSplit:
    """The pairs of a split as they are served.

    Attributes:
        group: int64 [n], the group of each pair, ascending.
        puzzle: int64 [n], its puzzle, ascending.
        puzzle_identifier: int64 [n].
        make: returns inputs and labels [m, L] of the pairs of a slice; padding is 0 or negative.
    """

    group: Integers
    puzzle: Integers
    puzzle_identifier: Integers
    make: Callable[[slice], tuple[Tensor, Tensor]]

    def __len__(self) -> int:
        return len(self.group)

    @property
    def puzzle_starts(self) -> Integers:
        """The first pair of each puzzle, and the number of pairs [P + 1]."""
        return run_starts(self.puzzle)

    @property
    def group_starts(self) -> Integers:
        """The first puzzle of each group, and the number of puzzles [G + 1]."""
        return run_starts(self.group[self.puzzle_starts[:-1]])

    @property
    def identifiers(self) -> Integers:
        """The identifier of each puzzle [P]."""
        return self.puzzle_identifier[self.puzzle_starts[:-1]]

    def chunks(self) -> Iterator[tuple[Tokens, Tokens]]:
        """Yield inputs and labels uint8 [m, L] of some thousand pairs at a time."""
        for begin in range(0, len(self), _CHUNK):
            inputs, labels = self.make(slice(begin, begin + _CHUNK))
            yield _tokens(inputs), _tokens(labels)


def served_splits(dataset: PuzzleDataset) -> dict[Split, ServedSplit]:
    """Return both splits: with every fixed variant if there is a table of them, or as stored."""
    if dataset.manifest.augmentation != "table":
        return {"train": _stored(dataset.train), "test": _stored(dataset.test)}
    if dataset.identities is None:
        return {"train": _variants(dataset), "test": _stored(dataset.test)}
    return {
        "train": _guises(dataset, dataset.identities),
        "test": _test_guises(dataset.test, dataset.identities),
    }


def _stored(table: PairTable) -> ServedSplit:
    return ServedSplit(
        group=table.group.long().numpy(),
        puzzle=table.puzzle.long().numpy(),
        puzzle_identifier=table.puzzle_identifier.long().numpy(),
        make=lambda run: (table.inputs[run], table.labels[run]),
    )


def _variants(dataset: PuzzleDataset) -> ServedSplit:
    """Return every training pair of Sudoku or mazes with its fixed variants, itself first."""
    train, count = dataset.train, dataset.manifest.settings["augmentations"] + 1
    rows = torch.arange(len(train)).repeat_interleave(count)
    variants = torch.arange(count).repeat(len(train))

    def make(run: slice) -> tuple[Tensor, Tensor]:
        change = _variant_change(dataset.manifest, rows[run], variants[run])
        return change(train.inputs[rows[run]]), change(train.labels[rows[run]])

    return ServedSplit(
        group=train.group[rows].long().numpy(),
        puzzle=np.arange(len(rows)),
        puzzle_identifier=train.puzzle_identifier[rows].long().numpy(),
        make=make,
    )


def _variant_change(
    manifest: Manifest, rows: Tensor, variants: Tensor
) -> Callable[[Tensor], Tensor]:
    """Return what turns tokens [B, L] of training rows into those of their variants."""
    if manifest.box is None:
        turn = maze.Augmentation(dihedral=variants)
        return lambda tokens: maze.augment(tokens, turn)
    symmetry = sudoku.variant_changes(manifest, rows, variants)
    return lambda tokens: sudoku.augment(tokens, symmetry)


def _guises(dataset: PuzzleDataset, identities: IdentityTable) -> ServedSplit:
    """Return the training pairs of every ARC identity, as the training loader serves them."""
    rows, guise = _rows_of_guises(dataset.train, identities)
    serve = TablePairs(dataset, _HOST)

    def make(run: slice) -> tuple[Tensor, Tensor]:
        picks = Picks(rows=rows[run], puzzles=guise[run], epochs=torch.zeros_like(rows[run]))
        batch = serve.batch(picks)
        return batch.inputs, batch.labels

    return _under_identities(guise, identities, make)


def _test_guises(table: PairTable, identities: IdentityTable) -> ServedSplit:
    """Return the test pairs of every ARC identity, in the canvas's corner as published."""
    rows, guise = _rows_of_guises(table, identities)

    def make(run: slice) -> tuple[Tensor, Tensor]:
        at, identity = rows[run], guise[run]
        augmentation = Augmentation(
            dihedral=identities.dihedral[identity],
            colours=identities.colours[identity],
            offsets=torch.zeros(len(at), 2, dtype=torch.int64),
        )
        return (
            augment_corner(table.inputs[at], table.input_sizes[at], augmentation),
            augment_corner(table.labels[at], table.label_sizes[at], augmentation),
        )

    return _under_identities(guise, identities, make)


def _rows_of_guises(table: PairTable, identities: IdentityTable) -> tuple[Tensor, Tensor]:
    """Return, for each identity one after another, the rows of its task, and the identity [n]."""
    groups, wanted = table.group.numpy(), identities.group.numpy()
    first = np.searchsorted(groups, wanted, side="left")
    counts = np.searchsorted(groups, wanted, side="right") - first
    guise = np.repeat(np.arange(len(wanted)), counts)
    rows = np.arange(len(guise)) - np.repeat(counts.cumsum() - counts - first, counts)
    return torch.from_numpy(rows), torch.from_numpy(guise)


def _under_identities(
    guise: Tensor, identities: IdentityTable, make: Callable[[slice], tuple[Tensor, Tensor]]
) -> ServedSplit:
    return ServedSplit(
        group=identities.group[guise].numpy(),
        puzzle=guise.numpy(),
        puzzle_identifier=(guise + BLANK_IDENTIFIER + 1).numpy(),
        make=make,
    )


def _tokens(served: Tensor) -> Tokens:
    """Return tokens as they are stored: an ignored label is padding."""
    return served.clamp_min(PAD).to(torch.uint8).numpy()
