"""What the JSON files of a published folder say: sizes in ``dataset.json``, names beside it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.storage.schema import BLANK_IDENTIFIER, PAD

METADATA_FILE = "dataset.json"
NAMES_FILE = "identifiers.json"
REMEDY = "build or copy the folder again"

_FIXED = {"pad_id": PAD, "ignore_label_id": PAD, "blank_identifier_id": BLANK_IDENTIFIER}


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What ``dataset.json`` says of a split and is used; other keys may be there."""

    vocab_size: int
    seq_len: int
    num_puzzle_identifiers: int
    sets: list[str]


def read_metadata(folder: Path) -> Metadata:
    """Return what the ``dataset.json`` of a split's folder says.

    Raises:
        DatasetError: it is missing, no JSON, lacks a key, or numbers its tokens in another way.
    """
    file = folder / METADATA_FILE
    content = _read_json(file)
    if not isinstance(content, dict):
        raise DatasetError.of_file(file, "holds no JSON object", REMEDY)
    for key, value in _FIXED.items():
        if content.get(key, value) != value:
            problem = f"has {key} {content[key]!r}"
            remedy = f"build the folder with {key} {value}"
            raise DatasetError.of_file(file, problem, remedy, content[key])
    sets = content.get("sets")
    if not isinstance(sets, list) or not sets or not all(isinstance(name, str) for name in sets):
        raise DatasetError.of_file(file, "has no list 'sets' of names", REMEDY, sets)
    sizes = ("vocab_size", "seq_len", "num_puzzle_identifiers")
    return Metadata(sets=sets, **{key: _positive(content, key, file) for key in sizes})


def read_names(folder: Path, count: int) -> list[str]:
    """Return the names of all ``count`` identifiers, that of the blank one first.

    Raises:
        DatasetError: ``identifiers.json`` is missing, no list of names, or of another length.
    """
    file = folder / NAMES_FILE
    names = _read_json(file)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DatasetError.of_file(file, "holds no list of names", REMEDY)
    if len(names) != count:
        raise DatasetError.of_file(
            file,
            f"has {len(names)} names but {METADATA_FILE} has num_puzzle_identifiers {count}",
            f"take the {NAMES_FILE} of the same build",
            len(names),
        )
    return names


def _read_json(file: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        DatasetError: it is missing or no JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError.of_file(file, f"can't be read ({error})", REMEDY) from error


def _positive(content: dict[str, Any], key: str, file: Path) -> int:
    value = content.get(key)
    if type(value) is not int or value < 1:
        problem = f"has {key} {value!r} where a number is due"
        raise DatasetError.of_file(file, problem, REMEDY, value)
    return value
