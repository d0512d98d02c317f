"""The floors of a puzzle set, measured, and kept in a file beside its shards."""

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.arguments import checked
from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import write_json
from puzzle_datasets.common.reading import Reader, path_from
from puzzle_datasets.kinds.floors import COMMON, Floor, FloorResult
from puzzle_datasets.kinds.kind import kind_named
from puzzle_datasets.storage.schema import PAD, Integers, Manifest
from puzzle_datasets.storage.shards import read_manifest

if TYPE_CHECKING:
    from puzzle_datasets.storage.dataset import PuzzleDataset

FLOOR_FILE = "floors.json"
"""It is no part of the set: the manifest does not name it, and it may be deleted."""

MOST_PUZZLES = 10_000
"""Of larger test splits, so many puzzles are drawn."""

AT_ONCE = 2**22
"""About how many tokens are answered at a time: some hundred MB, also for large grids."""


@dataclass(frozen=True, kw_only=True)
class _Kept:
    fingerprint: str
    floors: tuple[FloorResult, ...]


@checked(DatasetError)
def floors(dataset: "PuzzleDataset") -> tuple[FloorResult, ...]:
    """Return what each floor of a set comes to on its test puzzles, or on 10,000 of them.

    Puzzles without labels don't count; a set that has no other has no floors.
    """
    rows = _sample(dataset)
    chosen = _floors_of(dataset.manifest) if len(rows) else ()
    return tuple(_measured(floor, dataset, rows) for floor in chosen)


@checked(DatasetError)
def kept_floors(folder: Path | str) -> tuple[FloorResult, ...]:
    """Return the floors of the set in a folder: as the file there has them, else measured.

    What was measured is written there, where the folder can be written. Raises `DatasetError` if
    there is no set, or one that is damaged has to be measured.
    """
    folder = path_from("folder", folder, DatasetError)
    manifest = read_manifest(folder)
    file = folder / FLOOR_FILE
    with suppress(DatasetError):
        kept = Reader(file, DatasetError, "delete it").record(_Kept)
        if _is_current(kept, manifest):
            return kept.floors
    from puzzle_datasets.storage.dataset import PuzzleDataset  # loads torch, which takes long

    found = floors(PuzzleDataset.open(folder))
    with suppress(OSError):
        write_json(file, asdict(_Kept(fingerprint=manifest.fingerprint, floors=found)))
    return found


def _is_current(kept: _Kept, manifest: Manifest) -> bool:
    """True if the floors are of this set, and those that its kind has in this version."""
    known = [(floor.name, floor.words) for floor in _floors_of(manifest)]
    named = [(one.name, one.words) for one in kept.floors]
    return (kept.fingerprint, named) == (manifest.fingerprint, known)


def _floors_of(manifest: Manifest) -> tuple[Floor, ...]:
    return (*COMMON, *kind_named(manifest.kind).floors)


def _sample(dataset: "PuzzleDataset") -> Integers:
    """Return rows of the test split with labels, ascending."""
    labelled = (dataset.test.labels != PAD).any(1).nonzero()[:, 0].numpy()
    order = keyed_generator("floors").permutation(len(labelled))
    return np.sort(labelled[order[:MOST_PUZZLES]])


def _measured(floor: Floor, dataset: "PuzzleDataset", rows: Integers) -> FloorResult:
    size = max(1, AT_ONCE // dataset.manifest.seq_len)
    pieces = (rows[begin : begin + size] for begin in range(0, len(rows), size))
    shares = np.concatenate([_right(floor, dataset, piece) for piece in pieces])
    return FloorResult(
        name=floor.name,
        words=floor.words,
        exact_accuracy=float((shares == 1).mean()),
        token_accuracy=float(shares.mean()),
        puzzles=len(rows),
    )


def _right(floor: Floor, dataset: "PuzzleDataset", rows: Integers) -> npt.NDArray[np.float64]:
    """Return the share [n] of scored tokens of each row that a floor has right."""
    labels = dataset.test.labels.numpy()[rows]
    scored = labels != PAD
    right = scored & (floor.predict(dataset, rows) == labels)
    return np.asarray(right.sum(1) / scored.sum(1))
