"""The puzzle sets there are, and how one is made ready: built where missing, else proven."""

import hashlib
from pathlib import Path

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import make_folder, naming
from puzzle_datasets.common.text import suggest
from puzzle_datasets.kinds.puzzle_set import PuzzleSet, sets_of_kinds
from puzzle_datasets.published.source import OFFICIAL
from puzzle_datasets.storage.schema import IMPORTED, MANIFEST_FILE, SCHEMA_VERSION, canonical_json
from puzzle_datasets.storage.settings import Settings, settings_record
from puzzle_datasets.storage.shards import read_manifest, verify
from puzzle_datasets.storage.writer import Report, SetWriter


def puzzle_sets() -> dict[str, PuzzleSet]:
    """Return all puzzle sets by name: those of every kind, and the imported one."""
    return {**sets_of_kinds(), IMPORTED: OFFICIAL}


def puzzle_set(name: str) -> PuzzleSet:
    """Return the puzzle set of a name.

    >>> puzzle_set("maze").summary
    'generated mazes: perfect ones, or random walls with long shortest paths'

    Raises `DatasetError` if there is none.
    """
    known = puzzle_sets()
    if name not in known:
        problem = f"{name!r} is no puzzle set"
        raise DatasetError(None, name, suggest(name, known), problem=problem)
    return known[name]


def prepare(name: str, settings: Settings, root: Path, report: Report | None = None) -> Path:
    """Return the folder below `root` that holds the puzzle set of these settings, whole.

    However many processes call at once, one builds and the others wait for it. A set appears under
    its name only when finished; what a killed build left behind is cleared by the next one. Raises
    `DatasetError` if the name is unknown, the settings can't be met, or the set is there but
    damaged; `OSError` if `root` can't be written.
    """
    folder = root / folder_name(name, settings)
    _build_once(name, settings, folder, report)
    verify(folder)
    return folder


def build_at(name: str, settings: Settings, folder: Path, report: Report | None = None) -> None:
    """Have the puzzle set of these settings at `folder`, whole, as `prepare` does.

    Raises `DatasetError` as `prepare`, or something else lies at `folder`; `OSError` if `folder`
    can't be written.
    """
    _build_once(name, settings, folder, report)
    _require_same(name, settings, folder)
    verify(folder)


def folder_name(name: str, settings: Settings) -> str:
    """Return the folder's name: equal for equal settings under one schema version only.

    Raises `DatasetError` if a file that the settings name can't be read.
    """
    record = settings_record(settings)
    identity = {"name": name, "schema_version": SCHEMA_VERSION, "settings": record}
    return f"{name}-{hashlib.sha256(canonical_json(identity).encode()).hexdigest()[:12]}"


def _require_same(name: str, settings: Settings, folder: Path) -> None:
    """Refuse a folder that holds anything but this set."""
    remedy = "choose another folder"
    if not (folder / MANIFEST_FILE).exists():
        raise DatasetError.of(folder, "exists and is no puzzle set", remedy)
    manifest = read_manifest(folder)
    wanted = settings_record(settings)
    if manifest.name != name:
        problem = f"holds the set {manifest.name}, not {name}"
        raise DatasetError.of(folder, problem, remedy, manifest.name)
    for key, value in wanted.items():
        if manifest.settings.get(key) != value:
            held = manifest.settings.get(key)
            problem = f"holds {name} with {key} {held!r}, not {value!r}"
            raise DatasetError.of(folder, problem, remedy, held)


def _build_once(name: str, settings: Settings, folder: Path, report: Report | None) -> None:
    build = puzzle_set(name).build
    with naming(folder):
        make_folder(folder, lambda partial: build(settings, SetWriter(partial, report)))
