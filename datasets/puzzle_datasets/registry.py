"""The puzzle sets there are, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from puzzle_datasets.schema import DatasetError, Manifest
from puzzle_datasets.settings import choices
from puzzle_datasets.sources import arc, arc_build
from puzzle_datasets.writer import SetWriter


@dataclass(frozen=True, kw_only=True)
class PuzzleSet:
    """How a puzzle set is asked for and made.

    Attributes:
        summary: what it is, in a line.
        settings: the class of its settings.
        build: writes the set of some settings.
        check: raises ``DatasetError`` for what can be refused quickly, before anything is built.
        most_identifiers: puzzle identifiers that a set may have, the blank one among them.
    """

    summary: str
    settings: type[Any]
    build: Callable[[Any, SetWriter], Manifest]
    check: Callable[[Any], object] = lambda settings: None
    most_identifiers: Callable[[Any], int] = lambda settings: 1


PUZZLE_SETS = {
    name: PuzzleSet(
        summary=version.summary,
        settings=arc.ArcSettings,
        build=partial(arc_build.build, version),
        check=partial(arc_build.chosen_tasks, version),
        most_identifiers=partial(arc.most_identifiers, version),
    )
    for name, version in arc.VERSIONS.items()
}


def puzzle_set(name: str) -> PuzzleSet:
    """Return the puzzle set of a name.

    Raises:
        DatasetError: there is none.
    """
    if name not in PUZZLE_SETS:
        raise DatasetError(f"unknown puzzle set {name!r}; {choices(name, PUZZLE_SETS)}")
    return PUZZLE_SETS[name]
