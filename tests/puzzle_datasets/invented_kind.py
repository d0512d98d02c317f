"""A kind of puzzle that nobody needs: the negative of a pattern of black and white cells.

It is what a new kind takes, in one file: its record and its sets. Tests copy it into a folder that
they add to the room of kinds, as `negative/__init__.py`.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from puzzle_datasets.checks import StoredSet
from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.options import check, option
from puzzle_datasets.drawing import svg
from puzzle_datasets.kinds.kind import Kind, PuzzleSet
from puzzle_datasets.loading.batch import Batch, Picks, Variants, changed_pairs
from puzzle_datasets.loading.served import with_variants
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.rows import first_fault
from puzzle_datasets.storage.schema import SPLITS, Manifest
from puzzle_datasets.storage.settings import Augmentations
from puzzle_datasets.storage.writer import Rows, SetWriter

Tokens = npt.NDArray[np.uint8]

WHITE, BLACK = 1, 2


def negative(tokens: Tokens) -> Tokens:
    return WHITE + BLACK - tokens


def turned(tokens: Tensor, variants: Tensor) -> Tensor:
    """Turn those upside down whose variant is 1."""
    return torch.where(variants.to(tokens.device)[:, None] == 1, tokens.flip(1), tokens)


class TurnedPairs:
    """Serves each pair as it is or upside down."""

    def __init__(self, dataset: PuzzleDataset, seed: int, device: torch.device) -> None:
        self._train, self._device, self._variants = dataset.train, device, Variants(1, seed)

    def batch(self, picks: Picks) -> Batch:
        turn = partial(turned, variants=self._variants.of(picks))
        return changed_pairs(self._train, picks.rows, self._device, turn)


class Cells:
    """Draws black cells on white paper."""

    def panel(self, puzzle: svg.Grid, drawn: svg.Grid, cell: float) -> str:
        return svg.cells(drawn == BLACK, cell, svg.INK)

    def legend(self, side: float) -> list[tuple[str, str]]:
        return [(svg.rectangle(side, side, fill=svg.INK), "black")]


def check_negatives(stored: StoredSet) -> Iterator[str]:
    for split in SPLITS:
        for piece in stored.pieces(split):
            wrong = (piece.columns["labels"] != negative(piece.columns["inputs"])).any(1)
            stored.require_none(piece, first_fault({"its label is no negative": wrong}))
        yield f"{split} rules: labels are negatives"


def invariant(inputs: Tokens, grid: tuple[int, int]) -> npt.NDArray[np.uint64]:
    least = (min(row.tobytes(), row[::-1].tobytes()) for row in inputs)
    digests = [hashlib.blake2b(row, digest_size=8).digest() for row in least]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def scores(
    inputs: Tokens, labels: Tokens, predictions: Tokens, grid: tuple[int, int]
) -> dict[str, npt.NDArray[np.int64]]:
    wrong = (predictions != labels).sum(1)
    return {"exact_accuracy": wrong == 0, "wrong_cells": wrong}


KIND = Kind(
    name="negative",
    title="Negative",
    puzzles="patterns",
    columns={"black": pa.uint8()},
    legend=lambda side: {"0": "padding", "1": "white", "2": "black"},
    fits=lambda vocab_size, side, identifiers: (vocab_size, identifiers) == (3, 1),
    measure=lambda inputs, labels, grid, refuse: {
        "black": (inputs == BLACK).sum(1, dtype=np.uint8)
    },
    from_text=lambda text, grid: np.array([[int(cell) for cell in text]], np.uint8),
    to_text=lambda tokens, grid: "".join(str(token) for token in tokens.ravel().tolist()),
    details=lambda columns: [f"{columns['black']} black cells"],
    look=lambda manifest: Cells(),
    changes=lambda manifest: "turned upside down",
    augmenter=TurnedPairs,
    served=lambda dataset: with_variants(
        dataset, lambda manifest, rows, variants: lambda tokens: turned(tokens, variants)
    ),
    check=check_negatives,
    invariant=invariant,
    rule_scores=scores,
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    side: int = option(5, "rows and columns", least=3, most=15)
    train: int = option(20, "patterns to train on", least=1, most=1000)
    test: int = option(10, "patterns to test on", least=1, most=1000)
    augmentations: Augmentations = option("fresh", "1, 0 or fresh", least=0, most=1)

    def __post_init__(self) -> None:
        check(self, DatasetError)

    @property
    def vocab_size(self) -> int:
        return 3

    @property
    def seq_len(self) -> int:
        return self.side**2


def build(settings: Settings, writer: SetWriter) -> Manifest:
    count = settings.train + settings.test
    generator = keyed_generator("negatives")
    inputs = generator.integers(WHITE, BLACK + 1, (count, settings.seq_len), dtype=np.uint8)
    runs = {"train": (0, settings.train), "test": (settings.train, count)}
    for split in SPLITS:
        part = inputs[slice(*runs[split])]
        black = (part == BLACK).sum(1, dtype=np.uint8)
        rows = Rows.singles(part, negative(part), runs[split][0], 0, black=black)
        writer.write_split(split, [rows])
    card = KIND.card(
        "negatives", settings, source="dice", licence="none", groups=count, statistics={}
    )
    return writer.finish(card)


SETS = {"negatives": PuzzleSet(summary="patterns and negatives", settings=Settings, build=build)}
