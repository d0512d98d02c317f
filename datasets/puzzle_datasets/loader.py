"""Batches for training and evaluation, seeded and resumable.

Training walks an endless stream of epochs. An epoch visits every group (task) once, in random
order; a visit draws one identity of the group and takes its training pairs in random order. Pairs
fill a batch until it is full, across epoch borders; what is left of a cut visit is dropped and the
next batch starts with the next group. All draws of an epoch come from the key (seed, epoch), so a
batch depends on nothing but seed, epoch and position.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from puzzle_datasets.augment.arc import (
    Augmentation,
    augment,
    canvas_side,
    frame,
    transformed_sizes,
)
from puzzle_datasets.dataset import PuzzleDataset
from puzzle_datasets.draws import keyed_generator
from puzzle_datasets.schema import IGNORE_LABEL, PAD

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Puzzles for one forward pass.

    ``inputs`` int32 [B, L] are tokens, ``labels`` int32 [B, L] tokens or ``IGNORE_LABEL``,
    ``puzzle_identifiers`` int32 [B] name the rows of puzzle embeddings.
    """

    inputs: Tensor
    labels: Tensor
    puzzle_identifiers: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch on another device."""
        return Batch(
            self.inputs.to(device), self.labels.to(device), self.puzzle_identifiers.to(device)
        )


@dataclass(frozen=True, kw_only=True)
class _Epoch:
    """An epoch's draws: visit v covers pairs ``starts[v]`` to ``starts[v + 1]``.

    ``starts`` [G + 1]; for each pair in the order of the visits its training ``rows`` [n], the row
    ``identities`` [n] of its identity, and its ``offsets`` [n, 2] on the canvas.
    """

    starts: Integers
    rows: Integers
    identities: Integers
    offsets: Integers


class TrainLoader:
    """An endless stream of training batches of ``batch_size`` puzzles each."""

    def __init__(self, dataset: PuzzleDataset, *, batch_size: int, seed: int) -> None:
        assert batch_size >= 1, batch_size
        self._dataset = dataset
        self._batch_size = batch_size
        self._seed = seed
        borders = np.arange(dataset.manifest.counts["tasks"] + 1)
        self._row_starts = np.searchsorted(dataset.train.group.numpy(), borders)
        self._identity_starts = np.searchsorted(dataset.identities.group.numpy(), borders)
        self._inputs = frame(dataset.train.inputs, dataset.train.input_sizes)
        self._labels = frame(dataset.train.labels, dataset.train.label_sizes)
        self._epoch, self._position = 0, 0
        self._draws = self._draw_epoch()

    def next_batch(self) -> Batch:
        """Return the next batch and move on."""
        rows, identities, offsets = [], [], []
        missing = self._batch_size
        while missing:
            if self._position == len(self._draws.starts) - 1:
                self._epoch, self._position = self._epoch + 1, 0
                self._draws = self._draw_epoch()
            taken = self._take(missing)
            rows.append(self._draws.rows[taken])
            identities.append(self._draws.identities[taken])
            offsets.append(self._draws.offsets[taken])
            missing -= len(rows[-1])
        return self._assemble(
            np.concatenate(rows), np.concatenate(identities), np.concatenate(offsets)
        )

    def state_dict(self) -> dict[str, int]:
        """Return the place in the stream: the epoch, and how many of its groups were visited."""
        return {"epoch": self._epoch, "position": self._position}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go to a place in the stream that ``state_dict`` named, of the same set and seed."""
        self._epoch, self._position = state["epoch"], state["position"]
        self._draws = self._draw_epoch()

    def _take(self, missing: int) -> slice:
        """Return the epoch's next ``missing`` pairs, or what is left of it, and move past them."""
        starts = self._draws.starts
        begin = int(starts[self._position])
        end = min(begin + missing, int(starts[-1]))
        self._position = int(np.searchsorted(starts, end))
        return slice(begin, end)

    def _draw_epoch(self) -> _Epoch:
        generator = keyed_generator("epoch", self._seed, self._epoch)
        groups = generator.permutation(len(self._row_starts) - 1)
        identities = generator.integers(
            self._identity_starts[groups], self._identity_starts[groups + 1]
        )
        counts = np.diff(self._row_starts)[groups]
        starts = np.concatenate([[0], counts.cumsum()])
        visits = np.repeat(np.arange(len(groups)), counts)
        rows = _shuffled_rows(self._row_starts[groups], counts, generator)
        offsets = generator.integers(0, self._room(rows, identities[visits]) + 1)
        offsets[starts[:-1] + generator.integers(0, counts)] = 0
        return _Epoch(starts=starts, rows=rows, identities=identities[visits], offsets=offsets)

    def _room(self, rows: Integers, identities: Integers) -> Integers:
        """Return how far [n, 2] down and right both grids of each pair can move."""
        train, at = self._dataset.train, torch.from_numpy(rows)
        dihedral = self._dataset.identities.dihedral[torch.from_numpy(identities)]
        larger = torch.maximum(train.input_sizes[at], train.label_sizes[at])
        room = canvas_side(train.inputs) - transformed_sizes(larger, dihedral)
        return room.numpy()

    def _assemble(self, rows: Integers, identities: Integers, offsets: Integers) -> Batch:
        train, at = self._dataset.train, torch.from_numpy(rows)
        identity = torch.from_numpy(identities)
        augmentation = Augmentation(
            dihedral=self._dataset.identities.dihedral[identity],
            colours=self._dataset.identities.colours[identity],
            offsets=torch.from_numpy(offsets),
        )
        inputs = augment(self._inputs[at], train.input_sizes[at], augmentation)
        labels = augment(self._labels[at], train.label_sizes[at], augmentation, IGNORE_LABEL)
        return Batch(inputs, labels, (identity + 1).int())


def evaluation_batches(
    dataset: PuzzleDataset, *, batch_size: int, limit: int | None, seed: int
) -> Iterator[Batch]:
    """Yield test pairs in order, as stored, under their task's un-augmented identity.

    ``limit`` takes a random subset of that many pairs, the same for equal seeds; None takes all.
    The last batch may be short.
    """
    test = dataset.test
    chosen = torch.arange(len(test))
    if limit is not None and limit < len(test):
        order = keyed_generator("evaluation", seed).permutation(len(test))
        chosen = torch.from_numpy(np.sort(order[:limit]))
    for begin in range(0, len(chosen), batch_size):
        at = chosen[begin : begin + batch_size]
        labels = test.labels[at].int()
        labels[labels == PAD] = IGNORE_LABEL
        yield Batch(test.inputs[at].int(), labels, test.puzzle_identifier[at])


def _shuffled_rows(first: Integers, counts: Integers, generator: np.random.Generator) -> Integers:
    """Return, visit after visit, the ``counts`` rows from ``first`` on, each visit's shuffled."""
    visits = np.repeat(np.arange(len(counts)), counts)
    before = np.repeat(counts.cumsum() - counts, counts)
    rows = first[visits] + np.arange(len(visits)) - before
    return rows[np.lexsort((generator.random(len(rows)), visits))]
