"""The published layout of HRM and TRM, the same for reading and writing: files, sizes, names.

Below a folder lie `train` and `test`, each with a `dataset.json` and, for every name in its
`sets`, five arrays: `inputs` and `labels` [N, L], `puzzle_identifiers` [P], `puzzle_indices`
[P + 1] where each puzzle's examples start, and `group_indices` [G + 1] where each group's puzzles
start. `identifiers.json` beside them names the identifiers; of ARC, a name says task and
augmentation.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.storage.schema import ARC_COLOURS, BLANK_IDENTIFIER, PAD

METADATA_FILE = "dataset.json"
NAMES_FILE = "identifiers.json"
TASKS_FILE = "test_puzzles.json"
BLANK_NAME = "<blank>"
REMEDY = "build or copy the folder again"

Style = Literal["hrm", "trm"]
"""The way augmented identities are named, which the scoring of HRM and TRM reads."""

_SEPARATORS: dict[Style, str] = {"hrm": "_", "trm": "|||"}
_TOKENS = {"pad_id": PAD, "ignore_label_id": PAD, "blank_identifier_id": BLANK_IDENTIFIER}
_UNCHANGED = "".join(map(str, range(ARC_COLOURS)))
# "{task}_t{transform}_{colours}" of HRM, "{task}|||t{transform}|||{colours}" of TRM.
_AUGMENTED = re.compile(r"(.+)(_|\|\|\|)t([0-7])\2(\d{10})", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The part of a split's `dataset.json` that is used; other keys may be there."""

    vocab_size: int
    seq_len: int
    num_puzzle_identifiers: int
    sets: list[str]


@dataclass(frozen=True, kw_only=True)
class Identities:
    """Tasks and augmentations of identities, one entry a name.

    Attributes:
        tasks: the task's own name.
        dihedral: uint8 [I], the index of the transform.
        colours: uint8 [I, 10], what each colour becomes.
    """

    tasks: list[str]
    dihedral: npt.NDArray[np.uint8]
    colours: npt.NDArray[np.uint8]


def array_file(folder: Path, name: str, part: str) -> Path:
    """Return the path of one array of a set, below a split's folder."""
    return folder / f"{name}__{part}.npy"


def read_metadata(folder: Path) -> Metadata:
    """Read the `dataset.json` of a split's folder.

    Raises `DatasetError` if it is missing, no JSON, lacks a key, or numbers its tokens in another
    way.
    """
    file = folder / METADATA_FILE
    content = _read_json(file)
    if not isinstance(content, dict):
        raise DatasetError.of(file, "holds no JSON object", REMEDY)
    for key, value in _TOKENS.items():
        if content.get(key, value) != value:
            problem = f"has {key} {content[key]!r}"
            remedy = f"build the folder with {key} {value}"
            raise DatasetError.of(file, problem, remedy, content[key])
    sets = content.get("sets")
    if not isinstance(sets, list) or not sets or not all(isinstance(name, str) for name in sets):
        raise DatasetError.of(file, "has no list 'sets' of names", REMEDY, sets)
    sizes = ("vocab_size", "seq_len", "num_puzzle_identifiers")
    return Metadata(sets=sets, **{key: _positive(content, key, file) for key in sizes})


def read_names(folder: Path, count: int) -> list[str]:
    """Return the names of all `count` identifiers, that of the blank one first.

    Raises `DatasetError` if `identifiers.json` is missing, no list of names, or of another
    length.
    """
    file = folder / NAMES_FILE
    names = _read_json(file)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DatasetError.of(file, "holds no list of names", REMEDY)
    if len(names) != count:
        raise DatasetError.of(
            file,
            f"has {len(names)} names but {METADATA_FILE} has num_puzzle_identifiers {count}",
            f"take the {NAMES_FILE} of the same build",
            len(names),
        )
    return names


def metadata_record(metadata: Metadata, groups: int, puzzles: int, pairs: int) -> dict[str, Any]:
    """Return all keys of `dataset.json` that scripts of HRM or TRM look for."""
    return {
        **_TOKENS,
        "vocab_size": metadata.vocab_size,
        "seq_len": metadata.seq_len,
        "num_puzzle_identifiers": metadata.num_puzzle_identifiers,
        "total_groups": groups,
        "total_puzzles": puzzles,
        "mean_puzzle_examples": pairs / puzzles,
        "sets": metadata.sets,
    }


def parse_names(names: Sequence[str]) -> Identities:
    """Read identities from their names; a name of another form is a task's, un-augmented."""
    parts = [_parse(name) for name in names]
    digits = "".join(colours for _, _, colours in parts).encode()
    return Identities(
        tasks=[task for task, _, _ in parts],
        dihedral=np.array([dihedral for _, dihedral, _ in parts], np.uint8),
        colours=(np.frombuffer(digits, np.uint8) - ord("0")).reshape(-1, ARC_COLOURS),
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


def write_json(content: Any, file: Path) -> None:
    """Write a JSON file as the published scripts do, in one line."""
    file.write_text(json.dumps(content), encoding="utf-8")


def _parse(name: str) -> tuple[str, int, str]:
    match = _AUGMENTED.fullmatch(name)
    if match is None or len(set(match[4])) < ARC_COLOURS:
        return name, 0, _UNCHANGED
    return match[1], int(match[3]), match[4]


def _read_json(file: Path) -> Any:
    """Return what a JSON file holds.

    Raises `DatasetError` if it is missing or no JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError.of(file, f"can't be read ({error})", REMEDY) from error


def _positive(content: dict[str, Any], key: str, file: Path) -> int:
    value = content.get(key)
    if type(value) is not int or value < 1:
        problem = f"has {key} {value!r} where a number is due"
        raise DatasetError.of(file, problem, REMEDY, value)
    return value
