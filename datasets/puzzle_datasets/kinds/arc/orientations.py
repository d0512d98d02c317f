"""ARC grids in all eight orientations, from which augmented canvases are cut as plain runs.

A translation then only shifts where the run begins, and all that is left to do for a batch is to
exchange colours.
"""

import torch
from torch import Tensor

from puzzle_datasets.common.dihedral import NUM_DIHEDRAL
from puzzle_datasets.kinds.arc.augment import (
    Augmentation,
    augment,
    canvas_side,
    frame,
    token_table,
    transformed_sizes,
)
from puzzle_datasets.loading.batch import send
from puzzle_datasets.storage.schema import ARC_COLOURS, ARC_VOCAB_SIZE

# Two lines more than the canvas has: one for the border of a grid that fills it, and one of
# padding on top, so that a run that begins left of its grid meets no other.
_MARGIN = 2


class Orientations:
    """Grids in every orientation, on one device; they take 8·(side + 2)² bytes a grid.

    An oriented grid and its border stand at the bottom of a square. The squares follow each other
    from the tallest grid to the lowest, so that the padding a run needs behind its grid is always
    found on top of the next square.
    """

    def __init__(self, tokens: Tensor, sizes: Tensor, device: torch.device) -> None:
        """Turn grids, tokens uint8 [n, L] in the canvas's corner, of sizes int64 [n, 2]."""
        self._side = canvas_side(tokens)
        self._stride = self._side + _MARGIN
        self._grids = len(tokens)
        tops = torch.cat([self._tops(sizes, dihedral) for dihedral in range(NUM_DIHEDRAL)])
        places = tops.argsort(stable=True).argsort()
        squares = self._squares(tokens, sizes, tops, places)
        flat = squares.flatten().to(device)
        length = self._side * self._stride
        self._runs = flat.as_strided((len(flat) - length + 1, length), (1, 1))
        self._starts = places * squares.shape[1] + tops * self._stride

    def augmented(self, grids: Tensor, augmentation: Augmentation, paddings: Tensor) -> Tensor:
        """Return what ``augment`` makes of some grids, int32 [B, L].

        Args:
            grids: their numbers, int64 [B] on the host, as the augmentation.
            augmentation: one for each grid; the moved grid must lie within the canvas.
            paddings: int32 [B], what padding becomes.
        """
        shifts = augmentation.offsets[:, 0] * self._stride + augmentation.offsets[:, 1]
        starts = self._starts[augmentation.dihedral * self._grids + grids] - shifts
        device = self._runs.device
        runs = self._runs.index_select(0, send(starts, device))
        tokens = runs.view(-1, self._side, self._stride)[:, :, : self._side].int()
        new_tokens = send(token_table(augmentation.colours, paddings), device)
        count = new_tokens.numel()
        first = torch.arange(0, count, ARC_VOCAB_SIZE, dtype=torch.int32, device=device)
        index = tokens.add_(first[:, None, None]).flatten()
        return new_tokens.flatten().index_select(0, index).view(len(grids), -1)

    def _tops(self, sizes: Tensor, dihedral: int) -> Tensor:
        """Return the line [n] of its square where each oriented grid begins."""
        transforms = torch.full((len(sizes),), dihedral)
        return self._stride - 1 - transformed_sizes(sizes, transforms)[:, 0]

    def _squares(self, tokens: Tensor, sizes: Tensor, tops: Tensor, places: Tensor) -> Tensor:
        """Return the squares uint8 [8·n + 1, stride²] of all orientations, and a blank one last.

        ``tops`` and ``places`` [8·n] say where a grid is in its square, and that among all.
        """
        corners = tokens.view(-1, self._side, self._side)
        corners = torch.nn.functional.pad(corners, (0, _MARGIN, 0, _MARGIN))
        framed = frame(corners.flatten(1), sizes)
        squares = tokens.new_zeros(len(places) + 1, self._stride**2)
        each = zip(tops.view(NUM_DIHEDRAL, -1), places.view(NUM_DIHEDRAL, -1), strict=True)
        for dihedral, (top, place) in enumerate(each):
            to_bottom = Augmentation(
                dihedral=torch.full_like(top, dihedral),
                colours=torch.arange(ARC_COLOURS).expand(len(tokens), -1),
                offsets=torch.stack([top, torch.zeros_like(top)], 1),
            )
            squares[place] = augment(framed, sizes, to_bottom).byte()
        return squares
