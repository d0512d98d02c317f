"""ARC tasks, published by version."""

from functools import partial

from puzzle_datasets.kinds.arc import build
from puzzle_datasets.kinds.arc.kind import KIND as KIND
from puzzle_datasets.kinds.arc.settings import VERSIONS, ArcSettings, most_identifiers
from puzzle_datasets.kinds.kind import PuzzleSet

SETS = {
    name: PuzzleSet(
        summary=version.summary,
        settings=ArcSettings,
        build=partial(build.build, version),
        quick_check=partial(build.chosen_tasks, version),
        most_identifiers=partial(most_identifiers, version),
    )
    for name, version in VERSIONS.items()
}
