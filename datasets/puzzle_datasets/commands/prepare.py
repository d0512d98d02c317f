"""The puzzle sets there are, and how one is made ready: built where missing, else proven."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from puzzle_datasets.checks import StoredSet, check_rows, check_sharing, check_structure
from puzzle_datasets.common.arguments import checked
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import make_folder, naming
from puzzle_datasets.common.reading import path_from
from puzzle_datasets.common.text import suggest
from puzzle_datasets.kinds.kind import PuzzleSet, kind_named, sets_of_kinds
from puzzle_datasets.published.source import OFFICIAL
from puzzle_datasets.storage.schema import IMPORTED, MANIFEST_FILE, SCHEMA_VERSION, canonical_json
from puzzle_datasets.storage.settings import Settings, settings_record, unrecorded
from puzzle_datasets.storage.shards import read_manifest, verify
from puzzle_datasets.storage.writer import Report, SetWriter


def puzzle_sets() -> dict[str, PuzzleSet]:
    """Return all puzzle sets by name: those of every kind, and the imported one."""
    return {**sets_of_kinds(), IMPORTED: OFFICIAL}


@checked(DatasetError)
def puzzle_set(name: str) -> PuzzleSet:
    """Return the puzzle set of a name.

    >>> puzzle_set("maze").summary
    'generated mazes: perfect ones, or random walls with long shortest paths'

    Raises `DatasetError` if there is none.
    """
    known = puzzle_sets()
    if name not in known:
        raise DatasetError.of(None, f"{name!r} is no puzzle set", suggest(name, known), name)
    return known[name]


@checked(DatasetError)
def prepare(name: str, settings: Settings, root: Path | str, report: Report | None = None) -> Path:
    """Return the folder below `root` that holds the puzzle set of these settings, whole.

    However many processes call at once, one builds and the others wait for it. A set appears under
    its name only when finished; what a killed build left behind is cleared by the next one. Raises
    `DatasetError` if the name is unknown, the settings are another's or can't be met, or the set
    is there but damaged; `OSError` if `root` can't be written.
    """
    root = path_from("root", root, DatasetError)
    if not isinstance(settings, wanted := puzzle_set(name).settings):
        raise DatasetError("settings", settings, f"give {wanted.__name__}")
    folder = root / folder_name(name, settings)
    _build_once(name, settings, folder, report)
    verify(folder)
    return folder


def build_at(name: str, settings: Settings, folder: Path, report: Report | None = None) -> None:
    """Have the set at `folder`, whole, as `prepare` does; also refuse whatever else lies there."""
    _build_once(name, settings, folder, report)
    _require_same(name, settings, folder)
    verify(folder)


def folder_name(name: str, settings: Settings) -> str:
    """Return the folder's name: equal for equal settings under one schema version only."""
    record = settings_record(settings)
    identity = {"name": name, "schema_version": SCHEMA_VERSION, "settings": record}
    return f"{name}-{hashlib.sha256(canonical_json(identity).encode()).hexdigest()[:12]}"


def _require_same(name: str, settings: Settings, folder: Path) -> None:
    remedy = "choose another folder"
    if not (folder / MANIFEST_FILE).exists():
        raise DatasetError.of(folder, "exists and is no puzzle set", remedy)
    manifest = read_manifest(folder)
    if manifest.name != name:
        problem = f"holds the set {manifest.name}, not {name}"
        raise DatasetError.of(folder, problem, remedy, manifest.name)
    recorded = unrecorded(settings) | manifest.settings
    for key, value in (unrecorded(settings) | settings_record(settings)).items():
        if (held := recorded.get(key)) != value:
            problem = f"holds {name} with {key} {held!r}, not {value!r}"
            raise DatasetError.of(folder, problem, remedy, held)


def _build_once(name: str, settings: Settings, folder: Path, report: Report | None) -> None:
    build = puzzle_set(name).build
    with naming(folder):
        make_folder(folder, lambda partial: build(settings, SetWriter(partial, report)))


@checked(DatasetError)
def verify_all(folder: Path | str) -> Iterator[str]:
    """Yield a line for every check that a puzzle set passes, in order; later ones build on it.

    Raises `DatasetError` if a check fails; the message names file, row and remedy.
    """
    folder = path_from("folder", folder, DatasetError)
    manifest = verify(folder)
    yield f"hashes: {len(manifest.files):,} files are as the manifest says"
    stored, kind = StoredSet(folder=folder, manifest=manifest), kind_named(manifest.kind)
    yield from check_structure(stored, kind)
    yield from check_rows(stored)
    yield from kind.check(stored)
    if (invariant := kind.invariant) is not None:
        yield from check_sharing(stored, lambda inputs: invariant(inputs, manifest.grid))
