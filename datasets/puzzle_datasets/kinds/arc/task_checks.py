"""ARC: a task's augmented forms differ, and how many test pairs other tasks train on."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from puzzle_datasets.checks.stored_set import Piece, StoredSet
from puzzle_datasets.common.dihedral import NUM_DIHEDRAL, transform_grid
from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.kinds.arc.grid_checks import crop_pair
from puzzle_datasets.kinds.arc.identity_checks import Identities, read_identities
from puzzle_datasets.kinds.arc.recipes import Grid, Pair
from puzzle_datasets.storage.schema import IDENTITY_FILE, Split

TaskPairs = dict[int, list[Pair]]
"""The pairs of each group, of its first puzzle only: the others are the same, augmented."""

MOST_COMPARED = 32
"""Tasks whose augmented forms are made and compared; of more tasks, a random sample."""


def check_tasks(stored: StoredSet) -> Iterator[str]:
    """Check that identities are different tasks; count the test pairs that other tasks train on.

    The published sets have some of these, so they are counted and not refused.

    Raises:
        DatasetError: two identities of a task come out the same.
    """
    train, test = (_task_pairs(stored, split) for split in ("train", "test"))
    if not stored.is_import:
        compared = _check_forms(stored, train, test)
        yield f"augmented tasks: all different in a sample of {compared:,} of {len(train):,} tasks"
    pairs = sum(map(len, test.values()))
    exact, alike = (_count_shared(train, test, key) for key in (_exact_key, _symmetric_key))
    yield (
        f"sharing: {exact} of {pairs:,} test pairs equal a training pair of another task, "
        f"{alike} do up to rotation, reflection and colours"
    )


def _task_pairs(stored: StoredSet, split: Split) -> TaskPairs:
    tasks: TaskPairs = {}
    puzzle_of: dict[int, int] = {}
    for piece in stored.pieces(split):
        for row in _first_puzzle_rows(piece, puzzle_of):
            tasks.setdefault(int(piece.columns["group"][row]), []).append(crop_pair(piece, row))
    return tasks


def _first_puzzle_rows(piece: Piece, puzzle_of: dict[int, int]) -> Iterator[int]:
    """Yield the rows that are of their group's first puzzle, which ``puzzle_of`` holds."""
    numbers = (piece.columns[name].tolist() for name in ("group", "puzzle"))
    for row, (group, puzzle) in enumerate(zip(*numbers, strict=True)):
        if puzzle_of.setdefault(group, puzzle) == puzzle:
            yield row


def _count_shared(train: TaskPairs, test: TaskPairs, key: Callable[[Pair], bytes]) -> int:
    """Return how many test pairs have the key of a training pair of another task."""
    trained_in: dict[bytes, set[int]] = defaultdict(set)
    for group, pairs in train.items():
        for pair in pairs:
            trained_in[key(pair)].add(group)
    return sum(
        bool(trained_in.get(key(pair), set()) - {group})
        for group, pairs in test.items()
        for pair in pairs
    )


def _exact_key(pair: Pair) -> bytes:
    return b"".join(bytes(grid.shape) + grid.tobytes() for grid in pair)


def _symmetric_key(pair: Pair) -> bytes:
    """Return the least key of the pair's orientations, colours numbered as they appear."""
    oriented = ([transform_grid(grid, k) for grid in pair] for k in range(NUM_DIHEDRAL))
    return min(_colour_free_key(grids) for grids in oriented)


def _colour_free_key(grids: Sequence[Grid]) -> bytes:
    cells = np.concatenate([grid.ravel() for grid in grids])
    _, first, colour = np.unique(cells, return_index=True, return_inverse=True)
    number = first.argsort().argsort().astype(np.uint8)
    return bytes(side for grid in grids for side in grid.shape) + number[colour].tobytes()


def _check_forms(stored: StoredSet, train: TaskPairs, test: TaskPairs) -> int:
    """Return of how many tasks the augmented forms were made, all of them different."""
    identities = read_identities(stored)
    order = keyed_generator("verify tasks").permutation(list(train))
    for group in order[:MOST_COMPARED].tolist():
        pairs = train[group] + test.get(group, [])
        rows = np.flatnonzero(identities.group == group)
        seen: dict[tuple[bytes, ...], int] = {}
        for row in rows.tolist():
            form = _augmented(pairs, identities, row)
            if seen.setdefault(form, row) != row:
                clause = f"its task comes out as under row {seen[form]}"
                raise stored.row_refusal(IDENTITY_FILE, row, clause)
    return min(len(order), MOST_COMPARED)


def _augmented(pairs: Sequence[Pair], identities: Identities, row: int) -> tuple[bytes, ...]:
    """Return the keys of a task's pairs under one identity, in an order of their own."""
    colours: npt.NDArray[np.uint8] = identities.colours[row]
    dihedral = int(identities.dihedral[row])
    forms = (
        (transform_grid(colours[first], dihedral), transform_grid(colours[second], dihedral))
        for first, second in pairs
    )
    return tuple(sorted(map(_exact_key, forms)))
