"""The identities of ARC tasks: which dihedral transform and colours make each augmented task.

A table of them, as each has its own row of puzzle embeddings, stands for the augmented grids.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from puzzle_datasets.common.dihedral import NUM_DIHEDRAL, transform_grid
from puzzle_datasets.kinds.arc.grids import Grid, Pair
from puzzle_datasets.storage.schema import ARC_COLOURS, Integers

TRIES_PER_RECIPE = 5
_BITS_PER_COLOUR = 4


@dataclass(frozen=True, kw_only=True)
class Recipes:
    """A task's transforms uint8 [R] and new colours uint8 [R, 10]; the first change nothing."""

    dihedral: npt.NDArray[np.uint8]
    colours: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.dihedral)


def draw_recipes(pairs: Sequence[Pair], count: int, generator: np.random.Generator) -> Recipes:
    """Return the identity recipe and up to `count` others that give distinct augmented tasks.

    Transforms and colours other than 0 are uniform. As in the published builder, two tasks are the
    same that hold the same pairs in whatever order; after five tries a recipe a task stays short.
    """
    weights, classes = _pair_signatures(pairs)
    recipes = Recipes(
        dihedral=np.zeros(1, np.uint8), colours=np.arange(ARC_COLOURS, dtype=np.uint8)[None]
    )
    for _ in range(TRIES_PER_RECIPE):
        if len(recipes) > count:
            break
        tried = _random_recipes(count, generator)
        both = Recipes(
            dihedral=np.concatenate([recipes.dihedral, tried.dihedral]),
            colours=np.concatenate([recipes.colours, tried.colours]),
        )
        recipes = _first_distinct(both, weights, classes, count + 1)
    return recipes


def _random_recipes(count: int, generator: np.random.Generator) -> Recipes:
    dihedral = generator.integers(0, NUM_DIHEDRAL, count, dtype=np.uint8)
    colours = np.tile(np.arange(ARC_COLOURS, dtype=np.uint8), (count, 1))
    colours[:, 1:] = generator.permuted(colours[:, 1:], axis=1)
    return Recipes(dihedral=dihedral, colours=colours)


def _pair_signatures(pairs: Sequence[Pair]) -> tuple[Integers, Integers]:
    """Return weights [8, P, 10] and classes [8, P] that name every augmented pair exactly.

    A class is a transformed pair with colours in order of first appearance. The augmented pair is
    that class with the new colours in the same order, which the weights pack into one integer.
    """
    weights = np.zeros((NUM_DIHEDRAL, len(pairs), ARC_COLOURS), np.int64)
    classes = np.zeros((NUM_DIHEDRAL, len(pairs)), np.int64)
    known: dict[bytes, int] = {}
    for dihedral in range(NUM_DIHEDRAL):
        for index, pair in enumerate(pairs):
            relabelled, order = relabel([transform_grid(grid, dihedral) for grid in pair])
            classes[dihedral, index] = known.setdefault(relabelled, len(known))
            weights[dihedral, index, order] = 1 << _BITS_PER_COLOUR * np.arange(len(order))
    return weights, classes


def relabel(grids: Sequence[Grid]) -> tuple[bytes, npt.NDArray[np.intp]]:
    """Return the grids with colours numbered as they appear, and the colours in that order."""
    cells = np.concatenate([grid.ravel() for grid in grids])
    matches = cells == np.arange(ARC_COLOURS, dtype=np.uint8)[:, None]
    present = np.flatnonzero(matches.any(axis=1))
    order = present[matches.argmax(axis=1)[present].argsort()]
    number = np.zeros(ARC_COLOURS, np.uint8)
    number[order] = np.arange(len(order))
    shapes = np.array([grid.shape for grid in grids], np.uint8)
    return shapes.tobytes() + number[cells].tobytes(), order


def _first_distinct(recipes: Recipes, weights: Integers, classes: Integers, most: int) -> Recipes:
    """Keep the first recipe of every augmented task, `most` of them at most."""
    keys = np.zeros((len(recipes), classes.shape[1]), np.int64)
    for dihedral in range(NUM_DIHEDRAL):
        rows = recipes.dihedral == dihedral
        filled = recipes.colours[rows].astype(np.int64) @ weights[dihedral].T
        keys[rows] = (classes[dihedral] << _BITS_PER_COLOUR * ARC_COLOURS) + filled
    keys.sort(axis=1)
    first = np.sort(np.unique(keys, axis=0, return_index=True)[1])[:most]
    return Recipes(dihedral=recipes.dihedral[first], colours=recipes.colours[first])
