"""Grids whose cells are one character each, from a person's text to tokens."""

from collections.abc import Mapping

import numpy as np

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.text import shown
from puzzle_datasets.storage.schema import Tokens

FIELD = "puzzle"
"""Of the errors of a puzzle that somebody wrote."""


def tokens_of(text: str, tokens: Mapping[str, int], cells: int, remedy: str) -> Tokens:
    """Return the tokens uint8 [1, cells] of so many characters.

    >>> tokens_of("1.", {"1": 2, ".": 1}, 2, "write digits").tolist()
    [[2, 1]]

    Raises `DatasetError` for another number of characters, or another one.
    """
    if len(text) != cells:
        raise DatasetError.of(FIELD, f"has {len(text):,} cells, not {cells:,}", remedy)
    if strange := set(text) - tokens.keys():
        raise DatasetError.of(FIELD, f"has the character {shown(min(strange))}", remedy)
    return np.array([[tokens[character] for character in text]], np.uint8)
