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

    @property
    def copy_of_row(self) -> Tensor:
        """The number int64 [n] of each row among those of its input, in the order of `rows`."""
        order = torch.empty_like(self.rows)
        order[self.rows] = torch.arange(len(self.rows))
        return order - self.starts[self.of_row]


@dataclass(frozen=True, kw_only=True)
class VotingBatch:
    """Test pairs of `rows` [B] in some view, inputs and labels, as `ArcVotes.add` undoes it."""

    batch: Batch
    rows: Tensor
    augmentation: Augmentation


@dataclass(frozen=True)
class Views:
    """Test pairs in views, in the order they are served.

    `rows` int64 [n] of the test split; `turns` int64 [n] number the views of a pair, 0 being its
    own form where the set has that; `identifiers` [n] and `augmentation` are those of each view.
    """

    rows: Tensor
    turns: Tensor
    identifiers: Tensor
    augmentation: Augmentation

    def at(self, chosen: slice | Tensor) -> "Views":
        """Return some of the views."""
        rows, turns, identifiers = self.rows[chosen], self.turns[chosen], self.identifiers[chosen]
        return Views(rows, turns, identifiers, self.augmentation.at(chosen))


def voting_views(dataset: PuzzleDataset, views: int) -> Views:
    """Return every test pair in up to `views` views.

    All pairs come un-augmented first, then all in a second view, and so on, so that a pass that
    is cut short has seen each. The views are the identities of the pair's task; the
    copies at hand where the set stores augmented pairs; and where augmentation is fresh, and
    tasks have one identity only, recipes drawn from the set's own seed.
    """
    assert views >= 1, views
    plans = {"stored": _stored_views, "table": _table_views, "fresh": _drawn_views}
    return plans[dataset.manifest.augmentation](dataset, views)


def view_batches(
    dataset: PuzzleDataset, views: Views, *, batch_size: int, share: Share | None = None
) -> Iterator[VotingBatch]:
    """Yield test pairs in their views, grids in the canvas's corner.

    With `share`, the processes take turns, view by view. The last batch may be short.
    """
    share = share or Share()
    mine = views.at(slice(share.rank, None, share.world_size))
    for begin in range(0, len(mine.rows), batch_size):
        part = mine.at(slice(begin, begin + batch_size))
        batch = _as_seen(dataset, part)
        yield VotingBatch(batch=batch, rows=part.rows, augmentation=part.augmentation)


def voting_batches(
    dataset: PuzzleDataset, *, batch_size: int, views: int, share: Share | None = None
) -> Iterator[VotingBatch]:
    """Yield every test pair in up to `views` views; see `voting_views` and `view_batches`."""
    chosen = voting_views(dataset, views)
    return view_batches(dataset, chosen, batch_size=batch_size, share=share)


def stored_augmentation(dataset: PuzzleDataset, rows: Tensor) -> Augmentation:
    """Return how the stored test pairs of rows [B] differ from their task's own."""
    return _recipes(dataset, dataset.test.puzzle_identifier[rows].long() - 1)


def _recipes(dataset: PuzzleDataset, identity_rows: Tensor) -> Augmentation:
    identities = dataset.identities
    assert identities is not None, f"{dataset.manifest.name} holds no ARC tasks"
    return _in_corner(identities.dihedral[identity_rows], identities.colours[identity_rows])


def _in_corner(dihedral: Tensor, colours: Tensor) -> Augmentation:
    corners = torch.zeros(len(dihedral), 2, dtype=torch.int64)
    return Augmentation(dihedral=dihedral, colours=colours, offsets=corners)


def _under(dataset: PuzzleDataset, rows: Tensor, turns: Tensor, identity_rows: Tensor) -> Views:
    recipes = _recipes(dataset, identity_rows)
    return Views(rows, turns, (identity_rows + 1).int(), recipes)


def _table_views(dataset: PuzzleDataset, views: int) -> Views:
    table = dataset.identities
    assert table is not None
    groups = dataset.test.group.long()
    starts = torch.searchsorted(table.group, groups)
    ends = torch.searchsorted(table.group, groups, right=True)
    rows, turns, identity_rows = _in_turns(starts, ends, views)
    return _under(dataset, rows, turns, identity_rows)


def _stored_views(dataset: PuzzleDataset, views: int) -> Views:
    index = InputIndex.of(dataset)
    _, turns, position = _in_turns(index.starts[:-1], index.starts[1:], views)
    rows = index.rows[position]
    return _under(dataset, rows, turns, dataset.test.puzzle_identifier[rows].long() - 1)


def _in_turns(starts: Tensor, ends: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Walk the ranges from `starts` [R] to `ends`: first of each, second of each, and so on.

    Return the range, the turn and the position [n] of each step; no range gives more than `most`.
    """
    lengths = (ends - starts).clamp_max(most)
    turn, at = (torch.arange(int(lengths.max()))[:, None] < lengths).nonzero(as_tuple=True)
    return at, turn, starts[at] + turn


def _drawn_views(dataset: PuzzleDataset, views: int) -> Views:
    groups, inverse = np.unique(dataset.test.group.numpy(), return_inverse=True)
    group_at = torch.from_numpy(inverse)
    seed = dataset.manifest.settings["seed"]
    recipes = [draw_recipes(seed, group, views) for group in groups.tolist()]
    dihedral, colours = (torch.stack(parts) for parts in zip(*recipes, strict=True))
    rows = torch.arange(len(group_at)).repeat(views)
    turns = torch.arange(views).repeat_interleave(len(group_at))
    at = group_at[rows], turns
    identifiers = dataset.test.puzzle_identifier[rows]
    return Views(rows, turns, identifiers, _in_corner(dihedral[at], colours[at]))


def draw_recipes(seed: int, group: int, count: int) -> tuple[Tensor, Tensor]:
    """Return dihedral transforms [count] and colours [count, 10]; the first change nothing."""
    generator = keyed_generator("voting guises", seed, group)
    dihedral = generator.integers(0, NUM_DIHEDRAL, count)
    colours = np.tile(np.arange(ARC_COLOURS, dtype=np.uint8), (count, 1))
    colours[1:, 1:] = generator.permuted(colours[1:, 1:], axis=1)
    dihedral[0] = 0
    return torch.from_numpy(dihedral), torch.from_numpy(colours)


def _as_seen(dataset: PuzzleDataset, views: Views) -> Batch:
    test, rows = dataset.test, views.rows
    inputs, labels = test.inputs[rows], test.labels[rows]
    if dataset.manifest.augmentation != "stored":
        inputs = augment_corner(inputs, test.input_sizes[rows], views.augmentation)
        labels = augment_corner(labels, test.label_sizes[rows], views.augmentation)
    return as_batch(inputs, labels, views.identifiers)
