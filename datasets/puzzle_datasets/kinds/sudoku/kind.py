"""Sudoku as a kind of puzzle: its record, the check of stored pairs, and grids as in print."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from puzzle_datasets.checks import StoredSet
from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.common.text import counted
from puzzle_datasets.drawing import svg
from puzzle_datasets.drawing.picture import Legend
from puzzle_datasets.drawing.svg import Grid
from puzzle_datasets.kinds.floors import Floor
from puzzle_datasets.kinds.kind import Kind, later
from puzzle_datasets.kinds.sudoku import rules
from puzzle_datasets.kinds.sudoku.kernel import MOST_SOLVED_ANEW, count_solutions
from puzzle_datasets.kinds.sudoku.rules import BLANK, DIGIT_OFFSET
from puzzle_datasets.storage.rows import Fault, first_fault
from puzzle_datasets.storage.schema import SPLITS, Manifest, Mask, Split
from puzzle_datasets.storage.shards import Columns

PAPER, FOUND = "#ffffff", "#1f6fd6"

# Of the height of a cell: digits are 0.72 as high as their font, and stand centred.
_FONT, _BASELINE = 0.66, 0.735


@dataclass(frozen=True)
class SudokuLook:
    """Digits in a grid whose boxes have these rows and columns."""

    box: tuple[int, int]

    def panel(self, puzzle: Grid, drawn: Grid, cell: float) -> str:
        """Return the grid of `drawn`, the clues of `puzzle` in black."""
        clues = puzzle > BLANK
        found = (drawn > BLANK) & ~clues
        side = len(drawn) * cell
        thin = [i * cell for i in range(1, len(drawn))]
        ys, xs = ([i * cell for i in range(0, len(drawn) + 1, step)] for step in self.box)
        thick = {"stroke": svg.INK, "stroke_width": 1.6, "stroke_linecap": "square"}
        return "".join(
            [
                svg.rectangle(side, side, fill=PAPER),
                svg.lines(thin, thin, side, side, stroke="#b6bbc4", stroke_width=0.7),
                svg.lines(xs, ys, side, side, **thick),
                _digits(drawn, clues, cell, svg.INK, bold=True),
                _digits(drawn, found, cell, FOUND, bold=False),
            ]
        )

    def legend(self, side: float) -> Legend:
        """Return a clue, a digit that was found, and an empty cell."""
        digit, blank = (np.array([[token]], np.uint8) for token in (5 + DIGIT_OFFSET, BLANK))
        pairs = (digit, digit), (blank, digit), (blank, blank)
        names = "clue", "digit of the solution", "blank"
        cell = SudokuLook((1, 1))
        return [(cell.panel(*p, side), name) for p, name in zip(pairs, names, strict=True)]


def _digits(grid: Grid, mask: Mask, cell: float, colour: str, *, bold: bool) -> str:
    """Return the digits of the marked cells as one text, each placed on its own."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return ""
    return svg.placed_letters(
        "".join(str(token - DIGIT_OFFSET) for token in grid[mask].tolist()),
        xs=(columns + 0.5) * cell,
        ys=(rows + _BASELINE) * cell,
        size=_FONT * cell,
        colour=colour,
        bold=bold,
    )


def check_sudoku(stored: StoredSet) -> Iterator[str]:
    """Check solutions and clues of all rows, and of a sample that solutions are the only ones."""
    manifest = stored.manifest
    for split in SPLITS:
        rows = 0
        for piece in stored.pieces(split):
            stored.require_none(piece, _broken(manifest, piece.columns))
            rows += piece.rows
        yield f"{split} rules: {rows:,} solutions keep every rule and every clue"
        solved = _check_uniqueness(stored, split, manifest.grid[0])
        yield f"{split} uniqueness: {solved:,} of {rows:,} puzzles, solved anew, have one solution"


def _broken(manifest: Manifest, columns: Columns) -> Fault | None:
    inputs, side = columns["inputs"], manifest.grid[0]
    clues = rules.clue_counts(inputs)
    return rules.find_fault(inputs, columns["labels"], side) or first_fault(
        {
            "its clues are not as many as its column says": clues != columns["clues"],
            "its clues are too few for one solution": clues < rules.FEWEST_CLUES[side],
        }
    )


def _check_uniqueness(stored: StoredSet, split: Split, side: int) -> int:
    count = stored.manifest.counts[f"{split}_pairs"]
    chosen = np.zeros(count, np.bool_)
    chosen[keyed_generator("verify", split).permutation(count)[:MOST_SOLVED_ANEW]] = True
    first = 0
    for piece in stored.pieces(split):
        rows = np.flatnonzero(chosen[first : first + piece.rows])
        several = count_solutions(piece.columns["inputs"][rows], side) > 1
        if several.any():
            fault = "its puzzle has more than one solution"
            stored.require_none(piece, (int(rows[several.argmax()]), fault))
        first += piece.rows
    return int(chosen.sum())


def _fits(vocab_size: int, side: int, identifiers: int) -> bool:
    return side in rules.BOX_SHAPES and (vocab_size, identifiers) == (rules.vocab_size(side), 1)


def _details(columns: Mapping[str, float]) -> list[str]:
    rating = [f"rating {columns['rating']:.4g}"] if "rating" in columns else []
    return [counted(int(columns["clues"]), "clue"), *rating]


def _look(manifest: Manifest) -> SudokuLook:
    assert manifest.box is not None, f"{manifest.name} has no boxes"
    return SudokuLook(manifest.box)


def _changes(manifest: Manifest) -> str:
    swapped = "digits renamed, bands, stacks and the lines in them swapped"
    is_square = manifest.box is not None and len(set(manifest.box)) == 1
    return f"{swapped}, or the grid transposed" if is_square else swapped


KIND = Kind(
    name="sudoku",
    title="Sudoku",
    puzzles="Sudoku puzzles",
    columns={"clues": pa.uint8()},
    legend=rules.legend,
    box=rules.BOX_SHAPES.get,
    fits=_fits,
    measure=lambda inputs, labels, grid, refuse: {"clues": rules.clue_counts(inputs)},
    from_text=later("sudoku.text", "from_text"),
    to_text=later("sudoku.text", "to_text"),
    details=_details,
    look=_look,
    has_symbols=True,
    changes=_changes,
    augmenter=later("sudoku.augment", "SudokuPairs"),
    served=later("sudoku.augment", "served"),
    broken=_broken,
    check=check_sudoku,
    invariant=lambda inputs, grid: rules.invariant(inputs, grid[0]),
    rule_scores=rules.score,
    floors=(
        Floor(
            name="random legal fill",
            words="random digits, each allowed by its row, column and box where one is",
            predict=later("sudoku.floors", "random_fill"),
        ),
    ),
)
