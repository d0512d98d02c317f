"""ARC: grids, identities and tasks."""

from collections.abc import Iterator

from puzzle_datasets.checks.stored_set import StoredSet
from puzzle_datasets.kinds.arc.grid_checks import check_grids
from puzzle_datasets.kinds.arc.identity_checks import check_identities
from puzzle_datasets.kinds.arc.task_checks import check_tasks


def check_arc(stored: StoredSet) -> Iterator[str]:
    """Check what has to hold of an ARC set.

    Raises:
        DatasetError: a canvas or a table has a fault.
    """
    yield from check_grids(stored)
    yield from check_identities(stored)
    yield from check_tasks(stored)
