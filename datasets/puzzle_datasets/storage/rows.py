"""Faults of rows, and those that rows of no kind may have: wrong tokens, numbers or order."""

from typing import Any

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.dihedral import NUM_DIHEDRAL
from puzzle_datasets.storage.schema import (
    ARC_COLOURS,
    BLANK_IDENTIFIER,
    Manifest,
    Mask,
    Tokens,
)
from puzzle_datasets.storage.shards import Columns

Fault = tuple[int, str]
"""A row and a clause on what is wrong with it."""
Masks = dict[str, Mask]
"""Faulty rows, bool [n], by a clause on what is wrong."""

Numbers = dict[str, int]
"""Group, puzzle and identifier of a row."""
BEFORE_FIRST: Numbers = {"group": 0, "puzzle": -1, "puzzle_identifier": BLANK_IDENTIFIER}

_SIZES = {"h_in": 0, "h_out": 0, "w_in": 1, "w_out": 1}
"""Columns that are heights or widths of a grid on its canvas, and along which axis."""


def first_fault(masks: Masks) -> Fault | None:
    """Return the first row that has a fault, and its first fault."""
    faults = np.stack(list(masks.values()))
    faulty = faults.any(0)
    if not faulty.any():
        return None
    row = int(faulty.argmax())
    return row, list(masks)[int(faults[:, row].argmax())]


def find_fault(manifest: Manifest, columns: Columns, before: Numbers) -> Fault | None:
    """Return the first row with a fault, `before` being the numbers of the row in front."""
    groups = manifest.counts["groups"]
    tokens: Masks = {
        name: columns[name].max(1, initial=0) >= manifest.vocab_size
        for name in ("inputs", "labels")
    }
    group, identifier = columns["group"], columns["puzzle_identifier"]
    steps = [np.diff(columns[name], prepend=np.int32(last)) for name, last in before.items()]
    group_step, puzzle_step, identifier_step = steps
    inside = puzzle_step == 0
    # Where there are identities, no puzzle is under the blank identifier.
    least = BLANK_IDENTIFIER + bool(manifest.counts["identities"])
    alien = (identifier < least) | (identifier >= manifest.num_puzzle_identifiers)
    jumps = (puzzle_step < 0) | (puzzle_step > 1)
    return first_fault(
        {
            "a token of its input is not in the vocabulary": tokens["inputs"],
            "a token of its label is not in the vocabulary": tokens["labels"],
            "its group comes before that of the row in front": group_step < 0,
            "its group is beyond those counted": (group < 0) | (group >= groups),
            "its puzzle is neither that of the row in front nor the next": jumps,
            "its group is not that of its puzzle": inside & (group_step != 0),
            "its identifier is not that of its puzzle": inside & (identifier_step != 0),
            "its identifier is none of the set": alien,
            **_size_faults(manifest, columns),
        }
    )


def recipe_faults(dihedral: npt.NDArray[np.integer[Any]], colours: Tokens) -> Masks:
    """Return which recipes of identities, transforms [I] and new colours [I, 10], are none."""
    permuted = np.sort(colours, axis=1) == np.arange(ARC_COLOURS)
    return {
        "its dihedral transform is none": (dihedral < 0) | (dihedral >= NUM_DIHEDRAL),
        "its colours are no permutation": ~permuted.all(1),
    }


def _size_faults(manifest: Manifest, columns: Columns) -> Masks:
    return {
        f"its {name} is not from 1 to {manifest.grid[axis]}": (columns[name] < 1)
        | (columns[name] > manifest.grid[axis])
        for name, axis in _SIZES.items()
        if name in columns
    }
