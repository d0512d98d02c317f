"""The form of a stored puzzle set: its tokens and its manifest.

A puzzle set is a folder of Parquet shards beside one `manifest.json`, which holds the hash of
every other file, so that one fingerprint stands for the whole content.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.arguments import checked
from puzzle_datasets.common.bounded import Count, Figure, Positive
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.reading import parse_json
from puzzle_datasets.common.records import MisfitError, record_from
from puzzle_datasets.common.text import shown

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

NO_GROUP = -1
"""The group of an identity that no pair of an imported set bears."""

IMPORTED = "official"
"""Name of the set that holds a published folder as it is."""

Tokens = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")
_AGAIN = "build the set again"
_SHARD = re.compile(r"(train|test)-\d{5,9}\.parquet")

MOST_VOCABULARY, MOST_TOKENS, MOST_COUNTED = 256, 1_000_000, 2**31 - 1
"""Tokens are stored as bytes, and the numbers of rows in 32 bits."""

MOST_FIGURES = 1_000
"""How many statistics or settings there are at most."""

LONGEST_TEXT = 1_000
"""Characters of a name, source, licence or meaning; people read them in a line."""

LARGEST_SEED, MOST_AUGMENTATIONS = 10**18, 10**6

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
    vocab_size: Count
    seq_len: Count
    grid: tuple[Count, Count]
    box: tuple[Positive, Positive] | None = None
    tokens: dict[str, str]
    augmentation: AugmentationMode
    statistics: dict[str, Figure]


@dataclass(frozen=True, kw_only=True)
class Card(_Description):
    """The description of a puzzle set by the source that made it.

    `groups` are base puzzles with all their variants: tasks of ARC, single grids elsewhere;
    `identities` the rows of the puzzle embedding that puzzles have, none for Sudoku and mazes.
    """

    groups: Count
    identities: Count = 0


@dataclass(frozen=True, kw_only=True)
class Manifest(_Description):
    """The identity card of a puzzle set, stored as `manifest.json`.

    `num_puzzle_identifiers` are the identities and the blank one; `counts` has `groups`,
    `train_pairs`, `test_pairs` and `identities`; `files` maps each other file to its SHA-256.
    """

    schema_version: Positive
    num_puzzle_identifiers: Positive
    counts: dict[str, Count]
    files: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """Return 64 hex digits that are equal for equal content only."""
        return hashlib.sha256(canonical_json(asdict(self)).encode()).hexdigest()

    @property
    def is_import(self) -> bool:
        """True if the set was taken over as somebody else's build left it."""
        return self.name == IMPORTED

    def shards(self, split: Split) -> list[str]:
        """Return the names of a split's shards, in the order of their rows."""
        return sorted(name for name in self.files if name.startswith(f"{split}-"))

    def to_json(self) -> str:
        """Return the text of `manifest.json`."""
        return json.dumps(asdict(self), indent=2, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    @checked(DatasetError)
    def from_json(cls, text: str, file: Path | str = MANIFEST_FILE) -> "Manifest":
        """Read a manifest of this schema version back; `DatasetError` of `file` if it is none."""
        try:
            content = parse_json(text)
            _require_version(content)
            manifest = record_from(content, cls)
        except MisfitError as error:
            raise DatasetError.of(file, error.problem, _AGAIN) from error
        if (fault := _contradiction(manifest)) is not None:
            raise DatasetError.of(file, fault, _AGAIN)
        return manifest


def canonical_json(content: Any) -> str:
    """Return the one JSON text of `content`: sorted keys, no spaces."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _require_version(content: Any) -> None:
    """Raise `MisfitError` of another schema version first: its keys are not worth naming."""
    if isinstance(content, dict):
        version = content.get("schema_version", SCHEMA_VERSION)
        if version != SCHEMA_VERSION:
            this = f"but this version reads {SCHEMA_VERSION}"
            raise MisfitError(f"has schema_version {shown(version)} {this}")


def _contradiction(manifest: Manifest) -> str | None:
    rows, columns = manifest.grid
    counts = manifest.counts
    if set(counts) != COUNTS:
        return f"has counts other than {', '.join(sorted(COUNTS))}"
    for name, count in counts.items():
        least = 0 if name == "identities" else 1
        if not least <= count <= MOST_COUNTED:
            return f"counts {shown(count)} {name}, not {least} to {MOST_COUNTED}"
    pairs = counts["train_pairs"] + counts["test_pairs"]
    if counts["groups"] > pairs:
        return f"counts {counts['groups']} groups of {pairs} pairs"
    if min(rows, columns) < 1 or rows * columns != manifest.seq_len:
        return f"says seq_len {manifest.seq_len} of a grid of {rows} by {columns}"
    if manifest.seq_len > MOST_TOKENS:
        return f"says seq_len {manifest.seq_len}, over {MOST_TOKENS}"
    if not manifest.kind.isidentifier():
        return f"names a kind {shown(manifest.kind)}, which no kind can have"
    identifiers, identities = manifest.num_puzzle_identifiers, counts["identities"]
    if identifiers != identities + 1:
        return f"says {identifiers} identifiers of {identities} identities and the blank one"
    if not 1 <= manifest.vocab_size <= MOST_VOCABULARY:
        return f"says vocab_size {manifest.vocab_size}, not 1 to {MOST_VOCABULARY}"
    if set(manifest.tokens) != {str(token) for token in range(manifest.vocab_size)}:
        return f"explains other tokens than 0 to {manifest.vocab_size - 1}"
    if (most := max(len(manifest.statistics), len(manifest.settings))) > MOST_FIGURES:
        return f"has {most} statistics or settings, over {MOST_FIGURES}"
    texts = manifest.name, manifest.source, manifest.licence, *manifest.tokens.values()
    if max(map(len, (*texts, *manifest.statistics, *manifest.settings))) > LONGEST_TEXT:
        return f"has a text of over {LONGEST_TEXT} characters"
    return _fault_of_files(manifest) or _fault_of_settings(manifest)


def _fault_of_files(manifest: Manifest) -> str | None:
    for name in manifest.files:
        if _SHARD.fullmatch(name) is None and name not in (GROUP_FILE, IDENTITY_FILE):
            return f"names the file {shown(name)}, which no set has"
    for split in SPLITS:
        if not manifest.shards(split):
            return f"names no shard of {split}"
    if bool(manifest.counts["identities"]) != (IDENTITY_FILE in manifest.files):
        return f"counts {manifest.counts['identities']} identities, unlike its files"
    return None


def _fault_of_settings(manifest: Manifest) -> str | None:
    """A setting of the builder that serving reads."""
    wanted = {"seed": LARGEST_SEED}
    if manifest.augmentation == "table":
        wanted["augmentations"] = MOST_AUGMENTATIONS
    for name, most in wanted.items():
        value = manifest.settings.get(name, 0 if name == "seed" else None)
        if type(value) is not int or not 0 <= value <= most:
            return f"has {shown(value)} as settings.{name}, not 0 to {most}"
    return None
