"""Make a puzzle set ready for use: build it where it is missing, prove it where it is there."""

import hashlib
from pathlib import Path

from puzzle_datasets.commands.registry import puzzle_set
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.files import make_folder, naming
from puzzle_datasets.storage.schema import MANIFEST_FILE, SCHEMA_VERSION, canonical_json
from puzzle_datasets.storage.settings import Settings, settings_record
from puzzle_datasets.storage.shards import read_manifest, verify
from puzzle_datasets.storage.writer import Report, SetWriter


def prepare(name: str, settings: Settings, root: Path, report: Report | None = None) -> Path:
    """Return the folder below ``root`` that holds the puzzle set of these settings, whole.

    However many processes ask at once, one builds and the others wait for it. A set appears under
    its name only when finished; what a killed build left behind is cleared by the next one.

    Raises:
        DatasetError: the name is unknown, ``root`` can't be written, the settings can't be met, or
            the set is there but damaged.
    """
    folder = root / folder_name(name, settings)
    _build_once(name, settings, folder, report)
    verify(folder)
    return folder


def build_at(name: str, settings: Settings, folder: Path, report: Report | None = None) -> None:
    """Have the puzzle set of these settings at ``folder``, whole, as ``prepare`` does.

    Raises:
        DatasetError: as ``prepare``, or something else lies at ``folder``.
    """
    _build_once(name, settings, folder, report)
    _require_same(name, settings, folder)
    verify(folder)


def folder_name(name: str, settings: Settings) -> str:
    """Return the folder's name: equal for equal settings under one schema version only.

    Raises:
        DatasetError: a file that the settings name can't be read.
    """
    record = settings_record(settings)
    identity = {"name": name, "schema_version": SCHEMA_VERSION, "settings": record}
    return f"{name}-{hashlib.sha256(canonical_json(identity).encode()).hexdigest()[:12]}"


def _require_same(name: str, settings: Settings, folder: Path) -> None:
    """Refuse a folder that holds anything but this set."""
    remedy = "choose another folder"
    if not (folder / MANIFEST_FILE).exists():
        raise DatasetError.of_file(folder, "exists and is no puzzle set", remedy)
    manifest = read_manifest(folder)
    asked = settings_record(settings)
    if manifest.name != name:
        problem = f"holds the set {manifest.name}, not {name}"
        raise DatasetError.of_file(folder, problem, remedy, manifest.name)
    for key, value in asked.items():
        if manifest.settings.get(key) != value:
            held = manifest.settings.get(key)
            problem = f"holds {name} with {key} {held!r}, not {value!r}"
            raise DatasetError.of_file(folder, problem, remedy, held)


def _build_once(name: str, settings: Settings, folder: Path, report: Report | None) -> None:
    build = puzzle_set(name).build
    with naming(folder):
        make_folder(folder, lambda partial: build(settings, SetWriter(partial, report)))
