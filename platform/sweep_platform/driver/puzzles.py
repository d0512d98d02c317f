"""The puzzles of a sweep: those that it began with, or new ones."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from puzzle_datasets.storage.schema import Manifest
from puzzle_datasets.storage.shards import read_manifest, verify
from sweep_platform.common.errors import InputError
from sweep_platform.driver.request import ResolvedSweep
from sweep_platform.space.dataset import DatasetAddress, built_shape, prepare
from sweep_platform.space.knobs import Shape

DEFAULT_DATA = Path("data")


@dataclass(frozen=True, kw_only=True)
class Puzzles:
    """The puzzles of a sweep: where workers find them, and what they are."""

    address: DatasetAddress
    manifest: Manifest

    @property
    def shape(self) -> Shape:
        """The sizes that they fix for a model."""
        return built_shape(self.manifest)

    def record(self) -> dict[str, Any]:
        """The puzzles as the sweep's folder describes them."""
        manifest = self.manifest
        return {
            **asdict(self.address),
            "name": manifest.name,
            "counts": manifest.counts,
            "source": manifest.source,
            "licence": manifest.licence,
        }


def prepare_puzzles(sweep: ResolvedSweep, data: Path | None) -> Puzzles:
    """The puzzles that a sweep began with, without a look at their source, or new ones.

    Raises:
        DatasetError: they cannot be built, or are damaged.
        InputError: they are not those that the sweep began with.
    """
    began_with = sweep.folder.record().dataset if sweep.folder.exists() else None
    before = Path(began_with["folder"]) if began_with else None
    if before is not None and data is None and before.exists():
        folder, manifest = before, verify(before)
    else:
        root = before.parent if before is not None else DEFAULT_DATA
        folder = prepare(sweep.spec.dataset, data or root)
        manifest = read_manifest(folder)
    if began_with is not None and began_with["fingerprint"] != manifest.fingerprint:
        raise InputError.of(
            folder,
            f"is not the puzzle set that {sweep.folder.root} began with",
            "restore that set, or start a new sweep with another --out",
        )
    address = DatasetAddress(folder=str(folder), fingerprint=manifest.fingerprint)
    return Puzzles(address=address, manifest=manifest)
