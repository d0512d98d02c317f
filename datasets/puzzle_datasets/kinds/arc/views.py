"""ARC's test inputs in the views in which a model votes on them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from puzzle_datasets.common.dihedral import NUM_DIHEDRAL
from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.kinds.arc.augment import Augmentation, augment_corner
from puzzle_datasets.loading.batch import Batch, Share, as_batch
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import ARC_COLOURS

_EXAMPLE_BITS = 16


@dataclass(frozen=True)
class InputIndex:
    """The rows of a test split by test input, of which augmented copies may be stored.

    `of_row` int64 [n] numbers each row's input; `rows` [n] has those of one input side by side, an
    un-augmented one first; `starts` int64 [I + 1] says where in `rows` each begins.
    """

    of_row: Tensor
    rows: Tensor
    starts: Tensor

    @classmethod
    def of(cls, dataset: PuzzleDataset) -> "InputIndex":
        """Return the index of a set's test split: an input is an example of a group."""
        test = dataset.test
        keys = (test.group.long() << _EXAMPLE_BITS) + test.details["example"].long()
        _, of_row, counts = np.unique(keys.numpy(), return_inverse=True, return_counts=True)
        own = stored_augmentation(dataset, torch.arange(len(test)))
        is_changed = (own.dihedral != 0) | (own.colours != torch.arange(ARC_COLOURS)).any(1)
        rows = np.lexsort((is_changed.numpy(), of_row))
        starts = np.concatenate([[0], counts.cumsum()])
        return cls(*map(torch.from_numpy, (of_row, rows, starts)))

    @property
    def first_row(self) -> Tensor:
        """One row [I] of each input, un-augmented where there is such a row."""
        return self.rows[self.starts[:-1]]


@dataclass(frozen=True, kw_only=True)
class VotingBatch:
    """Test pairs of `rows` [B] in some view, inputs and labels, as `ArcVotes.add` undoes it."""

    batch: Batch
    rows: Tensor
    augmentation: Augmentation


@dataclass(frozen=True)
class _Views:
    """Test `rows` [n] in the order they are served, each under one identity's recipe."""

    rows: Tensor
    identifiers: Tensor
    augmentation: Augmentation

    @classmethod
    def of(cls, rows: Tensor, identifiers: Tensor, dihedral: Tensor, colours: Tensor) -> "_Views":
        corners = torch.zeros(len(rows), 2, dtype=torch.int64)
        recipes = Augmentation(dihedral=dihedral, colours=colours, offsets=corners)
        return cls(rows, identifiers, recipes)

    def part(self, at: slice) -> "_Views":
        return _Views(self.rows[at], self.identifiers[at], self.augmentation.at(at))


def voting_batches(
    dataset: PuzzleDataset, *, batch_size: int, views: int, share: Share | None = None
) -> Iterator[VotingBatch]:
    """Yield every test pair in up to `views` views, grids in the canvas's corner.

    All pairs come un-augmented first, then all in a second view, and so on, so that a pass that
    is cut short has seen each. The views are the identities of the pair's task; the
    copies at hand where the set stores augmented pairs; and where augmentation is fresh, and
    tasks have one identity only, recipes drawn from the set's own seed. With `share`, the
    processes take turns, view by view. The last batch may be short.
    """
    assert views >= 1, views
    share = share or Share()
    plans = {"stored": _stored_views, "table": _table_views, "fresh": _drawn_views}
    plan = plans[dataset.manifest.augmentation]
    mine = plan(dataset, views).part(slice(share.rank, None, share.world_size))
    for begin in range(0, len(mine.rows), batch_size):
        part = mine.part(slice(begin, begin + batch_size))
        batch = _as_seen(dataset, part)
        yield VotingBatch(batch=batch, rows=part.rows, augmentation=part.augmentation)


def stored_augmentation(dataset: PuzzleDataset, rows: Tensor) -> Augmentation:
    """Return how the stored test pairs of rows [B] differ from their task's own."""
    return _under(dataset, rows, dataset.test.puzzle_identifier[rows].long() - 1).augmentation


def _under(dataset: PuzzleDataset, rows: Tensor, identity_rows: Tensor) -> _Views:
    identities = dataset.identities
    assert identities is not None, f"{dataset.manifest.name} holds no ARC tasks"
    recipes = identities.dihedral[identity_rows], identities.colours[identity_rows]
    return _Views.of(rows, (identity_rows + 1).int(), *recipes)


def _table_views(dataset: PuzzleDataset, views: int) -> _Views:
    table = dataset.identities
    assert table is not None
    groups = dataset.test.group.long()
    starts = torch.searchsorted(table.group, groups)
    ends = torch.searchsorted(table.group, groups, right=True)
    rows, identity_rows = _in_turns(starts, ends, views)
    return _under(dataset, rows, identity_rows)


def _stored_views(dataset: PuzzleDataset, views: int) -> _Views:
    index = InputIndex.of(dataset)
    _, position = _in_turns(index.starts[:-1], index.starts[1:], views)
    rows = index.rows[position]
    return _under(dataset, rows, dataset.test.puzzle_identifier[rows].long() - 1)


def _in_turns(starts: Tensor, ends: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Walk the ranges from `starts` [R] to `ends`: first of each, second of each, and so on.

    Return the range and the position [n] of each step; no range gives more than `most`.
    """
    lengths = (ends - starts).clamp_max(most)
    turn, at = (torch.arange(int(lengths.max()))[:, None] < lengths).nonzero(as_tuple=True)
    return at, starts[at] + turn


def _drawn_views(dataset: PuzzleDataset, views: int) -> _Views:
    groups, inverse = np.unique(dataset.test.group.numpy(), return_inverse=True)
    group_at = torch.from_numpy(inverse)
    seed = dataset.manifest.settings["seed"]
    recipes = [_draw_recipes(seed, group, views) for group in groups.tolist()]
    dihedral, colours = (torch.stack(parts) for parts in zip(*recipes, strict=True))
    rows = torch.arange(len(group_at)).repeat(views)
    turn = torch.arange(views).repeat_interleave(len(group_at))
    at = group_at[rows], turn
    return _Views.of(rows, dataset.test.puzzle_identifier[rows], dihedral[at], colours[at])


def _draw_recipes(seed: int, group: int, count: int) -> tuple[Tensor, Tensor]:
    """Return dihedral transforms [count] and colours [count, 10]; the first change nothing."""
    generator = keyed_generator("voting guises", seed, group)
    dihedral = generator.integers(0, NUM_DIHEDRAL, count)
    colours = np.tile(np.arange(ARC_COLOURS, dtype=np.uint8), (count, 1))
    colours[1:, 1:] = generator.permuted(colours[1:, 1:], axis=1)
    dihedral[0] = 0
    return torch.from_numpy(dihedral), torch.from_numpy(colours)


def _as_seen(dataset: PuzzleDataset, views: _Views) -> Batch:
    test, rows = dataset.test, views.rows
    inputs, labels = test.inputs[rows], test.labels[rows]
    if dataset.manifest.augmentation != "stored":
        inputs = augment_corner(inputs, test.input_sizes[rows], views.augmentation)
        labels = augment_corner(labels, test.label_sizes[rows], views.augmentation)
    return as_batch(inputs, labels, views.identifiers)
