"""Generated Sudoku puzzles of 4×4, 6×6 and 9×9, each with a single solution."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.options import check, option, require
from puzzle_datasets.kinds.sudoku import rules as sudoku
from puzzle_datasets.kinds.sudoku.distinct import DistinctPuzzles
from puzzle_datasets.kinds.sudoku.kind import KIND
from puzzle_datasets.storage.schema import LARGEST_SEED, MOST_AUGMENTATIONS, Manifest, Split
from puzzle_datasets.storage.settings import MOST_PUZZLES, Augmentations
from puzzle_datasets.storage.writer import Rows, SetWriter, spread

NAME = "sudoku"
LICENCE = "generated, free of rights"


@dataclass(frozen=True, kw_only=True)
class SudokuSettings:
    """Settings of generated Sudoku puzzles; `DatasetError` if a value is impossible."""

    side: Literal[4, 6, 9] = option(
        9, "rows and columns: 4, 6 (boxes of 2 rows and 3 columns) or 9"
    )
    train: int = option(1000, "puzzles to train on", least=1, most=MOST_PUZZLES)
    test: int = option(1000, "puzzles to test on", least=1, most=MOST_PUZZLES)
    clues: int | None = option(None, "clues of each puzzle; none: no clue more than it needs")
    augmentations: Augmentations = option(
        "fresh",
        "variants of each puzzle beside itself, or fresh: new ones in each epoch",
        least=0,
        most=MOST_AUGMENTATIONS,
    )
    seed: int = option(0, "decides the puzzles", least=0, most=LARGEST_SEED)
    test_twins: Literal["keep", "drop"] = option(
        "keep", "test puzzles that are others of the test set up to symmetry", later=True
    )

    def __post_init__(self) -> None:
        check(self, DatasetError)
        fewest, most = sudoku.FEWEST_CLUES[self.side], self.seq_len - 1
        possible = self.clues is None or fewest <= self.clues <= most
        remedy = f"give {fewest} to {most}, or none"
        require(self, "clues", possible, remedy, DatasetError, also=("side",))
        if (most_there := self._most_puzzles) < self.train + self.test:
            remedy = f"give at most {most_there} with test, of which there are no more"
            require(self, "train", False, remedy, DatasetError, also=("test", "side", "clues"))

    @property
    def _most_puzzles(self) -> int:
        """Puzzles that there are at most.

        Without a number of clues, none has the clues of another one of its solution and more: such
        sets of clues are no more than those of half the cells (Sperner's theorem).
        """
        cells = self.seq_len
        return sudoku.SOLUTIONS[self.side] * math.comb(cells, self.clues or cells // 2)

    @property
    def vocab_size(self) -> int:
        """Padding, blank and the digits."""
        return sudoku.vocab_size(self.side)

    @property
    def seq_len(self) -> int:
        """Tokens of one grid."""
        return self.side**2


def build(settings: SudokuSettings, writer: SetWriter) -> Manifest:
    """Write the puzzle set of `settings`, the same bytes every time, with numba or without.

    No puzzle comes twice, and no test puzzle is a training puzzle up to symmetry, nor another test
    puzzle where `test_twins` are dropped. Raises `DatasetError` if there are not enough.
    """
    wanted: dict[Split, int] = {"train": settings.train, "test": settings.test}
    puzzles = DistinctPuzzles(
        side=settings.side,
        clues=settings.clues,
        wanted=wanted,
        seed=settings.seed,
        test_twins=settings.test_twins == "keep",
    )
    figures: dict[str, float] = {}
    first_groups: dict[Split, int] = {"train": 0, "test": settings.train}
    for split, first_group in first_groups.items():
        clues: list[npt.NDArray[np.uint8]] = []
        writer.write_split(split, _rows(puzzles, split, first_group, clues))
        figures |= spread(f"{split}_clues", np.concatenate(clues))
    end = "each is needed" if settings.clues is None else f"{settings.clues} are left"
    card = KIND.card(
        NAME,
        settings,
        source="random solutions, of which those equal up to symmetry are equally likely; their "
        "digits were taken away in random order, while the solution stayed the only one, until "
        f"{end}",
        licence=LICENCE,
        groups=settings.train + settings.test,
        statistics=figures,
    )
    return writer.finish(card)


def _rows(
    puzzles: DistinctPuzzles,
    split: Split,
    first_group: int,
    clue_counts: list[npt.NDArray[np.uint8]],
) -> Iterator[Rows]:
    """Yield the puzzles of a split; take note of how many clues they have."""
    first = 0
    for inputs, labels in puzzles.of(split):
        clues = sudoku.clue_counts(inputs)
        clue_counts.append(clues)
        yield Rows.singles(inputs, labels, first_group + first, first, clues=clues)
        first += len(inputs)
