"""The puzzles of a sweep: from the spec's `dataset` to a folder of shards on this host."""

from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from puzzle_datasets.schema import DatasetError, Manifest
from puzzle_datasets.sources.arc import ArcSettings, Task, choose_tasks, read_tasks
from sweep_platform.errors import InputError, suggest
from sweep_platform.space import Shape
from sweep_platform.spec import DatasetSpec
from sweep_platform.yaml_source import Source

ARC_TASKS = 800
_KEYS = tuple(field.name for field in fields(ArcSettings))


@dataclass(frozen=True, kw_only=True)
class DatasetAddress:
    """Where a host finds the puzzles, or builds them if it does not have them yet."""

    name: str
    settings: dict[str, Any]
    root: str

    def prepare(self) -> Path:
        """Folder of the puzzle set, verified by hash.

        Raises:
            DatasetError: it cannot be built, or is damaged.
        """
        from puzzle_datasets.prepare import prepare

        return prepare(self.name, ArcSettings(**self.settings), Path(self.root))


def address(dataset: DatasetSpec, root: Path) -> DatasetAddress:
    """Where the puzzles of a spec are, below `root`."""
    settings = asdict(_settings(dataset))
    return DatasetAddress(name=dataset.name, settings=settings, root=str(root.absolute()))


def check_dataset(dataset: DatasetSpec, source: Source) -> None:
    """Refuse puzzles that are not known or settings that are impossible.

    Raises:
        InputError: names the file, the line, the key and the remedy.
    """
    from puzzle_datasets.prepare import BUILDERS

    if dataset.name not in BUILDERS:
        place, remedy = source.place(("dataset", "name")), suggest(dataset.name, BUILDERS)
        raise InputError(f"{place}: unknown dataset `{dataset.name}`; {remedy}.")
    try:
        choose_tasks(_all_tasks(), _settings(dataset))
    except DatasetError as error:
        key = next((name for name in _KEYS if str(error).startswith(f"{name} is ")), "tasks")
        place = source.place(("dataset", key))
        raise InputError(f"{place}: `dataset.{key}`: {error}.") from None


@cache
def _all_tasks() -> list[Task]:
    return read_tasks()


def planned_shape(dataset: DatasetSpec) -> Shape:
    """What the puzzles will fix about a model, before they are built.

    The number of identities is then an upper bound; no cost but that of the table depends on it.
    """
    settings = _settings(dataset)
    identities = (settings.tasks or ARC_TASKS) * (1 + settings.augmentations)
    return Shape(
        vocab_size=settings.vocab_size,
        seq_len=settings.seq_len,
        num_puzzle_identifiers=1 + identities,
    )


def built_shape(manifest: Manifest) -> Shape:
    """What the puzzles fix about a model."""
    return Shape(
        vocab_size=manifest.vocab_size,
        seq_len=manifest.seq_len,
        num_puzzle_identifiers=manifest.num_puzzle_identifiers,
    )


def _settings(dataset: DatasetSpec) -> ArcSettings:
    return ArcSettings(
        canvas=dataset.canvas,
        tasks=None if dataset.tasks == "all" else dataset.tasks,
        augmentations=dataset.augmentations,
        held_out=dataset.held_out,
        seed=dataset.seed,
    )
