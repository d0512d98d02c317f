"""Augmentation of ARC grids on their canvas, for whole batches on any device.

Grids travel as tokens [B, L] with L = side·side: the colours, an end-of-sequence border one row
below and one column right of the grid where the canvas has room, and padding elsewhere. They are
turned, recoloured and moved (HRM paper, section 3.1).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from puzzle_datasets.common.dihedral import INVERSE, REVERSES_COLUMNS, REVERSES_ROWS, SWAPS_AXES
from puzzle_datasets.storage.schema import COLOUR_OFFSET, EOS, PAD

# A frame is a canvas with one line more for the border of a grid that fills it, and one of
# padding: any position on the new canvas, also outside the grid, is some position in the frame.
_FRAME = 2


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """A change of each pair of a batch.

    `dihedral` [B] is the index of the transform, `colours` [B, 10] the new colour of each
    colour, `offsets` [B, 2] the row and column of the grid's top-left cell on the canvas.
    """

    dihedral: Tensor
    colours: Tensor
    offsets: Tensor

    def at(self, rows: Tensor | slice) -> "Augmentation":
        """Return the augmentations of some of the pairs."""
        return Augmentation(**{name: values[rows] for name, values in vars(self).items()})


def frame(tokens: Tensor, sizes: Tensor) -> Tensor:
    """Return grids [B, side + 2, side + 2] with their whole border: what `augment` reads from.

    `tokens` [B, L] has grids of `sizes` [B, 2] in the corner; what is beyond them is dropped.
    """
    side = canvas_side(tokens)
    padded = torch.nn.functional.pad(tokens.view(-1, side, side), (0, _FRAME, 0, _FRAME))
    lines = torch.arange(side + _FRAME, device=tokens.device)
    height, width = sizes[:, :1], sizes[:, 1:]
    in_rows, in_columns = lines < height, lines < width
    inside = in_rows[:, :, None] & in_columns[:, None, :]
    below = (lines == height)[:, :, None] & in_columns[:, None, :]
    right = in_rows[:, :, None] & (lines == width)[:, None, :]
    return torch.where(below | right, EOS, padded * inside)


def augment(
    framed: Tensor, sizes: Tensor, augmentation: Augmentation, padding: int = PAD
) -> Tensor:
    """Return the augmented tokens int32 [B, L] of grids that `frame` made, of `sizes` [B, 2].

    A moved grid must lie within the canvas. `padding` is what padding becomes, for labels the one
    that is ignored.
    """
    stride = framed.shape[2]
    dihedral = augmentation.dihedral
    positions = torch.arange(stride - _FRAME, device=framed.device)
    i, j = (positions - augmentation.offsets[:, axis, None] for axis in (0, 1))
    swaps = _lookup(SWAPS_AXES, dihedral)
    new_row, new_column = torch.where(swaps, j, i), torch.where(swaps, i, j)
    row = _source_line(new_row, sizes[:, :1], _lookup(REVERSES_ROWS, dihedral), stride)
    column = _source_line(new_column, sizes[:, 1:], _lookup(REVERSES_COLUMNS, dihedral), stride)
    along_i = torch.where(swaps, column, row * stride).int()
    along_j = torch.where(swaps, row * stride, column).int()
    base_tokens = _pick(framed.flatten(1), (along_i[:, :, None] + along_j[:, None, :]).flatten(1))
    paddings = torch.full((len(framed),), padding, device=framed.device)
    return _pick(token_table(augmentation.colours, paddings), base_tokens.int())


def augment_corner(tokens: Tensor, sizes: Tensor, augmentation: Augmentation) -> Tensor:
    """Return `augment` of the `frame` of grids [B, L] in the canvas's corner, int32 [B, L]."""
    return augment(frame(tokens, sizes), sizes, augmentation)


def undo(tokens: Tensor, augmentation: Augmentation) -> tuple[Tensor, Tensor]:
    """Return base tokens int32 [B, L] and sizes [B, 2] of augmented grids: augment's inverse.

    The grid is what `crop` finds at the augmentation's offset, so a model's prediction, whose
    border may be wrong, is read as the published evaluation reads it.
    """
    corner = _to_corner(tokens, augmentation.offsets)
    sizes = crop(corner)
    inverse = Augmentation(
        dihedral=_lookup(INVERSE, augmentation.dihedral).squeeze(1),
        colours=augmentation.colours.argsort(1),
        offsets=torch.zeros_like(augmentation.offsets),
    )
    base_sizes = transformed_sizes(sizes, inverse.dihedral)
    return augment_corner(corner, sizes, inverse), base_sizes


def crop(tokens: Tensor) -> Tensor:
    """Return height and width [B, 2] of the largest top-left rectangle of colours in [B, L].

    Of rectangles with equal area the one of fewest rows is taken; without any colour it is (0, 0).
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


def token_table(colours: Tensor, paddings: Tensor) -> Tensor:
    """Return what each token becomes, int32 [B, 12], under new colours [B, 10], paddings [B]."""
    fixed = torch.stack([paddings, torch.full_like(paddings, EOS)], 1)
    return torch.cat([fixed.int(), colours.int() + COLOUR_OFFSET], 1)


def canvas_side(tokens: Tensor) -> int:
    """Return the side of the square canvas behind tokens [B, L]."""
    side = math.isqrt(tokens.shape[1])
    assert side * side == tokens.shape[1], f"{tokens.shape[1]} tokens fill no square"
    return side


def _lookup(table: tuple[int, ...], dihedral: Tensor) -> Tensor:
    """Return the table's entry of each transform, as a column [B, 1]."""
    return torch.tensor(table, device=dihedral.device)[dihedral.long()][:, None]


def _source_line(new: Tensor, extent: Tensor, reverses: Tensor, stride: int) -> Tensor:
    """Return the frame's line [B, side] for each new one: the grid's, its border or padding."""
    in_grid = torch.where(reverses, extent - 1 - new, new)
    beyond = torch.where(new == extent, extent, stride - 1)
    return torch.where((new >= 0) & (new < extent), in_grid, beyond)


def _pick(values: Tensor, index: Tensor) -> Tensor:
    """Return `values.gather(1, index)` for an int32 index, which halves the time."""
    count, width = values.shape
    starts = torch.arange(0, count * width, width, dtype=torch.int32, device=values.device)
    flat = (index + starts[:, None]).flatten()
    return values.flatten().index_select(0, flat).view_as(index)


def _to_corner(tokens: Tensor, offsets: Tensor) -> Tensor:
    """Move the cell at each offset to the canvas's corner; what enters from outside is padding."""
    side = canvas_side(tokens)
    positions = torch.arange(side, device=tokens.device)
    i, j = (positions + offsets[:, axis, None] for axis in (0, 1))
    index = i.clamp_max(side - 1)[:, :, None] * side + j.clamp_max(side - 1)[:, None, :]
    kept = (i < side)[:, :, None] & (j < side)[:, None, :]
    return tokens.gather(1, index.flatten(1)) * kept.flatten(1)
