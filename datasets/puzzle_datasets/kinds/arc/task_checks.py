"""ARC: tables of groups and identities are whole, a task's identities all differ, also when made.

How many test pairs other tasks train on is counted as well.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from puzzle_datasets.checks import StoredSet
from puzzle_datasets.common.dihedral import NUM_DIHEDRAL, transform_grid
from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.kinds.arc.grids import Grid, Pair, crop_pair
from puzzle_datasets.kinds.arc.recipes import relabel
from puzzle_datasets.storage.rows import Masks, first_fault, recipe_faults
from puzzle_datasets.storage.schema import ARC_COLOURS, GROUP_FILE, IDENTITY_FILE, SPLITS, Split
from puzzle_datasets.storage.shards import read_bytes_column
from puzzle_datasets.storage.structure import numbered_table

TaskPairs = dict[int, list[Pair]]
"""The pairs of each group, of its first puzzle only: the others are the same, augmented."""

MOST_COMPARED = 32
"""Tasks whose augmented forms are made and compared; of more tasks, a random sample."""


@dataclass(frozen=True, kw_only=True)
class Identities:
    """The table of identities: `group` [I], `dihedral` [I] and `colours` uint8 [I, 10]."""

    group: npt.NDArray[np.int32]
    dihedral: npt.NDArray[np.int8]
    colours: npt.NDArray[np.uint8]


def check_identities(stored: StoredSet) -> Iterator[str]:
    """Check both tables, and that rows bear identifiers of their task; `DatasetError` if not."""
    names = _read(stored, GROUP_FILE)
    if len(set(names.column("name").to_pylist())) != len(names):
        raise stored.refusal(GROUP_FILE, "gives two groups one name")
    yield f"group names: {len(names):,}, all different"
    identities = read_identities(stored)
    faults = recipe_faults(identities.dihedral, identities.colours)
    if not stored.manifest.is_import:
        faults |= _order_faults(identities)
    if (fault := first_fault(faults)) is not None:
        raise stored.row_refusal(IDENTITY_FILE, *fault)
    end = "" if stored.manifest.is_import else ", all different within their task"
    yield f"identities: {len(identities.group):,} recipes{end}"
    for split in SPLITS:
        for piece in stored.pieces(split):
            group = identities.group[piece.columns["puzzle_identifier"] - 1]
            alien = group != piece.columns["group"]
            stored.require_none(piece, first_fault({"its identifier is of another group": alien}))
    yield "identifiers: every row bears one of its own task"


def read_identities(stored: StoredSet) -> Identities:
    """Return the table of identities; `DatasetError` if it is not one row for each identifier."""
    table = _read(stored, IDENTITY_FILE)
    return Identities(
        group=table.column("group").to_numpy(),
        dihedral=table.column("dihedral").to_numpy(),
        colours=read_bytes_column(table, "colours"),
    )


def _read(stored: StoredSet, file: str) -> pa.Table:
    return numbered_table(stored.folder, stored.manifest, file, stored.remedy)


def _order_faults(identities: Identities) -> Masks:
    """Return which recipes are out of order, by group and the unchanged one first, or repeated."""
    recipe = np.column_stack(
        [
            identities.group[:, None].astype(">i4").view(np.uint8),
            identities.dihedral.view(np.uint8),
            identities.colours,
        ]
    )
    keys = np.ascontiguousarray(recipe).view(f"V{recipe.shape[1]}").ravel()
    repeated = np.ones(len(keys), np.bool_)
    repeated[np.unique(keys, return_index=True)[1]] = False
    step = np.diff(identities.group, prepend=np.int32(-1))
    changed = (identities.dihedral != 0) | (identities.colours != np.arange(ARC_COLOURS)).any(1)
    return {
        "its group is neither that of the row in front nor the next": (step < 0) | (step > 1),
        "it is the first of its group, but changes the task": (step == 1) & changed,
        "it changes colour 0": identities.colours[:, 0] != 0,
        "its recipe is that of an earlier identity of its group": repeated,
    }


def check_tasks(stored: StoredSet) -> Iterator[str]:
    """Check that identities are different tasks; count the test pairs that other tasks train on.

    These are not refused, as published sets have some. Raises `DatasetError` if forms are equal.
    """
    train, test = (_task_pairs(stored, split) for split in ("train", "test"))
    if not stored.manifest.is_import:
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
        numbers = (piece.columns[name].tolist() for name in ("group", "puzzle"))
        for row, (group, puzzle) in enumerate(zip(*numbers, strict=True)):
            if puzzle_of.setdefault(group, puzzle) == puzzle:
                tasks.setdefault(group, []).append(crop_pair(piece, row))
    return tasks


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


def _exact_key(pair: Iterable[Grid]) -> bytes:
    return b"".join(bytes(grid.shape) + grid.tobytes() for grid in pair)


def _symmetric_key(pair: Pair) -> bytes:
    """Return the least key of the pair's orientations, colours numbered as they appear."""
    oriented = ([transform_grid(grid, k) for grid in pair] for k in range(NUM_DIHEDRAL))
    return min(relabel(grids)[0] for grids in oriented)


def _check_forms(stored: StoredSet, train: TaskPairs, test: TaskPairs) -> int:
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
    colours, dihedral = identities.colours[row], int(identities.dihedral[row])
    forms = ([transform_grid(colours[grid], dihedral) for grid in pair] for pair in pairs)
    return tuple(sorted(map(_exact_key, forms)))
