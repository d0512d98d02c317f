"""ARC: the tables of groups and identities are whole, and a task's identities all differ."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from puzzle_datasets.checks.stored_set import Masks, StoredSet, first_fault
from puzzle_datasets.common.dihedral import NUM_DIHEDRAL
from puzzle_datasets.storage.schema import ARC_COLOURS, GROUP_FILE, IDENTITY_FILE, SPLITS
from puzzle_datasets.storage.shards import read_bytes_column

_COLUMNS = {
    GROUP_FILE: {"group": pa.int32(), "name": pa.string()},
    IDENTITY_FILE: {
        "identifier": pa.int32(),
        "group": pa.int32(),
        "dihedral": pa.int8(),
        "colours": pa.binary(ARC_COLOURS),
    },
}


@dataclass(frozen=True, kw_only=True)
class Identities:
    """The table of identities: ``group`` [I], ``dihedral`` [I] and ``colours`` uint8 [I, 10]."""

    group: npt.NDArray[np.int32]
    dihedral: npt.NDArray[np.int8]
    colours: npt.NDArray[np.uint8]


def check_identities(stored: StoredSet) -> Iterator[str]:
    """Check both tables, and the identifiers of all rows against them.

    Raises:
        DatasetError: a table is incomplete, two identities of a task have one recipe, or a row
            bears the identifier of another task.
    """
    names = _read(stored, GROUP_FILE, "group", 0, stored.manifest.counts["groups"])
    if len(set(names.column("name").to_pylist())) != len(names):
        raise stored.refusal(GROUP_FILE, "gives two groups one name")
    yield f"group names: {len(names):,}, all different"
    identities = read_identities(stored)
    faults = _recipe_faults(identities)
    if not stored.is_import:
        faults |= _order_faults(identities) | _repeats(identities)
    fault = first_fault(faults)
    if fault is not None:
        raise stored.row_refusal(IDENTITY_FILE, *fault)
    yield f"identities: {len(identities.group):,} recipes" + (
        "" if stored.is_import else ", all different within their task"
    )
    _check_identifiers(stored, identities)
    yield "identifiers: every row bears one of its own task"


def read_identities(stored: StoredSet) -> Identities:
    """Return the table of identities.

    Raises:
        DatasetError: it is none, or not one row for each identifier.
    """
    table = _read(stored, IDENTITY_FILE, "identifier", 1, stored.manifest.counts["identities"])
    return Identities(
        group=table.column("group").to_numpy(),
        dihedral=table.column("dihedral").to_numpy(),
        colours=read_bytes_column(table, "colours"),
    )


def _read(stored: StoredSet, file: str, number: str, first: int, count: int) -> pa.Table:
    """Return a table whose rows are numbered from ``first`` and as many as counted."""
    table = stored.read_table(file)
    for name, kind in _COLUMNS[file].items():
        if name not in table.column_names or table.schema.field(name).type != kind:
            raise stored.refusal(file, f"has no column {name} of {kind}")
    if len(table) != count:
        raise stored.refusal(file, f"has {len(table)} rows, not {count} as the manifest says")
    if not np.array_equal(table.column(number).to_numpy(), np.arange(first, first + count)):
        raise stored.refusal(file, f"does not count {number} from {first} row by row")
    return table


def _recipe_faults(identities: Identities) -> Masks:
    dihedral, colours = identities.dihedral, identities.colours
    return {
        "its dihedral transform is none": (dihedral < 0) | (dihedral >= NUM_DIHEDRAL),
        "its colours are no permutation": (
            np.sort(colours, axis=1) != np.arange(ARC_COLOURS, dtype=np.uint8)
        ).any(1),
    }


def _order_faults(identities: Identities) -> Masks:
    """Return what is wrong with the order of recipes: by group, the unchanged one first."""
    step = np.diff(identities.group, prepend=np.int32(-1))
    changed = (identities.dihedral != 0) | (identities.colours != np.arange(ARC_COLOURS)).any(1)
    return {
        "its group is neither that of the row in front nor the next": (step < 0) | (step > 1),
        "it is the first of its group, but changes the task": (step == 1) & changed,
        "it changes colour 0": identities.colours[:, 0] != 0,
    }


def _repeats(identities: Identities) -> Masks:
    """Return which recipes were their task's before, from all of a recipe in one row of bytes."""
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
    return {"its recipe is that of an earlier identity of its group": repeated}


def _check_identifiers(stored: StoredSet, identities: Identities) -> None:
    for split in SPLITS:
        for piece in stored.pieces(split):
            group = identities.group[piece.columns["puzzle_identifier"] - 1]
            fault = {"its identifier is of another group": group != piece.columns["group"]}
            stored.require_none(piece, first_fault(fault))
