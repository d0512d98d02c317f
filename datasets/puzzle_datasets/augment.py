"""Augmentation of ARC grids on their canvas, for whole batches on any device.

An augmented pair is its base pair after a dihedral transform, a permutation of the colours and
a translation on the canvas, the same for input and label. Grids travel as token sequences
[B, L] with L = side·side: the colours, an end-of-sequence border one row below and one column
right of the grid where the canvas has room, and padding elsewhere (HRM paper, section 3.1).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from puzzle_datasets.dihedral import INVERSE, REVERSES_COLUMNS, REVERSES_ROWS, SWAPS_AXES
from puzzle_datasets.schema import ARC_COLOURS, ARC_VOCAB_SIZE, COLOUR_OFFSET, EOS, PAD


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How each pair of a batch is changed.

    ``dihedral`` [B] is the index of the transform, ``colours`` [B, 10] the new colour of each
    colour, ``offsets`` [B, 2] the row and column of the grid's top-left cell on the canvas.
    """

    dihedral: Tensor
    colours: Tensor
    offsets: Tensor

    @classmethod
    def identity(cls, batch: int, device: torch.device | str = "cpu") -> "Augmentation":
        """Return the augmentation that leaves ``batch`` pairs as they are."""
        return cls(
            dihedral=torch.zeros(batch, dtype=torch.long, device=device),
            colours=torch.arange(ARC_COLOURS, device=device).expand(batch, -1),
            offsets=torch.zeros(batch, 2, dtype=torch.long, device=device),
        )


def augment(base: Tensor, sizes: Tensor, augmentation: Augmentation) -> Tensor:
    """Return the augmented tokens uint8 [B, L] of base grids.

    Args:
        base: tokens uint8 [B, L] of grids in the canvas's top-left corner.
        sizes: height and width [B, 2] of those grids.
        augmentation: one for each grid; the moved grid must lie within the canvas.
    """
    side = canvas_side(base)
    swaps = _lookup(SWAPS_AXES, augmentation.dihedral)
    new_sizes = transformed_sizes(sizes, augmentation.dihedral)
    # Cell (i, j) of the new grid, for every row and column of the canvas: [B, side] each.
    places = torch.arange(side, device=base.device)
    i, j = (places - augmentation.offsets[:, axis, None] for axis in (0, 1))
    rows = _source(torch.where(swaps, j, i), sizes[:, :1], REVERSES_ROWS, augmentation.dihedral)
    columns = _source(
        torch.where(swaps, i, j), sizes[:, 1:], REVERSES_COLUMNS, augmentation.dihedral
    )
    along_i = torch.where(swaps, columns, rows * side)
    along_j = torch.where(swaps, rows * side, columns)
    tokens = base.gather(1, (along_i[:, :, None] + along_j[:, None, :]).flatten(1))
    tokens = _token_table(augmentation.colours).gather(1, tokens.long())
    return _frame(tokens.view(-1, side, side), i, j, new_sizes).flatten(1)


def undo(tokens: Tensor, augmentation: Augmentation) -> tuple[Tensor, Tensor]:
    """Return base tokens uint8 [B, L] and sizes [B, 2] of augmented grids: augment's inverse.

    The grid is what ``crop`` finds at the augmentation's offset, so a model's prediction, whose
    border may be wrong, is read as the published evaluation reads it.
    """
    moved = _to_corner(tokens, augmentation.offsets)
    sizes = crop(moved)
    inverse = Augmentation(
        dihedral=_lookup(INVERSE, augmentation.dihedral).squeeze(1),
        colours=augmentation.colours.argsort(1),
        offsets=torch.zeros_like(augmentation.offsets),
    )
    return augment(moved, sizes, inverse), transformed_sizes(sizes, augmentation.dihedral)


def crop(tokens: Tensor) -> Tensor:
    """Return height and width [B, 2] of the largest top-left rectangle of colours in [B, L].

    Of rectangles with equal area the flattest is taken; without any colour it is (0, 0).
    """
    side = canvas_side(tokens)
    is_colour = (tokens >= COLOUR_OFFSET).view(-1, side, side)
    # The widest rectangle of h rows is as wide as the shortest run of colours among them.
    widths = is_colour.long().cumprod(2).sum(2).cummin(1).values
    heights = torch.arange(1, side + 1, device=tokens.device)
    best = (widths * heights).argmax(1, keepdim=True)
    width = widths.gather(1, best)
    return torch.cat([(best + 1) * (width > 0), width], 1)


def transformed_sizes(sizes: Tensor, dihedral: Tensor) -> Tensor:
    """Return height and width [B, 2] after the dihedral transforms [B]."""
    return torch.where(_lookup(SWAPS_AXES, dihedral), sizes.flip(1), sizes)


def canvas_side(tokens: Tensor) -> int:
    """Return the side of the square canvas behind tokens [B, L]."""
    side = math.isqrt(tokens.shape[1])
    assert side * side == tokens.shape[1], f"{tokens.shape[1]} tokens fill no square"
    return side


def _lookup(table: tuple[int, ...], dihedral: Tensor) -> Tensor:
    """Return the table's entry of each transform, as a column [B, 1]."""
    return torch.tensor(table, device=dihedral.device)[dihedral.long()][:, None]


def _source(cells: Tensor, extent: Tensor, reverses: tuple[bool, ...], dihedral: Tensor) -> Tensor:
    """Return base coordinates [B, side] of new cells; those outside the grid are clamped to it."""
    source = torch.where(_lookup(reverses, dihedral), extent - 1 - cells, cells)
    return source.clamp_min(0).minimum((extent - 1).clamp_min(0))


def _token_table(colours: Tensor) -> Tensor:
    """Return the new token uint8 [B, 12] of each token under new colours [B, 10]."""
    table = torch.tensor([PAD, EOS], device=colours.device).expand(len(colours), -1)
    table = torch.cat([table, colours.long() + COLOUR_OFFSET], 1).to(torch.uint8)
    assert table.shape[1] == ARC_VOCAB_SIZE
    return table


def _frame(tokens: Tensor, i: Tensor, j: Tensor, sizes: Tensor) -> Tensor:
    """Keep tokens [B, side, side] within the grid and draw its border, corner left as padding."""
    height, width = sizes[:, :1], sizes[:, 1:]
    in_rows, in_columns = (i >= 0) & (i < height), (j >= 0) & (j < width)
    inside = in_rows[:, :, None] & in_columns[:, None, :]
    below = (i == height)[:, :, None] & in_columns[:, None, :]
    right = in_rows[:, :, None] & (j == width)[:, None, :]
    return tokens * inside + (below | right).to(torch.uint8) * EOS


def _to_corner(tokens: Tensor, offsets: Tensor) -> Tensor:
    """Move the cell at each offset to the canvas's corner; what enters from outside is padding."""
    side = canvas_side(tokens)
    places = torch.arange(side, device=tokens.device)
    i, j = (places + offsets[:, axis, None] for axis in (0, 1))
    index = i.clamp_max(side - 1)[:, :, None] * side + j.clamp_max(side - 1)[:, None, :]
    kept = (i < side)[:, :, None] & (j < side)[:, None, :]
    return tokens.gather(1, index.flatten(1)) * kept.flatten(1)
