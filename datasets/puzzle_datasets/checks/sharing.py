"""Train and test share no puzzle."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from puzzle_datasets.checks.stored_set import StoredSet
from puzzle_datasets.storage.schema import Split

Tokens = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]


def check_sharing(stored: StoredSet, invariant: Callable[[Tokens], Hashes]) -> Iterator[str]:
    """Check that no test puzzle is trained on, by an invariant uint64 [n] of inputs [n, L].

    A published folder may share some, and is what it is: how many is said, and not refused.

    Raises:
        DatasetError: any other set has a test puzzle that is equal to a training puzzle.
    """
    train, test = (_invariants(stored, split, invariant) for split in ("train", "test"))
    shared = np.isin(test, train)
    if shared.any() and not stored.is_import:
        row = int(shared.argmax())
        twin_file, twin = stored.place("train", int((train == test[row]).argmax()))
        file, place = stored.place("test", row)
        clause = f"its puzzle is that of row {twin} of {twin_file} up to symmetry"
        raise stored.row_refusal(file, place, clause)
    yield (
        f"sharing: {shared.sum():,} of {len(test):,} test puzzles are trained on, also up to "
        "their symmetries"
    )


def _invariants(stored: StoredSet, split: Split, invariant: Callable[[Tokens], Hashes]) -> Hashes:
    return np.concatenate([invariant(piece.columns["inputs"]) for piece in stored.pieces(split)])
