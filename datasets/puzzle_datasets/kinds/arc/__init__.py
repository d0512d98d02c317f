"""ARC tasks: published by version, and one's own."""

from functools import partial

from puzzle_datasets.kinds.arc import build, own_tasks
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
SETS[own_tasks.NAME] = PuzzleSet(
    summary="ARC tasks of your own, in files as ARC, Kaggle or re-arc have them",
    settings=own_tasks.OwnArcSettings,
    build=own_tasks.build,
    quick_check=own_tasks.chosen_tasks,
    most_identifiers=own_tasks.most_identifiers,
)
