"""The puzzles of a sweep: those that it began with, or new ones, and what is asked of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from hrm.config import ConfigError
from puzzle_datasets.commands.floors import kept_floors
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.storage.schema import Manifest
from puzzle_datasets.storage.shards import read_manifest, rebuild, verify
from puzzle_datasets.storage.structure import read_group_names
from sweep_platform.common.errors import InputError
from sweep_platform.driver.moved import place_now
from sweep_platform.driver.request import DEFAULT_DATA, ResolvedSweep
from sweep_platform.space.dataset import DatasetAddress, built_shape, prepare
from sweep_platform.space.knobs import Shape, at_share, training_config
from sweep_platform.space.puzzle_cache import (
    PuzzleSource,
    prepared_at,
    puzzles_here,
    puzzles_place,
)
from sweep_platform.spec.schema import DatasetSpec, SweepSpec
from sweep_platform.store.storage.objects import StorageError


@dataclass(frozen=True, kw_only=True)
class Puzzles:
    """The puzzles of a sweep: where workers find them, and what they are."""

    address: DatasetAddress
    manifest: Manifest

    @property
    def shape(self) -> Shape:
        """The sizes that they fix for a model."""
        return built_shape(self.manifest)

    @property
    def task_names(self) -> list[str]:
        """Names of the tasks, by number; none where the set names none."""
        folder = Path(self.address.folder)
        return read_group_names(folder, self.manifest, rebuild(folder))

    def record(self) -> dict[str, Any]:
        """The puzzles as the sweep's folder describes them. Raises `DatasetError`: damaged."""
        manifest = self.manifest
        return {
            **asdict(self.address),
            "counts": manifest.counts,
            "source": manifest.source,
            "licence": manifest.licence,
            "floors": [asdict(floor) for floor in kept_floors(self.address.folder)],
        }


def prepare_puzzles(sweep: ResolvedSweep, data: Path | str | None) -> Puzzles:
    """The puzzles that a sweep began with, without a look at their source, or new ones.

    Raises `DatasetError` where they cannot be built or are damaged, `InputError` where they are
    not those that the sweep began with.
    """
    began_with = sweep.folder.record().dataset if sweep.folder.exists() else None
    before = place_now(sweep.folder, _folder_of(began_with)) if began_with else None
    if before is not None and data is None and before.exists():
        folder, manifest = before, verify(before)
    else:
        root = before.parent if before and before.parent.exists() else DEFAULT_DATA
        stored = _from_storage(sweep, began_with or {}) if data is None else None
        folder = stored or _prepared(sweep.spec.dataset, data or root)
        manifest = read_manifest(folder)
    if began_with is not None and began_with.get("fingerprint") != manifest.fingerprint:
        raise InputError.of(
            folder,
            f"is not the puzzle set that {sweep.folder.root} began with",
            "restore that set, or start a new sweep with another --out",
        )
    address = DatasetAddress(
        folder=str(folder), name=manifest.name, fingerprint=manifest.fingerprint
    )
    return Puzzles(address=address, manifest=manifest)


def _from_storage(sweep: ResolvedSweep, began_with: Mapping[str, Any]) -> Path | None:
    """The folder of the puzzles that a sweep began with, from its storage; None without them."""
    storage = sweep.spec.storage
    if storage is None or not began_with:
        return None
    names = (item.name for item in fields(DatasetAddress))
    address = DatasetAddress(**{name: str(began_with.get(name)) for name in names})
    url = f"{storage.url}/{sweep.folder.record().name}/{puzzles_place(address)}"
    try:
        return Path(puzzles_here(address, PuzzleSource(urls=(url,))).folder)
    except DatasetError:
        return None


def _prepared(dataset: DatasetSpec, data: Path | str) -> Path:
    """The folder of the puzzles below a path, or in the cache those below a URL."""
    if isinstance(data, Path):
        return prepare(dataset, data)
    try:
        return prepared_at(dataset, data)
    except StorageError as error:
        problem = f"can't be used ({error.strerror})"
        remedy = "mend that, or name a folder by --data"
        raise InputError.of(error.filename, problem, remedy) from None


def require_evaluable(spec: SweepSpec, puzzles: Puzzles) -> None:
    """Refuse parts and views of the test puzzles that this set does not have, before all else.

    Raises `InputError`.
    """
    evaluation = spec.evaluation
    if not evaluation.confirm_share and evaluation.views == 1:
        return
    from hrm.evaluation.selection import EvaluatedPuzzles  # loads torch, which others need not

    training = training_config(spec, at_share(spec, 0))
    dataset = puzzles.address.open()
    for part in ("search", "confirm") if evaluation.confirm_share else ("search",):
        try:
            EvaluatedPuzzles.of(dataset, replace(training, eval_part=part))
        except ConfigError as error:
            field = f"evaluation.{str(error.field).removeprefix('eval_')}"
            raise InputError.of(field, error.problem, error.remedy, error.value) from None


def _folder_of(dataset: Mapping[str, Any]) -> Path:
    """The folder of the puzzles as a record names it, which may be of another hand."""
    folder = dataset.get("folder")
    return Path(folder) if isinstance(folder, str) and "\0" not in folder else Path()
