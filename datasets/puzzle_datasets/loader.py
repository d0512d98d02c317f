"""Batches for training and evaluation, seeded and resumable.

Training walks an endless stream of epochs. An epoch visits every group once, in random order; a
visit draws one puzzle of the group and takes its pairs in random order. Pairs fill a batch until
it is full, across epoch borders; what is left of a cut visit is dropped and the next batch starts
with the next group. The order of an epoch comes from the key (seed, epoch) and each pair's
augmentation from (seed, epoch, row), so a batch depends on nothing but seed, epoch and position:
not on how often training was interrupted, nor on how many processes share the batch.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.kind import augmenter
from puzzle_datasets.loading.batch import Batch, Share
from puzzle_datasets.loading.picks import Picks
from puzzle_datasets.loading.puzzle_index import PuzzleIndex
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import IGNORE_LABEL, PAD

Integers = npt.NDArray[np.int64]

BLOCK = 1024
"""About how many pairs are made at once: small batches would cost mostly calls one by one."""


@dataclass(frozen=True, kw_only=True)
class _Epoch:
    """An epoch's order: visit v covers pairs `starts[v]` to `starts[v + 1]`.

    `starts` [G + 1]; for each pair in the order of the visits its training row, `rows` [n],
    and its puzzle, `puzzles` [n].
    """

    starts: Integers
    rows: Integers
    puzzles: Integers


@dataclass(frozen=True)
class _Place:
    """A place in the stream: the epoch, and how many of its groups were visited."""

    epoch: int
    position: int


class TrainLoader:
    """An endless stream of training batches of `batch_size` puzzles, divided among processes.

    With `share`, each process gets its part of the same batches, whatever their number. Raises
    `DatasetError` if the batch can't be divided evenly.
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
        if batch_size % share.world_size:
            raise DatasetError(
                "batch_size",
                batch_size,
                f"give a multiple of {share.world_size}",
                problem=f"is {batch_size}, which can't be divided among {share.world_size} "
                "processes",
            )
        self._batch_size, self._share, self._seed = batch_size, share, seed
        self._index = PuzzleIndex.of(dataset)
        self._augmenter = augmenter(dataset, seed, torch.device(device))
        self._go_to(_Place(0, 0))

    def next_batch(self) -> Batch:
        """Return the next batch and move on."""
        if not self._made:
            self._make_block()
        self._place, batch = self._made.popleft()
        return batch

    def state_dict(self) -> dict[str, int]:
        """Return the place in the stream: the epoch, and how many of its groups were visited."""
        return {"epoch": self._place.epoch, "position": self._place.position}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go to a place in the stream that `state_dict` named, of the same set and seed."""
        self._go_to(_Place(state["epoch"], state["position"]))

    def _go_to(self, place: _Place) -> None:
        self._place = self._planned = place
        self._epoch = self._draw_epoch(place.epoch)
        self._made: deque[tuple[_Place, Batch]] = deque()

    def _make_block(self) -> None:
        """Make the next few batches together, and note the place behind each."""
        rows = self._batch_size // self._share.world_size
        plans = [self._plan_batch() for _ in range(max(1, BLOCK // rows))]
        picks = Picks(
            rows=torch.from_numpy(np.concatenate([plan[0] for _, plan in plans])),
            puzzles=torch.from_numpy(np.concatenate([plan[1] for _, plan in plans])),
            epochs=torch.from_numpy(np.concatenate([plan[2] for _, plan in plans])),
        )
        batches = self._augmenter.batch(picks).split(rows)
        self._made.extend(zip((place for place, _ in plans), batches, strict=True))

    def _plan_batch(self) -> tuple[_Place, Integers]:
        """Return the place behind the next batch, and this share's rows, puzzles, epochs."""
        parts = []
        missing = self._batch_size
        while missing:
            if self._planned.position == len(self._epoch.starts) - 1:
                self._planned = _Place(self._planned.epoch + 1, 0)
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
        self._planned = _Place(self._planned.epoch, int(np.searchsorted(starts, end)))
        return slice(begin, end)

    def _draw_epoch(self, epoch: int) -> _Epoch:
        generator = keyed_generator("epoch", self._seed, epoch)
        puzzles = self._index.draw_puzzles(generator)
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
