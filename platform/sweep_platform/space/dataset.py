"""The puzzles of a sweep: from the spec's `dataset` to a folder of shards on this host."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from puzzle_datasets.commands.prepare import folder_name, puzzle_set, puzzle_sets
from puzzle_datasets.commands.prepare import prepare as prepare_set
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.options import is_folder
from puzzle_datasets.common.reading import path_from
from puzzle_datasets.common.text import suggest
from puzzle_datasets.storage.schema import MANIFEST_FILE, Manifest
from puzzle_datasets.storage.settings import Settings
from puzzle_datasets.storage.shards import read_manifest
from sweep_platform.common.errors import InputError
from sweep_platform.space.knobs import Shape
from sweep_platform.spec.schema import DatasetSpec
from sweep_platform.spec.yaml_source import KeyPath, Source, dotted

if TYPE_CHECKING:
    from puzzle_datasets.storage.dataset import PuzzleDataset


@dataclass(frozen=True, kw_only=True)
class DatasetAddress:
    """The folder in which hosts find the puzzles, their name, and the fingerprint to verify."""

    folder: str
    name: str
    fingerprint: str

    def open(self) -> "PuzzleDataset":
        """The set, verified by hash. Raises `DatasetError`: it is missing, damaged or another."""
        from puzzle_datasets.storage.dataset import PuzzleDataset

        dataset = PuzzleDataset.open(Path(self.folder))
        if dataset.manifest.fingerprint != self.fingerprint:
            raise DatasetError.of(
                self.folder,
                "is not the puzzle set that the sweep began with",
                "restore that set, or start a new sweep with another --out",
            )
        return dataset


def prepare(dataset: DatasetSpec, root: Path) -> Path:
    """The folder below `root` that holds the puzzles of a spec, built where it is missing.

    Raises `DatasetError`: it cannot be built, or is damaged.
    """
    return prepare_set(dataset.name, settings_of(dataset), root.absolute())


def built_before(dataset: DatasetSpec, root: Path) -> Manifest | None:
    """The manifest of a spec's puzzles below `root`; None where they are yet to be built."""
    folder = root / folder_name(dataset.name, settings_of(dataset))
    return read_manifest(folder) if (folder / MANIFEST_FILE).exists() else None


def resolved_dataset(dataset: DatasetSpec, source: Source) -> DatasetSpec:
    """The same puzzles with every setting decided, and the user's paths made absolute.

    Raises `InputError`, with file, line, key and remedy: an unknown set or setting.
    """
    if dataset.name not in puzzle_sets():
        raise InputError(
            "dataset.name",
            dataset.name,
            suggest(dataset.name, puzzle_sets()),
            place=source.location(("dataset", "name")),
        )
    try:
        absolute = DatasetSpec(name=dataset.name, **_absolute(settings_of(dataset)))
        puzzle_set(dataset.name).check(settings_of(absolute))
    except DatasetError as error:
        raise _misfit(error, source) from None
    return absolute


def planned_shape(dataset: DatasetSpec) -> Shape:
    """The sizes that the puzzles will fix for a model, before they are built.

    The number of identities is then an upper bound; no cost but that of the table depends on it.
    """
    settings = settings_of(dataset)
    return Shape(
        vocab_size=settings.vocab_size,
        seq_len=settings.seq_len,
        num_puzzle_identifiers=puzzle_set(dataset.name).most_identifiers(settings),
    )


def built_shape(manifest: Manifest) -> Shape:
    """The sizes that puzzles fix for a model."""
    return Shape(
        vocab_size=manifest.vocab_size,
        seq_len=manifest.seq_len,
        num_puzzle_identifiers=manifest.num_puzzle_identifiers,
    )


def _misfit(error: DatasetError, source: Source) -> InputError:
    """The same error, at the key of the space that it is about."""
    path: KeyPath = ("dataset",) if error.field is None else ("dataset", error.field)
    place = source.location(path)
    return InputError(dotted(path), error.value, error.remedy, problem=error.problem, place=place)


def settings_of(dataset: DatasetSpec) -> Settings:
    """The settings of a spec's set, every one decided. Raises `DatasetError`."""
    settings: Settings = puzzle_set(dataset.name).settings_from(dataset.settings)
    return settings


def _absolute(settings: Settings) -> dict[str, Any]:
    values = {item.name: getattr(settings, item.name) for item in fields(settings)}
    for item in fields(settings):
        if is_folder(item) and values[item.name] is not None:
            path = path_from(item.name, values[item.name], DatasetError)
            values[item.name] = str(path.absolute())
    return values
