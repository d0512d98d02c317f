"""Augmentation of square mazes by the eight symmetries of a square.

Mazes travel as token sequences [B, L] with L = side·side. The published runs train without it:
where several paths are equally short, a turned label may break the rule by which one was chosen.
"""

from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from puzzle_datasets.common.dihedral import INVERSE, NUM_DIHEDRAL, transform_grid
from puzzle_datasets.loading.batch import Batch, Picks, Variants, changed_pairs, send
from puzzle_datasets.loading.served import Change, ServedSplit, with_variants
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import Manifest, Split


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


def served(dataset: PuzzleDataset) -> dict[Split, ServedSplit]:
    """Return both splits of a set under a table, every maze followed by its variants."""

    def turn(manifest: Manifest, rows: Tensor, variants: Tensor) -> Change:
        return partial(augment, augmentation=Augmentation(dihedral=variants))

    return with_variants(dataset, turn)


class MazePairs:
    """Pairs under variants of each maze, fixed or fresh; variant k has transform k."""

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
        change = self.augmentation(picks).to(self._device)
        turned = partial(augment, augmentation=change)
        return changed_pairs(self._train, picks.rows, self._device, turned)


@cache
def _source_cells(length: int) -> Tensor:
    """Return the cell int32 [8, L] that each cell comes from under each transform."""
    side = round(length**0.5)
    cells = np.arange(length, dtype=np.int32).reshape(side, side)
    turned = [transform_grid(cells, dihedral).ravel() for dihedral in range(NUM_DIHEDRAL)]
    return torch.from_numpy(np.stack(turned))
