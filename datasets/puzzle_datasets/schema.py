"""What a stored puzzle set is: its token vocabulary, its manifest, and the error that refuses it.

A puzzle set is a folder of Parquet shards beside one ``manifest.json``. The manifest says where
the puzzles come from, how they were chosen and how their tokens read, and holds the hash of every
other file, so that one fingerprint stands for the whole content.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_origin, get_type_hints

SCHEMA_VERSION = 1
MANIFEST_FILE = "manifest.json"
RECIPE_FILE = "augmentations.parquet"

PAD, EOS, COLOUR_OFFSET = 0, 1, 2
"""Tokens of a grid on its canvas: padding, the border below and right of it, colour c at c + 2."""

ARC_COLOURS = 10
ARC_VOCAB_SIZE = COLOUR_OFFSET + ARC_COLOURS
IGNORE_LABEL = -100
"""Label of a position that takes no part in the loss."""

BLANK_IDENTIFIER = 0
"""The puzzle identifier that belongs to no puzzle; identities count from 1."""


class DatasetError(ValueError):
    """A puzzle set, its settings or its folder can't be used; the message names the remedy."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The identity card of a puzzle set, stored as ``manifest.json``.

    ``settings`` are the builder's; ``tokens`` is the legend, token to meaning; ``counts`` has
    ``tasks``, ``train_pairs``, ``test_pairs`` and ``identities``; ``files`` maps each other file
    to its SHA-256. ``num_puzzle_identifiers`` counts the identities and the blank one.
    """

    schema_version: int
    name: str
    settings: dict[str, Any]
    source: str
    licence: str
    vocab_size: int
    seq_len: int
    num_puzzle_identifiers: int
    tokens: dict[str, str]
    counts: dict[str, int]
    files: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """Return 64 hex digits that are equal for equal content only."""
        return hashlib.sha256(canonical_json(asdict(self)).encode()).hexdigest()

    def to_json(self) -> str:
        """Return the text of ``manifest.json``."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str, file: Path | str = MANIFEST_FILE) -> "Manifest":
        """Read a manifest back; ``file`` is the name used in a refusal.

        Raises:
            DatasetError: the text is not JSON, lacks a key, has an unknown one, or was written
                for another schema version.
        """
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise DatasetError(
                f"{file} is not JSON ({error}); delete its folder and build the set again"
            ) from error
        _check_content(content, file)
        if content["schema_version"] != SCHEMA_VERSION:
            raise DatasetError(
                f"{file} has schema_version {content['schema_version']!r} but this version reads "
                f"{SCHEMA_VERSION}; build the set again"
            )
        return cls(**content)


def canonical_json(content: Any) -> str:
    """Return the one JSON text of ``content``: sorted keys, no spaces."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _check_content(content: Any, file: Path | str) -> None:
    """Refuse what is no manifest: every key has to be there, with a value of its type."""
    if not isinstance(content, dict):
        raise DatasetError(f"{file} holds no JSON object; build the set again")
    kinds = {key: get_origin(hint) or hint for key, hint in get_type_hints(Manifest).items()}
    faults = [f"lacks {key!r}" for key in kinds if key not in content]
    faults += [f"has unknown {key!r}" for key in content if key not in kinds]
    faults += [
        f"has {key!r} of a wrong type"
        for key, kind in kinds.items()
        if key in content and not isinstance(content[key], kind)
    ]
    if faults:
        raise DatasetError(f"{file} {', '.join(faults)}; build the set again")
