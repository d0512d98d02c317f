"""The rows of both splits are as many as promised, in order, and within the manifest's bounds."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from puzzle_datasets.checks.stored_set import Fault, Piece, StoredSet, first_fault
from puzzle_datasets.storage.schema import BLANK_IDENTIFIER, MANIFEST_FILE, SPLITS, Manifest, Split

_Numbers = dict[str, int]
"""Group, puzzle and identifier of a row."""
_BEFORE_FIRST: _Numbers = {"group": 0, "puzzle": -1, "puzzle_identifier": BLANK_IDENTIFIER}


def check_rows(stored: StoredSet) -> Iterator[str]:
    """Check tokens, groups, puzzles and identifiers of all rows.

    Raises:
        DatasetError: a row is out of order or out of bounds, or rows or groups are missing.
    """
    has_rows = np.zeros(stored.manifest.counts["groups"], np.bool_)
    for split in SPLITS:
        rows = _check_split(stored, split, has_rows)
        yield f"{split} rows: {rows:,} in order, with tokens and numbers within bounds"
    if not has_rows.all():
        raise stored.refusal(MANIFEST_FILE, f"counts group {has_rows.argmin()}, which has no row")
    yield f"groups: {len(has_rows):,}, each with rows"


def _check_split(stored: StoredSet, split: Split, has_rows: npt.NDArray[np.bool_]) -> int:
    """Return how many rows the split has; mark the groups that they belong to."""
    before = _BEFORE_FIRST
    rows = 0
    for piece in stored.pieces(split):
        stored.require_none(piece, _find_fault(stored.manifest, piece, before))
        has_rows[piece.columns["group"]] = True
        before = {name: int(piece.columns[name][-1]) for name in before}
        rows += piece.rows
    promised = stored.manifest.counts[f"{split}_pairs"]
    if rows != promised:
        raise stored.refusal(MANIFEST_FILE, f"promises {promised} {split} pairs, not {rows}")
    return rows


def _find_fault(manifest: Manifest, piece: Piece, before: _Numbers) -> Fault | None:
    """Return the first row with a fault, ``before`` being the numbers of the row in front."""
    columns, groups = piece.columns, manifest.counts["groups"]
    group, identifier = columns["group"], columns["puzzle_identifier"]
    step = {
        name: np.diff(columns[name], prepend=np.int32(number)) for name, number in before.items()
    }
    inside = step["puzzle"] == 0
    least = BLANK_IDENTIFIER + (manifest.kind == "arc")
    return first_fault(
        {
            "a token of its input is not in the vocabulary": _is_alien(
                columns["inputs"], manifest
            ),
            "a token of its label is not in the vocabulary": _is_alien(
                columns["labels"], manifest
            ),
            "its group comes before that of the row in front": step["group"] < 0,
            "its group is beyond those counted": (group < 0) | (group >= groups),
            "its puzzle is neither that of the row in front nor the next": (step["puzzle"] < 0)
            | (step["puzzle"] > 1),
            "its group is not that of its puzzle": inside & (step["group"] != 0),
            "its identifier is not that of its puzzle": inside & (step["puzzle_identifier"] != 0),
            "its identifier is none of the set": (identifier < least)
            | (identifier >= manifest.num_puzzle_identifiers),
        }
    )


def _is_alien(tokens: npt.NDArray[np.uint8], manifest: Manifest) -> npt.NDArray[np.bool_]:
    return np.asarray((tokens >= manifest.vocab_size).any(1))
