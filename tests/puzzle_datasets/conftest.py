"""A small real puzzle set that the tests of this folder share."""

from pathlib import Path

import pytest

from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.kinds.arc.settings import ArcSettings
from puzzle_datasets.storage.dataset import PuzzleDataset


@pytest.fixture(scope="session")
def small_settings() -> ArcSettings:
    return ArcSettings(canvas=6, augmentations=12, held_out="all")


@pytest.fixture(scope="session")
def small_folder(small_settings: ArcSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare("arc-agi-1", small_settings, tmp_path_factory.mktemp("sets"))


@pytest.fixture(scope="session")
def small(small_folder: Path) -> PuzzleDataset:
    return PuzzleDataset.open(small_folder)


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> PuzzleDataset:
    """The same tasks, augmented anew in every epoch."""
    settings = ArcSettings(canvas=6, augmentations="fresh", held_out="all")
    return PuzzleDataset.open(prepare("arc-agi-1", settings, tmp_path_factory.mktemp("sets")))
