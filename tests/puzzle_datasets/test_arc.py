from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from puzzle_datasets.dataset import PuzzleDataset
from puzzle_datasets.schema import ARC_VOCAB_SIZE, DatasetError
from puzzle_datasets.sources.arc import ArcSettings, Task, choose_tasks, read_tasks
from puzzle_datasets.sources.arc_build import build


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return read_tasks()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("canvas", 0),
        ("canvas", 31),
        ("tasks", 0),
        ("augmentations", -1),
        ("held_out", "training"),
        ("seed", -1),
    ],
)
def test_impossible_settings_are_refused(field: str, value: Any) -> None:
    with pytest.raises(DatasetError, match=f"^{field} is"):
        ArcSettings(**{field: value})


def test_the_published_counts_come_out(tmp_path: Path) -> None:
    manifest = build(ArcSettings(augmentations=0), tmp_path)
    assert manifest.counts == {
        "tasks": 800,
        "train_pairs": 3081,
        "test_pairs": 419,
        "identities": 800,
    }
    assert manifest.num_puzzle_identifiers == 801
    assert (manifest.vocab_size, manifest.seq_len) == (ARC_VOCAB_SIZE, 900)


def test_each_half_has_400_tasks(tasks: list[Task]) -> None:
    assert len(tasks) == 800
    assert sum(task.in_evaluation_half for task in tasks) == 400


def test_all_held_out_keeps_every_test_pair_from_training(
    small: PuzzleDataset, small_settings: ArcSettings, tasks: list[Task]
) -> None:
    chosen = choose_tasks(tasks, small_settings)
    assert small.manifest.counts["tasks"] == len(chosen) == 59
    assert len(small.train) == sum(len(task.demonstrations) for task in chosen) == 223
    assert len(small.test) == sum(len(task.tests) for task in chosen) == 69


def test_small_canvas_keeps_the_tasks_that_fit(tasks: list[Task]) -> None:
    chosen = choose_tasks(tasks, ArcSettings(canvas=5))
    assert len(chosen) == sum(task.largest_side <= 5 for task in tasks)
    assert all(max(grid.shape) <= 5 for task in chosen for pair in task.pairs for grid in pair)


def test_the_smallest_tasks_are_chosen_whatever_their_order(tasks: list[Task]) -> None:
    settings = ArcSettings(tasks=24, held_out="all")
    chosen = choose_tasks(tasks, settings)
    largest = max((task.largest_side, task.cells) for task in chosen)
    names = {task.name for task in chosen}
    assert all((t.largest_side, t.cells) >= largest for t in tasks if t.name not in names)
    assert [task.name for task in choose_tasks(tasks[::-1], settings)] == sorted(names)


def test_more_tasks_than_fit_are_refused(tasks: list[Task]) -> None:
    with pytest.raises(DatasetError, match=r"16 tasks fit canvas 3.*lower tasks"):
        choose_tasks(tasks, ArcSettings(canvas=3, tasks=17))


def test_a_set_without_test_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no test pair.*held_out"):
        build(ArcSettings(canvas=3, tasks=2, augmentations=0), tmp_path)
    assert not list(tmp_path.iterdir())


def test_stored_pairs_are_the_tasks_own(
    small: PuzzleDataset, small_settings: ArcSettings, tasks: list[Task]
) -> None:
    by_name = {task.name: task for task in tasks}
    side = small_settings.canvas
    for table in (small.train, small.test):
        for row in range(len(table)):
            pair = by_name[table.tasks[row]].pairs[int(table.example[row])]
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
        name = smaller.train.tasks[smaller.train.group.tolist().index(group)]
        same = small.train.group[small.train.tasks.index(name)]
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
