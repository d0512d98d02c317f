"""A puzzle set as it is asked for, and the sets that each kind lists."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any

from puzzle_datasets import kinds
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.options import is_folder, make
from puzzle_datasets.kinds.kind import kind_names
from puzzle_datasets.storage.schema import Manifest
from puzzle_datasets.storage.writer import SetWriter


def _one_identifier(settings: object) -> int:
    """Return 1: puzzles share the blank identifier."""
    return 1


def _no_check(settings: object) -> None:
    """Check nothing: the settings' own checks are all there is to do beforehand."""


@dataclass(frozen=True, kw_only=True)
class PuzzleSet:
    """A puzzle set that can be built.

    Attributes:
        summary: what it is, in a line.
        settings: the class of its settings.
        build: writes the set of some settings.
        quick_check: raises `DatasetError` for what shows before anything is built.
        most_identifiers: puzzle identifiers that a set may have, the blank one among them.
    """

    summary: str
    settings: type[Any]
    build: Callable[[Any, SetWriter], Manifest]
    quick_check: Callable[[Any], object] = _no_check
    most_identifiers: Callable[[Any], int] = _one_identifier

    def settings_from(self, values: Mapping[str, Any]) -> Any:
        """Return settings of this set from plain values, such as a file's.

        >>> sets_of_kinds()["sudoku"].settings_from({"side": 4}).seq_len
        16

        Raises `DatasetError` if a setting is unknown, missing or impossible.
        """
        return make(self.settings, values, DatasetError)

    def check(self, settings: Any) -> None:
        """Refuse what can be refused quickly, before anything is built.

        Raises `DatasetError`, whose field is a setting: a fault in a file of the user is one of
        the setting that names the folder.
        """
        try:
            self.quick_check(settings)
        except DatasetError as error:
            items = {item.name: item for item in fields(settings)}
            if error.field is None or error.field in items:
                raise
            folder = next(name for name, item in items.items() if is_folder(item))
            problem = f"can't be used, for {error.field} {error.problem}"
            value = getattr(settings, folder)
            raise DatasetError(folder, value, error.remedy, problem=problem) from error


def sets_of_kinds() -> dict[str, PuzzleSet]:
    """Return the puzzle sets that every kind lists, by name."""
    modules = [import_module(f"{kinds.__name__}.{name}") for name in kind_names()]
    return {name: made for module in modules for name, made in module.SETS.items()}
