"""Batches of augmented ARC pairs: under a fixed table of identities, or anew in every epoch.

Input and label of a pair are changed alike (HRM paper, section 3.1). All draws are made on the
host; the device gets the positions and colours and makes the canvases.
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
from puzzle_datasets.loading.batch import (
    Augmenter,
    Batch,
    Picks,
    Words,
    below,
    counter_draws,
    counter_key,
    permutations,
    send,
)
from puzzle_datasets.storage.dataset import PairTable, PuzzleDataset
from puzzle_datasets.storage.schema import (
    ARC_COLOURS,
    ARC_VOCAB_SIZE,
    BLANK_IDENTIFIER,
    IGNORE_LABEL,
    PAD,
)

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
        transforms = torch.arange(NUM_DIHEDRAL).repeat_interleave(len(sizes))
        heights = transformed_sizes(sizes.repeat(NUM_DIHEDRAL, 1), transforms)[:, 0]
        tops = self._stride - 1 - heights  # the line of its square where an oriented grid begins
        positions = tops.argsort(stable=True).argsort()
        squares = self._squares(tokens, sizes, tops, positions)
        flat = squares.flatten().to(device)
        length = self._side * self._stride
        self._runs = flat.as_strided((len(flat) - length + 1, length), (1, 1))
        self._starts = positions * squares.shape[1] + tops * self._stride

    def augmented(self, grids: Tensor, augmentation: Augmentation, paddings: Tensor) -> Tensor:
        """Return what `augment` makes of some grids, int32 [B, L]; all arguments are on the host.

        `grids` int64 [B] are their numbers, `paddings` int32 [B] what padding becomes; the moved
        grid must lie within the canvas.
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

    def _squares(self, tokens: Tensor, sizes: Tensor, tops: Tensor, positions: Tensor) -> Tensor:
        """Return the squares uint8 [8·n + 1, stride²] of all orientations, and a blank one last.

        `tops` and `positions` [8·n] say where a grid is in its square, and that among all.
        """
        corners = tokens.view(-1, self._side, self._side)
        corners = torch.nn.functional.pad(corners, (0, _MARGIN, 0, _MARGIN))
        framed = frame(corners.flatten(1), sizes)
        squares = tokens.new_zeros(len(positions) + 1, self._stride**2)
        each = zip(tops.view(NUM_DIHEDRAL, -1), positions.view(NUM_DIHEDRAL, -1), strict=True)
        for dihedral, (top, position) in enumerate(each):
            to_bottom = Augmentation(
                dihedral=torch.full_like(top, dihedral),
                colours=torch.arange(ARC_COLOURS).expand(len(tokens), -1),
                offsets=torch.stack([top, torch.zeros_like(top)], 1),
            )
            squares[position] = augment(framed, sizes, to_bottom).byte()
        return squares


class TablePairs:
    """Pairs under the set's fixed identities, as in the published build: the same in all runs."""

    def __init__(self, dataset: PuzzleDataset, device: torch.device) -> None:
        assert dataset.identities is not None, f"{dataset.manifest.name} has no identities"
        self._identities = dataset.identities
        self._canvases = _PairCanvases(dataset.train, device)
        seed = dataset.manifest.settings["seed"]
        self._key = counter_key("offsets of ARC pairs", seed)
        self._translation = _Translation(dataset.train, seed)

    def augmentation(self, picks: Picks) -> Augmentation:
        """Return how each picked pair is changed."""
        dihedral = self._identities.dihedral[picks.puzzles]
        draws = counter_draws(self._key, (picks.puzzles, picks.rows), 2)
        return Augmentation(
            dihedral=dihedral,
            colours=self._identities.colours[picks.puzzles],
            offsets=self._translation.offsets(draws, picks.puzzles, picks.rows, dihedral),
        )

    def batch(self, picks: Picks) -> Batch:
        """Return the picked pairs, each under the identifier of its identity."""
        identifiers = (picks.puzzles + BLANK_IDENTIFIER + 1).int()
        return self._canvases.batch(picks.rows, self.augmentation(picks), identifiers)


