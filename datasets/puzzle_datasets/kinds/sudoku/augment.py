"""Augmentation of Sudoku: exchanged digits, moved lines, and the transpose of square boxes.

Lines move with their band or stack, or within it, so that a solution stays one. Grids travel as
token sequences [B, L] with L = side·side: 0 padding, 1 a blank, d + 1 the digit d.
"""

import itertools
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor

from puzzle_datasets.kinds.sudoku.rules import DIGIT_OFFSET
from puzzle_datasets.loading.batch import (
    Batch,
    Picks,
    Variants,
    below,
    changed_pairs,
    counter_draws,
    counter_key,
    permutations,
    send,
)
from puzzle_datasets.loading.served import Change, ServedSplit, with_variants
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import Manifest, Split

_FIRST_DIGIT = DIGIT_OFFSET + 1
_DRAWS_BESIDE_DIGITS = 3


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """A change of each grid of a batch: transposed or not, then its lines and digits moved.

    `transposes` bool [B]; `rows` and `columns` int64 [B, side], the line that comes to each
    place; `digits` int64 [B, side], where `digits[b, d - 1]` + 1 is what digit d becomes.
    """

    transposes: Tensor
    rows: Tensor
    columns: Tensor
    digits: Tensor

    def to(self, device: torch.device) -> "Augmentation":
        """Return the augmentation on another device."""
        return Augmentation(**{name: send(part, device) for name, part in vars(self).items()})


def augment(tokens: Tensor, augmentation: Augmentation) -> Tensor:
    """Return the augmented tokens int32 [B, L] of grids [B, L]."""
    rows, columns, swaps = augmentation.rows, augmentation.columns, augmentation.transposes
    side = rows.shape[1]
    row_step = torch.where(swaps, 1, side)[:, None]
    cells = (rows * row_step)[:, :, None] + (columns * (side + 1 - row_step))[:, None, :]
    moved = tokens.gather(1, cells.flatten(1))
    fixed = torch.arange(_FIRST_DIGIT, device=tokens.device).expand(len(tokens), -1)
    new_tokens = torch.cat([fixed, augmentation.digits + _FIRST_DIGIT], 1).int()
    return new_tokens.gather(1, moved.long())


def undo(tokens: Tensor, augmentation: Augmentation) -> Tensor:
    """Return the tokens int32 [B, L] of which `augment` made these."""
    swaps = augmentation.transposes[:, None]
    rows, columns = augmentation.rows.argsort(1), augmentation.columns.argsort(1)
    inverse = Augmentation(
        transposes=augmentation.transposes,
        rows=torch.where(swaps, columns, rows),
        columns=torch.where(swaps, rows, columns),
        digits=augmentation.digits.argsort(1),
    )
    return augment(tokens, inverse)


def drawn(words: Tensor, box: tuple[int, int]) -> Augmentation:
    """Return uniform augmentations for draws [B, side + 3] in [0, 2**32); zeros change nothing."""
    height, width = box
    row_orders, column_orders = line_orders(width, height), line_orders(height, width)
    transposes = below(words[:, 0], 2).bool()
    return Augmentation(
        transposes=transposes & (height == width),
        rows=row_orders[below(words[:, 1], len(row_orders))],
        columns=column_orders[below(words[:, 2], len(column_orders))],
        digits=permutations(words[:, _DRAWS_BESIDE_DIGITS:]),
    )


@cache
def line_orders(bands: int, lines: int) -> Tensor:
    """Return every order, int64 [K, bands·lines], of bands of lines; the first changes nothing."""
    within = list(itertools.permutations(range(lines)))
    orders = [
        [band * lines + line for band, inner in zip(order, inners, strict=True) for line in inner]
        for order in itertools.permutations(range(bands))
        for inners in itertools.product(within, repeat=bands)
    ]
    return torch.tensor(orders)


def variant_changes(manifest: Manifest, rows: Tensor, variants: Tensor) -> Augmentation:
    """Return the variants int64 [B] of training rows, by the set's own seed; 0 changes nothing."""
    assert manifest.box is not None, f"{manifest.name} has no boxes"
    key = counter_key("variants of Sudoku pairs", manifest.settings["seed"])
    words = counter_draws(key, (variants, rows), manifest.grid[0] + _DRAWS_BESIDE_DIGITS)
    words[variants == 0] = 0
    return drawn(words, manifest.box)


def served(dataset: PuzzleDataset) -> dict[Split, ServedSplit]:
    """Return both splits of a set under a table, every puzzle followed by its variants."""

    def change(manifest: Manifest, rows: Tensor, variants: Tensor) -> Change:
        return partial(augment, augmentation=variant_changes(manifest, rows, variants))

    return with_variants(dataset, change)


class SudokuPairs:
    """Pairs under fixed variants of each puzzle, or augmented anew in every epoch.

    The variant that an epoch shows and fresh augmentations depend on the loader's `seed`, what a
    variant is on the set's own.
    """

    def __init__(self, dataset: PuzzleDataset, seed: int, device: torch.device) -> None:
        manifest = dataset.manifest
        assert manifest.box is not None, f"{manifest.name} has no boxes"
        self._train, self._manifest, self._device = dataset.train, manifest, device
        self._box = manifest.box
        self._key = counter_key("fresh Sudoku pairs", seed)
        self._variants: Variants | None = None
        if manifest.augmentation == "table":
            self._variants = Variants(manifest.settings["augmentations"], seed)

    def augmentation(self, picks: Picks) -> Augmentation:
        """Return how each picked pair is changed."""
        if self._variants is not None:
            return variant_changes(self._manifest, picks.rows, self._variants.of(picks))
        count = self._manifest.grid[0] + _DRAWS_BESIDE_DIGITS
        words = counter_draws(self._key, (picks.epochs, picks.rows), count)
        return drawn(words, self._box)

    def batch(self, picks: Picks) -> Batch:
        """Return the picked pairs, augmented, under the identifiers that they are stored with."""
        change = self.augmentation(picks).to(self._device)
        changed = partial(augment, augmentation=change)
        return changed_pairs(self._train, picks.rows, self._device, changed)
