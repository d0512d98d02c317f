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
import numpy.typing as npt
import torch
from torch import Tensor

from puzzle_datasets.common.arguments import checked
from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.memory import memory
from puzzle_datasets.common.options import Bounds
from puzzle_datasets.common.text import counted, shown
from puzzle_datasets.kinds.kind import augmenter
from puzzle_datasets.loading.batch import Batch, Picks, Share
from puzzle_datasets.loading.served import run_starts
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import IGNORE_LABEL, LARGEST_SEED, PAD, Integers

BLOCK = 1024
"""About how many pairs are made at once: small batches would cost mostly calls one by one."""
MOST_DRAWN = 2**20
"""About how many rows are drawn from for them, where a puzzle has very many."""

BATCH_SIZES, SEEDS = Bounds(least=1, most=1e9), Bounds(least=0, most=LARGEST_SEED)
LARGEST_EPOCH = 2**32 - 1
"""Draws of variants are counted by it, in 32 bits."""
MOST_EPOCHS = 10_000
"""In one batch: each costs its own draws."""
PAIR_BYTES = 8
"""Bytes of a batch for each token of a puzzle: input and label."""


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

    @property
    def fewest_pairs(self) -> int:
        """Pairs of an epoch that draws the smallest puzzle of each group."""
        return int(np.minimum.reduceat(self.rows, self.starts[:-1]).sum())


class _Epoch:
    """An epoch's visits, one to each group: a puzzle each, whose rows come in random order.

    Visit v has the pairs `starts[v]` to `starts[v + 1]` of the epoch, int64 [G + 1].
    """

    def __init__(self, index: PuzzleIndex, seed: int, epoch: int) -> None:
        generator = keyed_generator("epoch", seed, epoch)
        groups = generator.permutation(len(index.starts) - 1)
        self._puzzles = generator.integers(index.starts[groups], index.starts[groups + 1])
        self._first = index.first_row[self._puzzles]
        self.starts = np.concatenate([[0], index.rows[self._puzzles].cumsum()])
        # By which the rows of a visit are ordered.
        self._keys = generator.random(int(self.starts[-1]))

    def take(self, position: int, most: int) -> tuple[int, Integers, Integers]:
        """Return rows and puzzles of the next `most` pairs, or of those left, from a visit on.

        The visit behind them comes first. What a puzzle has more than is taken costs little.
        """
        begin = int(self.starts[position])
        end = min(begin + most, int(self.starts[-1]))
        behind = int(np.searchsorted(self.starts, end))
        last = int(self.starts[behind - 1])
        of_last = _least(self._keys[last : self.starts[behind]], end - last)
        taken = np.concatenate([np.arange(begin, last), last + of_last])
        visits = np.searchsorted(self.starts, taken, "right") - 1
        rows = self._first[visits] + taken - self.starts[visits]
        ordered = np.lexsort((self._keys[taken], visits))
        return behind, rows[ordered], self._puzzles[visits]


class _Position(NamedTuple):
    """The epoch, and the number of its groups that were visited."""

    epoch: int
    position: int


