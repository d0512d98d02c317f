"""Where commands write: what lies there and is none of theirs stays as it is."""

from collections.abc import Collection
from pathlib import Path

from hrm.config import ConfigError
from puzzle_datasets.common.reading import Reader


def require_own_file(file: Path, keys: Collection[str]) -> None:
    """Raise `ConfigError` where a file is there that is no JSON object with all these keys."""
    if file.is_dir():
        raise ConfigError.of("json", f"names the folder {file}", "name a file")
    if file.exists():
        remedy = "name another file"
        if not set(keys) <= Reader(file, ConfigError, remedy).object().keys():
            raise ConfigError.of(file, "exists and was not written by this command", remedy)


def require_own_folder(folder: Path, name: str) -> None:
    """Raise `ConfigError` where a folder holds visible files, but none of this name."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError.of("out", f"names {folder}, no folder", "name a folder")
    if not folder.is_dir() or (folder / name).exists():
        return
    if any(not one.name.startswith(".") for one in folder.iterdir()):
        raise ConfigError.of(folder, "holds other files", "name another folder")
