"""Augmentation of square mazes by the eight symmetries of a square.

Mazes travel as token sequences [B, L] with L = side·side. The published runs train without it:
where several paths are equally short, a turned label may break the rule by which one was chosen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from puzzle_datasets.common.dihedral import (
    INVERSE,
    NUM_DIHEDRAL,
    REVERSES_COLUMNS,
    REVERSES_ROWS,
    SWAPS_AXES,
)
from puzzle_datasets.loading.batch import Batch, send
from puzzle_datasets.loading.picks import Picks, Variants, as_batch, stored_tokens
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import Manifest


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """A change of each maze of a batch: `dihedral` int64 [B], the index of the transform."""

    dihedral: Tensor

    def to(self, device: torch.device) -> "Augmentation":
        """Return the augmentation on another device."""
        return Augmentation(dihedral=send(self.dihedral, device))


def augment(tokens: Tensor, augmentation: Augmentation) -> Tensor:
    """Return the turned tokens [B, L] of square mazes [B, L]."""
    length = tokens.shape[1]
    cells = send(_source_cells(length), tokens.device).index_select(0, augmentation.dihedral)
    first = torch.arange(0, tokens.numel(), length, dtype=torch.int32, device=tokens.device)
    flat = cells.add_(first[:, None]).flatten()
    return tokens.flatten().index_select(0, flat).view_as(tokens)


def undo(tokens: Tensor, augmentation: Augmentation) -> Tensor:
    """Return the tokens [B, L] of which `augment` made these."""
    inverses = torch.tensor(INVERSE, device=tokens.device)
    return augment(tokens, Augmentation(dihedral=inverses[augmentation.dihedral]))


def change_to_variants(
    manifest: Manifest, rows: Tensor, variants: Tensor
) -> Callable[[Tensor], Tensor]:
    """Return what turns tokens [B, L] of mazes into those of their variants [B], at any rows."""
    return lambda tokens: augment(tokens, Augmentation(dihedral=variants))


class MazePairs:
    """Pairs under fixed variants of each maze, or turned anew in every epoch.

    Variant k is the maze under transform k; which one an epoch shows depends on the loader's
    `seed`, as do fresh transforms.
    """

    def __init__(self, dataset: PuzzleDataset, seed: int, device: torch.device) -> None:
        manifest = dataset.manifest
        rows, columns = manifest.grid
        assert rows == columns, f"{manifest.name} has mazes that are not square"
        self._train, self._device = dataset.train, device
        fresh = manifest.augmentation == "fresh"
        variants = NUM_DIHEDRAL - 1 if fresh else manifest.settings["augmentations"]
        self._variants = Variants(variants, seed)

    def augmentation(self, picks: Picks) -> Augmentation:
        """Return how each picked pair is changed."""
        return Augmentation(dihedral=self._variants.of(picks))

    def batch(self, picks: Picks) -> Batch:
        """Return the picked pairs, turned, under the identifiers that they are stored with."""
        inputs, labels = stored_tokens(self._train, picks.rows, self._device)
        change = self.augmentation(picks).to(self._device)
        identifiers = self._train.puzzle_identifier[picks.rows]
        return as_batch(augment(inputs, change), augment(labels, change), identifiers)


@cache
def _source_cells(length: int) -> Tensor:
    """Return the cell int32 [8, L] that each cell comes from under each transform."""
    side = round(length**0.5)
    cells = torch.arange(length, dtype=torch.int32).view(side, side)
    turned = []
    for dihedral in range(NUM_DIHEDRAL):
        reverses = (REVERSES_ROWS[dihedral], REVERSES_COLUMNS[dihedral])
        reversed_cells = cells.flip([axis for axis in (0, 1) if reverses[axis]])
        turned.append(reversed_cells.T if SWAPS_AXES[dihedral] else reversed_cells)
    return torch.stack([grid.flatten() for grid in turned])