class TrainLoader:
    """An endless stream of training batches of `batch_size` puzzles, divided among processes.

    With `share`, each gets its part of the same batches. Raises `DatasetError` if the batch can't
    be divided evenly, is larger than the memory, or takes the whole set thousands of times.
    """

    @checked(DatasetError, batch_size=BATCH_SIZES, seed=SEEDS)
    def __init__(
        self,
        dataset: PuzzleDataset,
        *,
        batch_size: int,
        seed: int,
        device: torch.device | str = "cpu",
        share: Share | None = None,
    ) -> None:
        share = share or Share()
        self._batch_size, self._share, self._seed = batch_size, share, seed
        self._index = PuzzleIndex.of(dataset)
        self._require_batch(dataset.manifest.seq_len)
        try:
            self._augmenter = augmenter(dataset, seed, torch.device(device))
        except RuntimeError as error:  # torch lists all the devices that it has heard of
            raise DatasetError("device", device, "give cpu or cuda") from error
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

    @checked(DatasetError)
    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go to a position that `state_dict` returned, of the same set and seed.

        Raises `DatasetError` where there is none such.
        """
        places = (
            ("there is no epoch", "epoch", LARGEST_EPOCH),
            (
                "no epoch has a position",
                "position",
                len(self._index.starts) - 1,
            ),
        )
        for there_is_none, name, most in places:
            value = state.get(name)
            if type(value) is not int or not 0 <= value <= most:
                problem = f"{there_is_none} {shown(value)}"
                raise DatasetError.of(None, problem, f"give one from 0 to {most}", value)
        self._seek(_Position(state["epoch"], state["position"]))

    def _require_batch(self, seq_len: int) -> None:
        size, count = self._batch_size, self._share.world_size
        if size % count:
            problem = f"is {size}, which can't be divided among {count} processes"
            raise DatasetError.of("batch_size", problem, f"give a multiple of {count}", size)
        pairs = self._index.fewest_pairs
        most = min(MOST_EPOCHS * pairs, memory() // (PAIR_BYTES * seq_len) * count)
        if size > most:
            problem = f"is {size}, too large for the {counted(pairs, 'pair')} of an epoch"
            if most < MOST_EPOCHS * pairs:
                problem = f"is {size}, which this machine's memory does not hold"
            raise DatasetError.of("batch_size", problem, f"give at most {most}", size)

    def _seek(self, position: _Position) -> None:
        self._position = self._planned = position
        self._epoch = _Epoch(self._index, self._seed, position.epoch)
        self._made: deque[tuple[_Position, Batch]] = deque()

    def _make_block(self) -> None:
        """Make the next few batches together, and note the position behind each."""
        rows = self._batch_size // self._share.world_size
        # A batch may use an epoch up, however many rows each of its puzzles has.
        count = max(1, min(BLOCK // rows, MOST_DRAWN // int(self._index.rows.max())))
        plans = [self._plan_batch() for _ in range(count)]
        picks = Picks.of(*np.concatenate([plan for _, plan in plans], 1))
        batches = self._augmenter.batch(picks).split(rows)
        self._made.extend(zip((position for position, _ in plans), batches, strict=True))

    def _plan_batch(self) -> tuple[_Position, Integers]:
        """Return the position behind the next batch, and this share's rows, puzzles, epochs."""
        parts = []
        missing = self._batch_size
        while missing:
            epoch, position = self._planned
            if position == len(self._epoch.starts) - 1:
                epoch, position = epoch + 1, 0
                self._epoch = _Epoch(self._index, self._seed, epoch)
            position, rows, puzzles = self._epoch.take(position, missing)
            self._planned = _Position(epoch, position)
            parts.append(np.stack([rows, puzzles, np.full_like(rows, epoch)]))
            missing -= len(rows)
        return self._planned, np.concatenate(parts, 1)[:, self._share.of(self._batch_size)]


@checked(DatasetError, batch_size=BATCH_SIZES, limit=Bounds(least=1), seed=SEEDS)
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
    rows = random_subset(torch.arange(len(dataset.test)), limit, seed)
    return stored_batches(dataset, rows, batch_size=batch_size, share=share)


def random_subset(numbers: Tensor, limit: int | None, seed: int) -> Tensor:
    """Return `limit` of some ascending numbers in order, the same for equal seeds; None: all."""
    if limit is None or limit >= len(numbers):
        return numbers
    order = keyed_generator("evaluation", seed).permutation(len(numbers))
    return numbers[np.sort(order[:limit])]


def stored_batches(
    dataset: PuzzleDataset, rows: Tensor, *, batch_size: int, share: Share | None = None
) -> Iterator[Batch]:
    """Yield test pairs of some rows [n] as stored; with `share`, the processes take turns."""
    test, share = dataset.test, share or Share()
    for at in torch.split(rows[share.rank :: share.world_size], batch_size):
        labels = test.labels[at].int()
        labels[labels == PAD] = IGNORE_LABEL
        yield Batch(test.inputs[at].int(), labels, test.puzzle_identifier[at])


def _least(keys: npt.NDArray[np.float64], count: int) -> Integers:
    """Return the places of the `count` least keys [n], ascending; all is quick."""
    if count == len(keys):
        return np.arange(count)
    return np.sort(np.argpartition(keys, count)[:count])
