"""Generated mazes of any side, with the length of their shortest path within bounds.

Family `random-walls` is of the kind of the HRM paper, section 3.1, with up to millions of equally
short paths; in family `perfect` there is just one. Of several the label is the first, as
`rules.solve` orders them, so that a maze alone decides its label; rotated, it may be another.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.dihedral import NUM_DIHEDRAL
from puzzle_datasets.common.draws import keyed_generator
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.options import check, option, require
from puzzle_datasets.kinds.maze import rules as maze
from puzzle_datasets.kinds.maze.amount import most_mazes
from puzzle_datasets.kinds.maze.kind import KIND
from puzzle_datasets.kinds.maze.search import WIDEST, Family, Search
from puzzle_datasets.storage.schema import LARGEST_SEED, Manifest, Split
from puzzle_datasets.storage.settings import MOST_PUZZLES, Augmentations
from puzzle_datasets.storage.writer import Rows, SetWriter, spread

NAME = "maze"
SMALLEST = 3
MOST_VARIANTS = NUM_DIHEDRAL - 1

Measured = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]
"""Share of walls, steps and number of the shortest paths [n] of a run of mazes."""


@dataclass(frozen=True, kw_only=True)
class MazeSettings:
    """Settings of generated mazes; `DatasetError` if a value is impossible.

    Lengths are steps from S to G. By default, perfect mazes have paths of side²/9 steps to 7/5 of
    these, 100 to 140 at side 30. With random walls, paths have over 110 steps at side 30, over
    11·side/3 at larger sides and, where this is too rare, over 11·side²/90 at smaller ones.
    """

    side: int = option(30, "rows and columns", least=SMALLEST, most=WIDEST)
    family: Family = option(
        "perfect", "perfect: one path between any two cells; random-walls: 30 to 50 % walls"
    )
    train: int = option(1000, "mazes to train on", least=1, most=MOST_PUZZLES)
    test: int = option(1000, "mazes to test on", least=1, most=MOST_PUZZLES)
    min_length: int | None = option(
        None, "fewest steps from S to G; by default what suits family and side"
    )
    max_length: int | None = option(
        None, "most steps from S to G; by default 7/5 of the fewest if perfect, else any number"
    )
    augmentations: Augmentations = option(
        0,
        "rotated and reflected copies of each maze beside itself, or fresh; the field's: 0",
        least=0,
        most=MOST_VARIANTS,
    )
    seed: int = option(0, "decides the mazes", least=0, most=LARGEST_SEED)
    vocab_size = maze.VOCAB_SIZE

    def __post_init__(self) -> None:
        check(self, DatasetError)
        longest = self._longest
        possible = self.min_length is None or 1 <= self.min_length <= longest
        coupled = ("side", "family")
        require(self, "min_length", possible, f"give 1 to {longest}", DatasetError, coupled)
        least, most = self.bounds
        between = f"give {least}, which is min_length, to {longest}"
        fits = least <= most <= longest
        require(self, "max_length", fits, between, DatasetError, ("min_length", *coupled))
        if (most_there := most_mazes(self.family, self.side)) < self.train + self.test:
            remedy = f"give at most {most_there:.0f} with test, of which there are no more"
            require(self, "train", False, remedy, DatasetError, ("test", *coupled))

    @property
    def bounds(self) -> tuple[int, int]:
        """Fewest and most steps from S to G."""
        area, least = self.side**2, self.min_length
        if least is None:
            random_walls = min(11 * area // 90, 11 * self.side // 3) + 1
            least = max(2, area // 9) if self.family == "perfect" else random_walls
        if self.max_length is not None:
            return least, self.max_length
        most = max(7 * least // 5, least + 2) if self.family == "perfect" else self._longest
        return least, min(most, self._longest)

    @property
    def _longest(self) -> int:
        """Steps that no path exceeds: those of one through all cells that may be open."""
        rooms = ((self.side + 1) // 2) ** 2
        return 2 * (rooms - 1) if self.family == "perfect" else self.side**2 - 1

    @property
    def seq_len(self) -> int:
        """Tokens of one grid."""
        return self.side**2


def build(settings: MazeSettings, writer: SetWriter) -> Manifest:
    """Write the puzzle set of `settings`, the same bytes every time; no maze comes twice.

    Test mazes are drawn first, and are the same for any number of training mazes, of which more
    begin with the fewer. Raises `DatasetError` if there are not enough.
    """
    seen: set[int] = set()
    figures: dict[str, float] = {}
    first_groups: dict[Split, int] = {"test": settings.train, "train": 0}
    for split, first_group in first_groups.items():
        measured: list[Measured] = []
        writer.write_split(split, _rows(settings, split, first_group, seen, measured))
        walls, length, ways = map(np.concatenate, zip(*measured, strict=True))
        figures |= {
            **spread(f"{split}_length", length),
            f"{split}_walls": round(float(walls.mean()), 4),
            f"{split}_unique_path": round(float((ways == 1).mean()), 4),
        }
    least, most = settings.bounds
    card = KIND.card(
        NAME,
        settings,
        source=f"generated {settings.family} mazes with paths of {least} to {most} steps",
        licence="generated, free of rights",
        groups=settings.train + settings.test,
        statistics=figures,
    )
    return writer.finish(card)


def _rows(
    settings: MazeSettings,
    split: Split,
    first_group: int,
    seen: set[int],
    measured: list[Measured],
) -> Iterator[Rows]:
    """Yield the mazes of a split with their labels; take note of their measures."""
    shape = (settings.side, settings.side)
    least, most = settings.bounds
    search = Search(family=settings.family, side=settings.side, least=least, most=most)
    count = settings.train if split == "train" else settings.test
    first = 0
    for inputs in search.distinct(count, keyed_generator("maze", split, settings.seed), seen):
        labels = maze.solve(inputs, shape)
        length = (labels == maze.PATH).sum(1) + 1
        ways = maze.count_shortest(inputs, shape)
        measured.append(((inputs == maze.WALL).mean(1), length, ways))
        details = {"length": length.astype(np.int16), "n_shortest": ways}
        details["rating"] = length.astype(np.float32)
        yield Rows.singles(inputs, labels, first_group + first, first, **details)
        first += len(inputs)