class FreshPairs:
    """Pairs augmented anew in every epoch, all under their task's one identifier."""

    def __init__(self, dataset: PuzzleDataset, seed: int, device: torch.device) -> None:
        self._train = dataset.train
        self._key = counter_key("fresh ARC pairs", seed)
        self._canvases = _PairCanvases(dataset.train, device)
        self._translation = _Translation(dataset.train, seed)

    def augmentation(self, picks: Picks) -> Augmentation:
        """Return how each picked pair is changed; colour 0 stays as it is."""
        draws = counter_draws(self._key, (picks.epochs, picks.rows), ARC_COLOURS + 2)
        dihedral = below(draws[:, 0], NUM_DIHEDRAL)
        colours = torch.nn.functional.pad(permutations(draws[:, 1:ARC_COLOURS]) + 1, (1, 0))
        for_offsets = draws[:, ARC_COLOURS:]
        offsets = self._translation.offsets(for_offsets, picks.epochs, picks.rows, dihedral)
        return Augmentation(dihedral=dihedral, colours=colours, offsets=offsets)

    def batch(self, picks: Picks) -> Batch:
        """Return the picked pairs, each under the identifier of its task."""
        identifiers = self._train.puzzle_identifier[picks.rows]
        return self._canvases.batch(picks.rows, self.augmentation(picks), identifiers)


def augmenter(dataset: PuzzleDataset, seed: int, device: torch.device) -> Augmenter:
    """Return what serves training pairs under the set's augmentation."""
    if dataset.manifest.augmentation == "table":
        return TablePairs(dataset, device)
    return FreshPairs(dataset, seed, device)


class _PairCanvases:
    """Inputs and labels of all training pairs, kept where they are augmented."""

    def __init__(self, train: PairTable, device: torch.device) -> None:
        self._pairs = len(train)
        self._grids = Orientations(
            torch.cat([train.inputs, train.labels]),
            torch.cat([train.input_sizes, train.label_sizes]),
            device,
        )

    def batch(self, rows: Tensor, augmentation: Augmentation, identifiers: Tensor) -> Batch:
        """Return the pairs of some rows; all arguments [B] are on the host."""
        for_both = augmentation.at(torch.arange(len(rows)).repeat(2))
        grids = torch.cat([rows, rows + self._pairs])
        paddings = torch.tensor([PAD, IGNORE_LABEL]).repeat_interleave(len(rows))
        tokens = self._grids.augmented(grids, for_both, paddings)
        moved = send(identifiers, tokens.device)
        return Batch(tokens[: len(rows)], tokens[len(rows) :], moved)


class _Translation:
    """Where the grids of a pair are put on their canvas: uniform over the room there.

    Of the pairs of a group one at a time, any of them as likely, stays in the corner.
    """

    def __init__(self, train: PairTable, seed: int) -> None:
        self._corner_key: Words = counter_key("ARC pairs in the corner", seed)
        self._side = canvas_side(train.inputs)
        self._sizes = torch.maximum(train.input_sizes, train.label_sizes)
        self._first = torch.searchsorted(train.group, train.group)
        self._count = torch.searchsorted(train.group, train.group, right=True) - self._first

    def offsets(self, draws: Tensor, variants: Tensor, rows: Tensor, dihedral: Tensor) -> Tensor:
        """Return the offsets [B, 2] of pairs at `rows`, turned by `dihedral`, from draws [B, 2].

        A group's `variants`, identities or epochs int64 [B], each have one pair in the corner.
        """
        room = self._side - transformed_sizes(self._sizes[rows], dihedral)
        offsets = below(draws, room + 1)
        first = self._first[rows]
        corners = counter_draws(self._corner_key, (variants, first), 1).squeeze(1)
        in_corner = rows == first + below(corners, self._count[rows])
        return offsets.masked_fill_(in_corner[:, None], 0)
