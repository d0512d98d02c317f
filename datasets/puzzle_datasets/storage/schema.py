"""The form of a stored puzzle set: its tokens and its manifest.

A puzzle set is a folder of Parquet shards beside one `manifest.json`, which holds the hash of
every other file, so that one fingerprint stands for the whole content.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.errors import DatasetError

SCHEMA_VERSION = 2
MANIFEST_FILE = "manifest.json"
IDENTITY_FILE = "identities.parquet"
GROUP_FILE = "groups.parquet"

PAD, EOS, COLOUR_OFFSET = 0, 1, 2
"""Tokens of a grid on its canvas: padding, the border below and right of it, colour c at c + 2."""

ARC_COLOURS = 10
ARC_VOCAB_SIZE = COLOUR_OFFSET + ARC_COLOURS
IGNORE_LABEL = -100
"""Label of a position that takes no part in the loss."""

BLANK_IDENTIFIER = 0
"""The puzzle identifier that belongs to no puzzle; identities count from 1."""

IMPORTED = "official"
"""Name of the set that holds a published folder as it is."""

Tokens = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")
_AGAIN = "build the set again"
COUNTS = {"groups", "train_pairs", "test_pairs", "identities"}

AugmentationMode = Literal["stored", "table", "fresh"]
"""Pairs are served as stored, under a fixed table of variants, or anew in every epoch."""


@dataclass(frozen=True, kw_only=True)
class _Description:
    """The part of a card that the manifest repeats.

    Attributes:
        name: the set's name, as in `build NAME`.
        kind: name of the kind whose rules, symmetries and looks the puzzles have.
        settings: the builder's, without anything that differs between machines.
        source: where the puzzles come from, for people.
        seq_len: tokens of one grid, which has rows and columns `grid`.
        box: rows and columns of a Sudoku's box; None for other kinds.
        tokens: the legend, token to meaning.
        statistics: figures a person may want to compare with other sets.
    """

    name: str
    kind: str
    settings: dict[str, Any]
    source: str
    licence: str
    vocab_size: int
    seq_len: int
    grid: tuple[int, int]
    box: tuple[int, int] | None = None
    tokens: dict[str, str]
    augmentation: AugmentationMode
    statistics: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Card(_Description):
    """The description of a puzzle set by the source that made it.

    `groups` are base puzzles with all their variants: tasks of ARC, single grids elsewhere;
    `identities` the rows of the puzzle embedding that puzzles have, none for Sudoku and mazes.
    """

    groups: int
    identities: int = 0


@dataclass(frozen=True, kw_only=True)
class Manifest(_Description):
    """The identity card of a puzzle set, stored as `manifest.json`.

    `num_puzzle_identifiers` are the identities and the blank one; `counts` has `groups`,
    `train_pairs`, `test_pairs` and `identities`; `files` maps each other file to its SHA-256.
    """

    schema_version: int
    num_puzzle_identifiers: int
    counts: dict[str, int]
    files: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """Return 64 hex digits that are equal for equal content only."""
        return hashlib.sha256(canonical_json(asdict(self)).encode()).hexdigest()

    def shards(self, split: Split) -> list[str]:
        """Return the names of a split's shards, in the order of their rows."""
        return sorted(name for name in self.files if name.startswith(f"{split}-"))

    def to_json(self) -> str:
        """Return the text of `manifest.json`."""
        return json.dumps(asdict(self), indent=2, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, file: Path | str = MANIFEST_FILE) -> "Manifest":
        """Read a manifest of this schema version back; `DatasetError` of `file` if it is none."""
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            remedy = "delete its folder and build the set again"
            raise DatasetError.of(file, f"is not JSON ({error})", remedy) from error
        _check_content(content, file)
        box = content["box"]
        pairs = {"grid": tuple(content["grid"]), "box": None if box is None else tuple(box)}
        manifest = cls(**{**content, **pairs})
        if (fault := _contradiction(manifest)) is not None:
            raise DatasetError.of(file, fault, _AGAIN)
        return manifest


def canonical_json(content: Any) -> str:
    """Return the one JSON text of `content`: sorted keys, no spaces."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _check_content(content: Any, file: Path | str) -> None:
    """Refuse what is no manifest: every key has to be there, with a value of its type."""
    if not isinstance(content, dict):
        raise DatasetError.of(file, "holds no JSON object", _AGAIN)
    version = content.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:  # first, for keys of other versions are not worth naming
        problem = f"has schema_version {version!r} but this version reads {SCHEMA_VERSION}"
        raise DatasetError.of(file, problem, _AGAIN, version)
    hints = get_type_hints(Manifest)
    faults = [f"lacks {key!r}" for key in hints if key not in content]
    faults += [f"has unknown {key!r}" for key in content if key not in hints]
    faults += [
        f"has {key!r} of a wrong type"
        for key, hint in hints.items()
        if key in content and not _fits(content[key], hint)
    ]
    if faults:
        raise DatasetError.of(file, ", ".join(faults), _AGAIN)


def _contradiction(manifest: Manifest) -> str | None:
    rows, columns = manifest.grid
    if set(manifest.counts) != COUNTS:
        return f"has counts other than {', '.join(sorted(COUNTS))}"
    identifiers, identities = manifest.num_puzzle_identifiers, manifest.counts["identities"]
    if rows * columns != manifest.seq_len:
        return f"says seq_len {manifest.seq_len} of a grid of {rows} by {columns}"
    if not manifest.kind.isidentifier():
        return f"names a kind {manifest.kind!r}, which no kind can have"
    if identifiers != identities + 1:
        return f"says {identifiers} identifiers of {identities} identities and the blank one"
    if set(manifest.tokens) != {str(token) for token in range(manifest.vocab_size)}:
        return f"explains other tokens than 0 to {manifest.vocab_size - 1}"
    if not all(math.isfinite(value) for value in manifest.statistics.values()):
        return "has a statistic that is no number"
    for split in SPLITS:
        if not manifest.shards(split):
            return f"names no shard of {split}"
    return None


def _fits(value: Any, hint: Any) -> bool:
    """Return True if a value read from JSON is of a type, down to its items."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in arguments
    if origin in (Union, UnionType):
        return any(_fits(value, option) for option in arguments)
    if origin is tuple:
        same_length = isinstance(value, list) and len(value) == len(arguments)
        return same_length and all(map(_fits, value, arguments))
    if origin is dict:
        return isinstance(value, dict) and all(_fits(v, arguments[1]) for v in value.values())
    if hint is Any:
        return True
    return isinstance(value, (int, float) if hint is float else hint)
