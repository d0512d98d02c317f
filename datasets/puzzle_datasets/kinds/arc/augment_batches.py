"""Batches of augmented ARC pairs: under a fixed table of identities, or anew in every epoch.

Input and label of a pair are changed alike (HRM paper, section 3.1). All draws are made on the
host; the device gets the places and colours and makes the canvases.
"""

import torch
from torch import Tensor

from puzzle_datasets.common.dihedral import NUM_DIHEDRAL
from puzzle_datasets.kinds.arc.augment import Augmentation, canvas_side, transformed_sizes
from puzzle_datasets.kinds.arc.orientations import Orientations
from puzzle_datasets.loading.batch import Batch, send
from puzzle_datasets.loading.counters import Words, below, counter_draws, counter_key, permutations
from puzzle_datasets.loading.picks import Picks
from puzzle_datasets.storage.dataset import PairTable, PuzzleDataset
from puzzle_datasets.storage.schema import ARC_COLOURS, BLANK_IDENTIFIER, IGNORE_LABEL, PAD


class TablePairs:
    """Pairs under the fixed identities of the set, as in the published build.

    An identity's colours, orientation and translations are part of the set: drawn from the set's
    seed, and the same in all epochs of all runs.
    """

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
        for_both = Augmentation(
            dihedral=augmentation.dihedral.repeat(2),
            colours=augmentation.colours.repeat(2, 1),
            offsets=augmentation.offsets.repeat(2, 1),
        )
        grids = torch.cat([rows, rows + self._pairs])
        paddings = torch.tensor([PAD, IGNORE_LABEL]).repeat_interleave(len(rows))
        tokens = self._grids.augmented(grids, for_both, paddings)
        moved = send(identifiers, tokens.device)
        return Batch(tokens[: len(rows)], tokens[len(rows) :], moved)


class _Translation:
    """Where the grids of a pair are put on their canvas.

    Offsets are uniform over the room that the larger grid leaves on either axis. Of the pairs of
    a group one at a time, any of them as likely, stays in the corner.
    """

    def __init__(self, train: PairTable, seed: int) -> None:
        self._corner_key: Words = counter_key("ARC pairs in the corner", seed)
        self._side = canvas_side(train.inputs)
        self._sizes = torch.maximum(train.input_sizes, train.label_sizes)
        self._first = torch.searchsorted(train.group, train.group)
        self._count = torch.searchsorted(train.group, train.group, right=True) - self._first

    def offsets(self, draws: Tensor, variants: Tensor, rows: Tensor, dihedral: Tensor) -> Tensor:
        """Return the offsets [B, 2] of pairs; a group's ``variants`` each have one in the corner.

        Args:
            draws: what decides the offsets, int64 [B, 2], uniform in [0, 2**32).
            variants: identity or epoch, int64 [B].
            rows: the pairs' rows in the training table, int64 [B].
            dihedral: how they are turned, int64 [B].
        """
        room = self._side - transformed_sizes(self._sizes[rows], dihedral)
        offsets = below(draws, room + 1)
        first = self._first[rows]
        corners = counter_draws(self._corner_key, (variants, first), 1).squeeze(1)
        in_corner = rows == first + below(corners, self._count[rows])
        return offsets.masked_fill_(in_corner[:, None], 0)
