"""What the settings of several sources check alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from puzzle_datasets.common.settings import require
from puzzle_datasets.storage.schema import DatasetError


def require_augmentations(settings: Any, most: int | None = None) -> None:
    """Refuse ``augmentations`` that are neither ``fresh`` nor a number, of at most ``most``.

    Raises:
        DatasetError: they are.
    """
    value = settings.augmentations
    possible = value == "fresh" or (value >= 0 and (most is None or value <= most))
    numbers = "0 or more" if most is None else f"0 to {most}"
    require(settings, "augmentations", possible, f"give {numbers}, or fresh")


@contextmanager
def blaming(key: str) -> Iterator[None]:
    """Have refusals name the setting ``key``, unless they name one already."""
    try:
        yield
    except DatasetError as error:
        raise DatasetError(str(error), key=error.key or key) from error
