"""Draw grids until enough different mazes have a path of the length asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.maze import rules as maze
from puzzle_datasets.kinds.maze.grids import (
    DrawGrids,
    Mask,
    Places,
    any_of,
    draw_perfect,
    draw_random_walls,
)

WIDEST = 64
"""The most columns that a word holds."""

Words = npt.NDArray[np.unsignedinteger[Any]]

# To pick the mazes that still walk costs about as much as a step of those that do not.
_WORTH_PICKING = 0.8


def far_reaching(open_cells: Mask, starts: Places, side: int, steps: int) -> tuple[Places, int]:
    """Return the mazes that have a cell `steps` away from their start, by their numbers.

    Also returns the steps to the furthest cell met, counted no further than `steps`.

    Args:
        open_cells: bool [n, side * side]; the side is 64 at most.
        starts: the place of the start [n], an open cell.
        steps: 1 or more.
    """
    start_cells = np.zeros_like(open_cells)
    start_cells[np.arange(len(starts)), starts] = True
    walkable, reached = _words(open_cells, side), _words(start_cells, side)
    mazes = np.arange(len(starts))
    for step in range(1, steps + 1):
        spread = _with_neighbours(reached) & walkable
        grew = (spread != reached).any(0)
        walking = np.count_nonzero(grew)
        if walking == 0:
            return mazes[:0], step - 1
        if walking < _WORTH_PICKING * len(mazes):
            walkable, spread, mazes = walkable[:, grew], spread[:, grew], mazes[grew]
            grew = grew[grew]
        reached = spread
    return mazes[grew], steps


def _words(cells: Mask, side: int) -> Words:
    """Return rows of cells as words [side, n], column c as bit c."""
    word = np.dtype("<u4" if side <= WIDEST // 2 else "<u8")
    packed = np.packbits(cells.reshape(-1, side, side), axis=2, bitorder="little")
    padded = np.zeros((*packed.shape[:2], word.itemsize), np.uint8)
    padded[:, :, : packed.shape[2]] = packed
    return np.ascontiguousarray(padded.view(word)[:, :, 0].T)


def _with_neighbours(reached: Words) -> Words:
    """Return the cells reached and those beside, above and below them."""
    spread: Words = np.left_shift(reached, 1)
    spread |= np.right_shift(reached, 1)
    spread |= reached
    spread[1:] |= reached[:-1]
    spread[:-1] |= reached[1:]
    return spread


Family = Literal["perfect", "random-walls"]
Tokens = npt.NDArray[np.uint8]

# How many grids to draw at a time: enough that numpy computes more than it dispatches, and few
# enough that they stay in a processor's cache.
FAMILIES: dict[Family, tuple[DrawGrids, int]] = {
    "perfect": (draw_perfect, 1024),
    "random-walls": (draw_random_walls, 4096),
}

# Grids of random walls that reach far are rare; this many are finished together, for speed.
_AT_ONCE = 64

PATIENCE = 200_000
"""Grids to draw without a new maze before giving up; the field's random walls need some 2,500."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search for mazes of a family and side whose path has `least` to `most` steps.

    A grid is kept if some cell is `least` steps away from its random start, and the goal is
    uniform among the cells that are `least` to `most` steps away.
    """

    family: Family
    side: int
    least: int
    most: int

    def distinct(
        self, count: int, generator: np.random.Generator, seen: set[int]
    ) -> Iterator[Tokens]:
        """Yield `count` mazes [n, L] in several runs, of which some may be empty.

        `seen` holds the hashes of mazes that must not come (again), in any orientation, and
        grows by those that were found. Raises `DatasetError` if `PATIENCE` grids in a row
        brought no new maze.
        """
        found = tries = furthest = 0
        while found < count:
            mazes, drawn, reached = self._draw(generator)
            hashes = maze.canonical_hash(mazes, self._shape).tolist()
            new = mazes[_unseen(hashes, count - found, seen)]
            found += len(new)
            furthest = max(furthest, reached)
            tries = 0 if len(new) else tries + drawn
            if tries >= PATIENCE:
                raise self._refusal(found, count, furthest)
            yield new

    @property
    def _shape(self) -> maze.Shape:
        return self.side, self.side

    def _draw(self, generator: np.random.Generator) -> tuple[Tokens, int, int]:
        """Return mazes [n, L], how many grids were drawn for them, and the furthest cell met."""
        draw_grids, batch = FAMILIES[self.family]
        kept: list[Tokens] = []
        drawn = furthest = 0
        while sum(len(inputs) for inputs in kept) < _AT_ONCE and drawn < PATIENCE:
            open_cells, starts = draw_grids(generator, batch, self.side)
            far, reached = far_reaching(open_cells, starts, self.side, self.least)
            inputs = np.where(open_cells[far], maze.OPEN, maze.WALL).astype(np.uint8)
            inputs[np.arange(len(far)), starts[far]] = maze.START
            kept.append(inputs)
            drawn += batch
            furthest = max(furthest, reached)
        return self._with_goals(np.concatenate(kept), generator), drawn, furthest

    def _with_goals(self, inputs: Tokens, generator: np.random.Generator) -> Tokens:
        steps = maze.distances(inputs, self._shape, maze.START)
        goals = any_of(generator, (steps >= self.least) & (steps <= self.most))
        inputs[np.arange(len(inputs)), goals] = maze.GOAL
        return inputs

    def _refusal(self, found: int, count: int, furthest: int) -> DatasetError:
        what = f"{self.family} mazes of side {self.side}"
        if furthest < self.least:
            problem = f"is {self.least}, but the longest path in {PATIENCE} {what} has {furthest}"
            remedy = "lower it or raise side"
        else:
            problem = (
                f"is {self.least}, but only {found} different {what} with a path of {self.least} "
                f"to {self.most} steps were found where {count} are asked for, none in the last "
                f"{PATIENCE} grids"
            )
            remedy = "ask for fewer, lower it or raise side"
        return DatasetError("min_length", self.least, remedy, problem=problem, also=("side",))


def _unseen(hashes: list[int], most: int, seen: set[int]) -> list[int]:
    """Return the places of the first hashes not seen before, which these are from now on."""
    places: list[int] = []
    for place, known in enumerate(hashes):
        if len(places) < most and known not in seen:
            seen.add(known)
            places.append(place)
    return places
