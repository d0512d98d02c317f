"""Leaks between ARC's versions, by the names of its real tasks."""

from dataclasses import replace
from pathlib import Path

import pytest

from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.arc.settings import VERSIONS, ArcSettings
from puzzle_datasets.kinds.arc.tasks import read_tasks
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.leaks import refuse_leaks, refuse_leaks_by_name


def names(version: str, *, evaluation: bool) -> list[str]:
    tasks = read_tasks(VERSIONS[version])
    return [task.name for task in tasks if task.in_evaluation_half == evaluation]


def opened(version: str, root: Path) -> PuzzleDataset:
    settings = ArcSettings(canvas=16, augmentations=0)
    return PuzzleDataset.open(prepare(version, settings, root))


@pytest.fixture(scope="module")
def arc_1(tmp_path_factory: pytest.TempPathFactory) -> PuzzleDataset:
    return opened("arc-agi-1", tmp_path_factory.mktemp("arc-1"))


@pytest.fixture(scope="module")
def arc_2(tmp_path_factory: pytest.TempPathFactory) -> PuzzleDataset:
    return opened("arc-agi-2", tmp_path_factory.mktemp("arc-2"))


def test_arc_2_gives_away_376_of_arc_1() -> None:
    with pytest.raises(DatasetError, match=r"^arc-agi-2 trains on 376 of the 400"):
        refuse_leaks_by_name(
            names("arc-agi-2", evaluation=False),
            names("arc-agi-1", evaluation=True),
            trained_on="arc-agi-2",
            scored_on="arc-agi-1",
        )


def test_halves_of_one_version_share_no_task() -> None:
    for version in VERSIONS:
        refuse_leaks_by_name(
            names(version, evaluation=False),
            names(version, evaluation=True),
            trained_on="the training half",
            scored_on="the evaluation half",
        )


def test_a_set_is_not_scored_after_training_on_its_answers(
    arc_1: PuzzleDataset, arc_2: PuzzleDataset
) -> None:
    scored = {arc_1.group_names[group] for group in arc_1.test.group.tolist()}
    leaked = len(scored & set(names("arc-agi-2", evaluation=False)))
    assert leaked > 10
    with pytest.raises(DatasetError, match=f"^arc-agi-2 trains on {leaked} of the {len(scored)}"):
        refuse_leaks(arc_2, arc_1)


def test_held_out_pairs_leak_nothing(arc_1: PuzzleDataset, arc_2: PuzzleDataset) -> None:
    refuse_leaks(arc_1, arc_1)
    refuse_leaks(arc_2, arc_2)
    refuse_leaks(arc_1, arc_2)


def test_puzzles_without_names_pass(arc_1: PuzzleDataset) -> None:
    manifest = replace(arc_1.manifest, kind="maze")
    mazes = replace(arc_1, manifest=manifest, group_names=[])
    refuse_leaks(mazes, arc_1)
    refuse_leaks(arc_1, mazes)
