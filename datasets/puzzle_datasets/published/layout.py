"""The published layout of HRM and TRM, the same for reading and writing: files, sizes, names.

Below a folder lie `train` and `test`, each with a `dataset.json` and, for every name in its
`sets`, five arrays: `inputs` and `labels` [N, L], `puzzle_identifiers` [P], and where each
puzzle's examples start, `puzzle_indices` [P + 1], and each group's puzzles, `group_indices`
[G + 1]. `identifiers.json` beside them names the identifiers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.reading import Reader
from puzzle_datasets.common.text import shown
from puzzle_datasets.storage.schema import ARC_COLOURS, BLANK_IDENTIFIER, MOST_COUNTED, PAD

METADATA_FILE = "dataset.json"
NAMES_FILE = "identifiers.json"
TASKS_FILE = "test_puzzles.json"
BLANK_NAME = "<blank>"
REMEDY = "build or copy the folder again"
SIZES = ("vocab_size", "seq_len", "num_puzzle_identifiers")
TOTALS = ("total_groups", "total_puzzles")
"""What builders count over all sets of a split; where a key is missing, nothing depends on it."""

LARGEST_NAMES, LONGEST_NAME = 60_000_000, 100
"""Bytes of all names, and of one on average: a thousand identities of each of a thousand tasks are
some 30 MB."""

_SET = re.compile(r"[\w-][\w.-]{0,99}")
"""A set's name is part of a file's."""

Style = Literal["hrm", "trm"]
"""The way augmented identities are named, which the scoring of HRM and TRM reads."""

_SEPARATORS: dict[Style, str] = {"hrm": "_", "trm": "|||"}
_TOKENS = {"pad_id": PAD, "ignore_label_id": PAD, "blank_identifier_id": BLANK_IDENTIFIER}
_UNCHANGED = "".join(map(str, range(ARC_COLOURS)))
# "{task}_t{transform}_{colours}" of HRM, "{task}|||t{transform}|||{colours}" of TRM.
_AUGMENTED = re.compile(r"(.+)(_|\|\|\|)t([0-7])\2(\d{10})", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The part of a split's `dataset.json` that is used; other keys may be there.

    `totals` are those of `TOTALS` that it has.
    """

    vocab_size: int
    seq_len: int
    num_puzzle_identifiers: int
    sets: list[str]
    totals: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Identities:
    """Tasks and augmentations of names: `dihedral` uint8 [I], and new colours uint8 [I, 10]."""

    tasks: list[str]
    dihedral: npt.NDArray[np.uint8]
    colours: npt.NDArray[np.uint8]


def fault(file: Path, problem: str, value: object = None) -> DatasetError:
    """Return the error of a file that is damaged."""
    return DatasetError.of(file, problem, REMEDY, value)


def array_file(folder: Path, name: str, part: str) -> Path:
    """Return the path of one array of a set, below a split's folder."""
    return folder / f"{name}__{part}.npy"


def read_metadata(folder: Path) -> Metadata:
    """Read a split's `dataset.json`; `DatasetError` if it can't be used."""
    file = folder / METADATA_FILE
    content = Reader(file, DatasetError, REMEDY).object()
    for key, value in _TOKENS.items():
        if (found := content.get(key, value)) != value:
            remedy = f"build the folder with {key} {value}"
            raise DatasetError.of(file, f"has {key} {shown(found)}", remedy, found)
    sets = content.get("sets")
    if not isinstance(sets, list) or not sets or not all(isinstance(name, str) for name in sets):
        raise fault(file, "has no list 'sets' of names", sets)
    for name in sets:
        if _SET.fullmatch(name) is None:
            raise fault(file, f"names a set {shown(name)}, which no set can have", name)
    totals = {key: content[key] for key in TOTALS if key in content}
    for key, size in {**{key: content.get(key) for key in SIZES}, **totals}.items():
        if type(size) is not int or not 1 <= size <= MOST_COUNTED:
            raise fault(file, f"has {key} {shown(size)} where a number is due", size)
    return Metadata(sets=sets, totals=totals, **{key: content[key] for key in SIZES})


def read_names(folder: Path, count: int, puzzles: int) -> list[str]:
    """Return the names of `count` identifiers, the blank one first, or raise `DatasetError`.

    `count` is only claimed; the folder's `puzzles` were counted.
    """
    file = folder / NAMES_FILE
    most = min(LARGEST_NAMES, LONGEST_NAME * (100 + puzzles))
    names = Reader(file, DatasetError, REMEDY, most=most).json()
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise fault(file, "holds no list of names")
    if (found := len(names)) != count:
        problem = f"has {found} names but {METADATA_FILE} has num_puzzle_identifiers {count}"
        raise DatasetError.of(file, problem, f"take the {NAMES_FILE} of the same build", found)
    return names


def metadata_record(metadata: Metadata, groups: int, puzzles: int, pairs: int) -> dict[str, Any]:
    """Return all keys of `dataset.json` that scripts of HRM or TRM look for."""
    return {
        **_TOKENS,
        **{key: getattr(metadata, key) for key in SIZES},
        "total_groups": groups,
        "total_puzzles": puzzles,
        "mean_puzzle_examples": pairs / puzzles,
        "sets": metadata.sets,
    }


def parse_names(names: Sequence[str]) -> Identities:
    """Read identities from their names; a name of another form is a task's, un-augmented."""
    tasks, dihedral, colours = zip(*map(_parse, names), strict=True)
    digits = np.frombuffer("".join(colours).encode(), np.uint8) - ord("0")
    return Identities(
        tasks=list(tasks),
        dihedral=np.array(dihedral, np.uint8),
        colours=digits.reshape(-1, ARC_COLOURS),
    )


def augmented_name(task: str, dihedral: int, colours: Sequence[int], style: Style) -> str:
    """Return the name of an identity; its task's own name if nothing is changed.

    >>> augmented_name("00d62c1b", 3, [0, 2, 1, *range(3, 10)], "trm")
    '00d62c1b|||t3|||0213456789'
    """
    separator = _SEPARATORS[style]
    digits = "".join(map(str, colours))
    if dihedral == 0 and digits == _UNCHANGED:
        return task
    return f"{task}{separator}t{dihedral}{separator}{digits}"


def _parse(name: str) -> tuple[str, int, str]:
    match = _AUGMENTED.fullmatch(name)
    if match is None or len(set(match[4])) < ARC_COLOURS:
        return name, 0, _UNCHANGED
    return match[1], int(match[3]), match[4]
