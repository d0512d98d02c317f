"""Small puzzle sets, of every kind and every way of varying them, that tests share."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from puzzle_datasets.commands.prepare import prepare, puzzle_set
from puzzle_datasets.kinds.arc.settings import ArcSettings
from puzzle_datasets.published.export import export
from puzzle_datasets.storage.dataset import PuzzleDataset

GOLDEN = json.loads(Path(__file__).with_name("golden_sets.json").read_text())["sets"]


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all sets that are built once and only read."""
    return tmp_path_factory.mktemp("sets")


@pytest.fixture(scope="session")
def built(root: Path) -> Callable[[str], Path]:
    """Return the folder of a set of `golden_sets.json`, which is built at the first call."""

    @cache
    def build(name: str) -> Path:
        settings = dict(GOLDEN[name]["settings"])
        if "exported" in settings:
            folder = root / "exported"
            export(build(settings.pop("exported")), folder)
            settings["folder"] = str(folder)
        chosen = puzzle_set(GOLDEN[name]["set"])
        return prepare(GOLDEN[name]["set"], chosen.settings_from(settings), root)

    return build


@pytest.fixture(scope="session")
def opened(built: Callable[[str], Path]) -> Callable[[str], PuzzleDataset]:
    """Return a set of `golden_sets.json`."""
    return cache(lambda name: PuzzleDataset.open(built(name)))


@pytest.fixture(scope="session")
def small_settings() -> ArcSettings:
    return ArcSettings(canvas=6, augmentations=12, held_out="all")


@pytest.fixture(scope="session")
def small_folder(small_settings: ArcSettings, root: Path) -> Path:
    return prepare("arc-agi-1", small_settings, root)


@pytest.fixture(scope="session")
def small(small_folder: Path) -> PuzzleDataset:
    return PuzzleDataset.open(small_folder)


@pytest.fixture(scope="session")
def fresh(root: Path) -> PuzzleDataset:
    """The same tasks, augmented anew in every epoch."""
    settings = ArcSettings(canvas=6, augmentations="fresh", held_out="all")
    return PuzzleDataset.open(prepare("arc-agi-1", settings, root))
