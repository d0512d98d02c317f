"""The puzzles of a sweep: from the spec's `dataset` to a folder of shards on this host."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from puzzle_datasets.registry import PUZZLE_SETS, puzzle_set
from puzzle_datasets.schema import DatasetError, Manifest
from puzzle_datasets.settings import Settings, make_settings
from sweep_platform.errors import InputError, suggest
from sweep_platform.space import Shape
from sweep_platform.spec import DatasetSpec
from sweep_platform.yaml_source import Source


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

        settings = make_settings(puzzle_set(self.name).settings, self.settings)
        return prepare(self.name, settings, Path(self.root))


def address(dataset: DatasetSpec, root: Path) -> DatasetAddress:
    """Where the puzzles of a spec are, below `root`."""
    settings = asdict(_settings(dataset))
    return DatasetAddress(name=dataset.name, settings=settings, root=str(root.absolute()))


def resolved_dataset(dataset: DatasetSpec, source: Source) -> DatasetSpec:
    """The same puzzles with every setting decided, and the user's paths made absolute.

    Raises:
        InputError: the puzzles are not known or a setting is impossible; names the file, the
            line, the key and the remedy.
    """
    if dataset.name not in PUZZLE_SETS:
        place, remedy = source.place(("dataset", "name")), suggest(dataset.name, PUZZLE_SETS)
        raise InputError(f"{place}: unknown dataset `{dataset.name}`; {remedy}.")
    try:
        settings = _settings(dataset)
        puzzle_set(dataset.name).check(settings)
    except DatasetError as error:
        raise InputError(_sentence(error, source)) from None
    return DatasetSpec(name=dataset.name, **_absolute(settings))


def planned_shape(dataset: DatasetSpec) -> Shape:
    """What the puzzles will fix about a model, before they are built.

    The number of identities is then an upper bound; no cost but that of the table depends on it.
    """
    settings = _settings(dataset)
    return Shape(
        vocab_size=settings.vocab_size,
        seq_len=settings.seq_len,
        num_puzzle_identifiers=puzzle_set(dataset.name).most_identifiers(settings),
    )


def built_shape(manifest: Manifest) -> Shape:
    """What the puzzles fix about a model."""
    return Shape(
        vocab_size=manifest.vocab_size,
        seq_len=manifest.seq_len,
        num_puzzle_identifiers=manifest.num_puzzle_identifiers,
    )


def _sentence(error: DatasetError, source: Source) -> str:
    path = ("dataset", error.key) if error.key else ("dataset",)
    said = str(error)
    about_key = error.key is not None and said.startswith(f"{error.key} ")
    rest = said.removeprefix(str(error.key)) if about_key else f": {said}"
    return f"{source.place(path)}: `{'.'.join(path)}`{rest}."


def _settings(dataset: DatasetSpec) -> Settings:
    settings: Settings = make_settings(puzzle_set(dataset.name).settings, dataset.settings)
    return settings


def _absolute(settings: Settings) -> dict[str, Any]:
    values = {item.name: getattr(settings, item.name) for item in fields(settings)}
    for item in fields(settings):
        if item.metadata.get("path") and values[item.name] is not None:
            values[item.name] = str(Path(values[item.name]).expanduser().absolute())
    return values
