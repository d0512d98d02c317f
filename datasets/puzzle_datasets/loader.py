"""Batches for training and evaluation, seeded and resumable.

An epoch visits every group once, in random order; a visit draws one puzzle of the group and takes
its pairs in random order. Pairs fill a batch across epoch borders; what is left of a cut visit is
dropped. A batch depends on nothing but seed, epoch and position: not on how often training was
interrupted, nor on how many processes share it.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.kind import augmenter
from puzzle_datasets.loading.batch import Batch, Picks, Share
from puzzle_datasets.loading.served import run_starts
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import IGNORE_LABEL, PAD, Integers

BLOCK = 1024
"""About how many pairs are made at once: small batches would cost mostly calls one by one."""


@dataclass(frozen=True, kw_only=True)
class PuzzleIndex:
    """The puzzles of a training split, ordered by group: runs of rows under one identifier.

    Of ARC's base sets each identity of a task is one, and all of a task share its rows. Group g
    has puzzles `starts[g]` to `starts[g + 1]`, int64 [G + 1]; a puzzle has so many `rows` from its
    `first_row` on, int64 [P].
    """

    starts: Integers
    first_row: Integers
    rows: Integers

    @classmethod
    def of(cls, dataset: PuzzleDataset) -> "PuzzleIndex":
        """Return the index of a puzzle set."""
        train, identities = dataset.train, dataset.identities
        if dataset.manifest.augmentation != "stored" and identities is not None:
            borders = np.arange(int(identities.group[-1]) + 2)
            row_starts = np.searchsorted(train.group.numpy(), borders)
            groups = identities.group.numpy()
            starts, first_row = np.searchsorted(groups, borders), row_starts[groups]
            rows = np.diff(row_starts)[groups]
        else:
            row_starts = run_starts(train.puzzle.numpy())
            first_row, rows = row_starts[:-1], np.diff(row_starts)
            starts = run_starts(train.group.numpy()[first_row])
        # A visit without pairs at the end of an epoch would be waited for without end.
        assert (rows > 0).all(), f"{dataset.manifest.name} has puzzles without training rows"
        return cls(starts=starts, first_row=first_row, rows=rows)


class _Epoch(NamedTuple):
    """An epoch's pairs [n]; visit v has those from `starts[v]` to `starts[v + 1]`, [G + 1]."""

    starts: Integers
    rows: Integers
    puzzles: Integers


class _Position(NamedTuple):
    """The epoch, and the number of its groups that were visited."""

    epoch: int
    position: int


