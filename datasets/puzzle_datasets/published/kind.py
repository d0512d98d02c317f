"""Which kind of puzzle a published folder holds, and what of it can be measured.

The folder itself does not say. Only ARC gives its puzzles identifiers of their own. Sudoku and
mazes are told apart by the vocabulary, and where that is the same (6 tokens, for a 4×4 Sudoku and
for a maze) by the start of the maze, which stands once in every grid.
"""

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.arc.build import token_legend
from puzzle_datasets.kinds.maze import rules as maze
from puzzle_datasets.kinds.sudoku import rules as sudoku
from puzzle_datasets.published.folder import PublishedSplit, Tokens
from puzzle_datasets.published.metadata import REMEDY, Metadata
from puzzle_datasets.storage.schema import ARC_VOCAB_SIZE, COLOUR_OFFSET, Kind


def find_kind(split: PublishedSplit, asked: Literal["auto"] | Kind) -> Kind:
    """Return the kind that is asked for, or the only one that fits the split.

    Raises:
        DatasetError: vocabulary, length and identifiers are not those of the kind, or of any.
    """
    possible = [kind for kind in _possible_kinds(split.metadata) if asked in (kind, "auto")]
    if not possible:
        raise DatasetError(
            "kind",
            asked,
            "check kind and folder",
            problem=f"is {asked}, but {split.folder} has {_described(split.metadata)}",
            also=("folder",),
        )
    if len(possible) == 1:
        return possible[0]
    first_labels = next(split.chunks())[2][0]
    return "maze" if np.count_nonzero(first_labels == maze.START) == 1 else "sudoku"


def measure(
    kind: Kind, split: PublishedSplit, first: int, inputs: Tokens, labels: Tokens
) -> dict[str, npt.NDArray[Any]]:
    """Return the columns [n] of a kind that can be read off the examples from ``first`` on.

    Of ARC these are heights and widths of the grids, wherever they lie on their canvases; of
    Sudoku the number of clues; of mazes the steps of the label's path and the number of shortest
    paths.

    Raises:
        DatasetError: the colours on an ARC canvas are no full rectangle.
    """
    if kind == "arc":
        h_in, w_in = _sizes(inputs, f"{split.folder}: the input of example", first)
        h_out, w_out = _sizes(labels, f"{split.folder}: the label of example", first)
        return {"h_in": h_in, "w_in": w_in, "h_out": h_out, "w_out": w_out}
    if kind == "sudoku":
        return {"clues": sudoku.clue_counts(inputs)}
    steps = (labels == maze.PATH).sum(axis=1) + 1
    side = canvas_side(split.metadata)
    ways = maze.count_shortest(inputs, (side, side))
    return {"length": steps.astype(np.int16), "n_shortest": ways}


def legend(kind: Kind, side: int) -> dict[str, str]:
    """Return what each token means."""
    if kind == "arc":
        return token_legend()
    return maze.LEGEND if kind == "maze" else sudoku.legend(side)


def canvas_side(metadata: Metadata) -> int:
    """Return the side of the square canvas, 0 if the tokens fill none."""
    side = math.isqrt(metadata.seq_len)
    return side if side**2 == metadata.seq_len else 0


def _possible_kinds(metadata: Metadata) -> list[Kind]:
    side = canvas_side(metadata)
    if not side:
        return []
    if metadata.num_puzzle_identifiers > 1:
        return ["arc"] if metadata.vocab_size == ARC_VOCAB_SIZE else []
    kinds: list[Kind] = []
    if side in sudoku.BOX_SHAPES and metadata.vocab_size == sudoku.vocab_size(side):
        kinds.append("sudoku")
    if metadata.vocab_size == maze.VOCAB_SIZE:
        kinds.append("maze")
    return kinds


def _described(metadata: Metadata) -> str:
    return (
        f"vocab_size {metadata.vocab_size}, seq_len {metadata.seq_len} and "
        f"num_puzzle_identifiers {metadata.num_puzzle_identifiers}"
    )


def grid_sizes(tokens: Tokens) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return heights and widths uint8 [n] of the ARC grids on canvases [n, L]; 0 where broken.

    A grid is a full rectangle, so its first and last coloured cells are opposite corners. They
    also say where it lies.
    """
    side = math.isqrt(tokens.shape[1])
    is_colour = tokens >= COLOUR_OFFSET
    first = is_colour.argmax(axis=1)
    last = tokens.shape[1] - 1 - is_colour[:, ::-1].argmax(axis=1)
    height, width = last // side - first // side + 1, last % side - first % side + 1
    whole = height * width == np.count_nonzero(is_colour, axis=1)
    return (height * whole).astype(np.uint8), (width * whole).astype(np.uint8)


def _sizes(
    tokens: Tokens, what: str, first_example: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    heights, widths = grid_sizes(tokens)
    if not heights.all():
        example = first_example + int(heights.argmin())
        problem = f"{what} {example} (from 0) is no full rectangle of colours"
        raise DatasetError(None, example, REMEDY, problem=problem)
    return heights, widths