class TrainLoader:
    """An endless stream of training batches of `batch_size` puzzles, divided among processes.

    With `share`, each gets its part of the same batches. Raises `DatasetError` if the batch can't
    be divided evenly.
    """

    def __init__(
        self,
        dataset: PuzzleDataset,
        *,
        batch_size: int,
        seed: int,
        device: torch.device | str = "cpu",
        share: Share | None = None,
    ) -> None:
        assert batch_size >= 1, batch_size
        share = share or Share()
        if batch_size % (count := share.world_size):
            problem = f"is {batch_size}, which can't be divided among {count} processes"
            remedy = f"give a multiple of {count}"
            raise DatasetError.of("batch_size", problem, remedy, batch_size)
        self._batch_size, self._share, self._seed = batch_size, share, seed
        self._index = PuzzleIndex.of(dataset)
        self._augmenter = augmenter(dataset, seed, torch.device(device))
        self._seek(_Position(0, 0))

    def next_batch(self) -> Batch:
        """Return the next batch and move on."""
        if not self._made:
            self._make_block()
        self._position, batch = self._made.popleft()
        return batch

    def state_dict(self) -> dict[str, int]:
        """Return the position: the epoch, and the number of its groups that were visited."""
        return self._position._asdict()

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go to a position that `state_dict` returned, of the same set and seed.

        Raises `ValueError` where there is none such.
        """
        if not 0 <= state["position"] < len(self._index.starts) or state["epoch"] < 0:
            raise ValueError(f"no epoch has a position {state['position']}")
        self._seek(_Position(state["epoch"], state["position"]))

    def _seek(self, position: _Position) -> None:
        self._position = self._planned = position
        self._epoch = self._draw_epoch(position.epoch)
        self._made: deque[tuple[_Position, Batch]] = deque()

    def _make_block(self) -> None:
        """Make the next few batches together, and note the position behind each."""
        rows = self._batch_size // self._share.world_size
        plans = [self._plan_batch() for _ in range(max(1, BLOCK // rows))]
        picks = Picks.of(*np.concatenate([plan for _, plan in plans], 1))
        batches = self._augmenter.batch(picks).split(rows)
        self._made.extend(zip((position for position, _ in plans), batches, strict=True))

    def _plan_batch(self) -> tuple[_Position, Integers]:
        """Return the position behind the next batch, and this share's rows, puzzles, epochs."""
        parts = []
        missing = self._batch_size
        while missing:
            if self._planned.position == len(self._epoch.starts) - 1:
                self._planned = _Position(self._planned.epoch + 1, 0)
                self._epoch = self._draw_epoch(self._planned.epoch)
            taken = self._take(missing)
            rows, puzzles = self._epoch.rows[taken], self._epoch.puzzles[taken]
            parts.append(np.stack([rows, puzzles, np.full_like(rows, self._planned.epoch)]))
            missing -= len(rows)
        return self._planned, np.concatenate(parts, 1)[:, self._share.of(self._batch_size)]

    def _take(self, missing: int) -> slice:
        """Return the epoch's next `missing` pairs, or what is left of it, and move past them."""
        starts = self._epoch.starts
        begin = int(starts[self._planned.position])
        end = min(begin + missing, int(starts[-1]))
        self._planned = _Position(self._planned.epoch, int(np.searchsorted(starts, end)))
        return slice(begin, end)

    def _draw_epoch(self, epoch: int) -> _Epoch:
        generator = keyed_generator("epoch", self._seed, epoch)
        groups = generator.permutation(len(self._index.starts) - 1)
        puzzles = generator.integers(self._index.starts[groups], self._index.starts[groups + 1])
        counts = self._index.rows[puzzles]
        visits = np.repeat(np.arange(len(puzzles)), counts)
        return _Epoch(
            starts=np.concatenate([[0], counts.cumsum()]),
            rows=_shuffled_rows(self._index.first_row[puzzles], counts, visits, generator),
            puzzles=puzzles[visits],
        )


def evaluation_batches(
    dataset: PuzzleDataset,
    *,
    batch_size: int,
    limit: int | None,
    seed: int,
    share: Share | None = None,
) -> Iterator[Batch]:
    """Yield test pairs in order, as stored, under the identity they are stored with.

    `limit` takes a random subset of that many pairs, the same for equal seeds; None takes all.
    With `share`, the processes take turns, pair by pair. The last batch may be short.
    """
    test, share = dataset.test, share or Share()
    chosen = torch.arange(len(test))
    if limit is not None and limit < len(test):
        order = keyed_generator("evaluation", seed).permutation(len(test))
        chosen = torch.from_numpy(np.sort(order[:limit]))
    for at in torch.split(chosen[share.rank :: share.world_size], batch_size):
        labels = test.labels[at].int()
        labels[labels == PAD] = IGNORE_LABEL
        yield Batch(test.inputs[at].int(), labels, test.puzzle_identifier[at])


def _shuffled_rows(
    first: Integers, counts: Integers, visits: Integers, generator: np.random.Generator
) -> Integers:
    """Return, visit after visit, the `counts` rows from `first` on, each visit's shuffled."""
    if len(visits) == len(counts):
        return first
    before = np.repeat(counts.cumsum() - counts, counts)
    rows = first[visits] + np.arange(len(visits)) - before
    return rows[np.lexsort((generator.random(len(rows)), visits))]
