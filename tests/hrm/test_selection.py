"""Which test puzzles a training is evaluated on: parts by whole tasks, subsets, views."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hrm.config import ConfigError, ModelConfig, TrainingConfig
from hrm.evaluation.accuracy import EVALUATION_SEED
from hrm.evaluation.selection import EvaluatedPuzzles, held_back
from hrm.training.trainer import Trainer
from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.kinds.arc.settings import ArcSettings
from puzzle_datasets.kinds.arc.views import InputIndex, voting_batches
from puzzle_datasets.kinds.sudoku.source import SudokuSettings
from puzzle_datasets.loader import evaluation_batches
from puzzle_datasets.storage.dataset import PuzzleDataset

MakeModel = Callable[..., ModelConfig]


def chosen(dataset: PuzzleDataset, **settings: Any) -> EvaluatedPuzzles:
    return EvaluatedPuzzles.of(dataset, TrainingConfig(training_flops=1.0, **settings))


@pytest.fixture(scope="module")
def sudoku(tmp_path_factory: pytest.TempPathFactory) -> PuzzleDataset:
    settings = SudokuSettings(side=4, train=4, test=12)
    return PuzzleDataset.open(prepare("sudoku", settings, tmp_path_factory.mktemp("sudoku")))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> PuzzleDataset:
    settings = ArcSettings(canvas=4, tasks=8, augmentations="fresh", held_out="all")
    return PuzzleDataset.open(prepare("arc-agi-1", settings, tmp_path_factory.mktemp("fresh")))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.floats(0, 1))
def test_whole_tasks_close_to_the_share_are_held_back(tasks: list[int], share: float) -> None:
    held = held_back(torch.tensor(tasks), share)
    for task in set(tasks):
        assert len(set(held[np.array(tasks) == task].tolist())) == 1
    largest = max(map(tasks.count, tasks))
    assert abs(held.sum() - share * len(tasks)) <= largest / 2
    smaller = held_back(torch.tensor(tasks), share / 2)
    assert not (smaller & ~held).any()


@given(st.floats(0.2, 0.8), st.integers(1, 4))
def test_the_parts_are_disjoint_and_the_whole(
    arc: PuzzleDataset, sudoku: PuzzleDataset, share: float, views: int
) -> None:
    for dataset, most in ((arc, views), (sudoku, 1)):
        whole = chosen(dataset, eval_views=most)
        search, confirm = (
            chosen(dataset, eval_views=most, confirm_share=share, eval_part=part)
            for part in ("search", "confirm")
        )
        assert not set(search.tasks) & set(confirm.tasks)
        assert sorted({*search.puzzles, *confirm.puzzles}) == sorted(set(whole.puzzles))
        assert len(search.rows) + len(confirm.rows) == len(whole.rows)
        assert min(len(search.rows), len(confirm.rows)) > 0


def test_by_itself_a_training_is_evaluated_as_ever(
    arc: PuzzleDataset, sudoku: PuzzleDataset
) -> None:
    for dataset in (arc, sudoku):
        for limit in (None, 3):
            expected = list(
                evaluation_batches(dataset, batch_size=2, limit=limit, seed=EVALUATION_SEED)
            )
            found = list(chosen(dataset, eval_puzzles=limit).batches(2))
            assert len(found) == len(expected)
            for one, other in zip(found, expected, strict=True):
                assert one.inputs.equal(other.inputs)
                assert one.labels.equal(other.labels)
                assert one.puzzle_identifiers.equal(other.puzzle_identifiers)


def test_a_subset_of_pairs_comes_in_all_views(arc: PuzzleDataset, fresh: PuzzleDataset) -> None:
    for dataset in (arc, fresh):
        number = InputIndex.of(dataset).of_row
        alone = chosen(dataset, eval_puzzles=3)
        found = chosen(dataset, eval_puzzles=3, eval_views=4)
        assert set(found.puzzles) == set(alone.puzzles) == set(number[alone.rows].tolist())
        assert sorted(zip(found.puzzles, found.view_numbers, strict=True)) == [
            (puzzle, view) for puzzle in sorted(alone.puzzles) for view in range(4)
        ]
        assert found.tasks.tolist() == dataset.test.group[found.rows].tolist()
        every = {
            (int(row), tuple(tokens.tolist()))
            for batch in voting_batches(dataset, batch_size=99, views=4)
            for row, tokens in zip(batch.rows, batch.batch.inputs, strict=True)
        }
        served = torch.cat([batch.inputs for batch in found.batches(5)])
        rows = zip(found.rows.tolist(), map(tuple, served.tolist()), strict=True)
        assert set(rows) <= every
        own = served[found.view_numbers == 0]
        assert own.equal(dataset.test.inputs[found.rows[found.view_numbers == 0]].int())


def test_views_are_as_many_as_the_set_has(arc: PuzzleDataset) -> None:
    assert max(chosen(arc, eval_views=100).view_numbers) == arc.manifest.settings["augmentations"]


def test_stored_copies_are_views_of_their_puzzle(
    arc_folder: Path, arc: PuzzleDataset, tmp_path: Path
) -> None:
    """Published folders hold augmented test pairs."""
    from puzzle_datasets.published.export import export
    from puzzle_datasets.published.source import OfficialSettings

    folder = tmp_path / "published"
    export(arc_folder, folder)
    stored = PuzzleDataset.open(
        prepare("official", OfficialSettings(folder=str(folder)), tmp_path / "sets")
    )
    found = chosen(stored)
    pairs = set(zip(found.puzzles.tolist(), found.view_numbers.tolist(), strict=True))
    assert len(pairs) == len(stored.test) > len(arc.test)
    assert len(set(found.puzzles)) == len(arc.test)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"eval_views": 2}, "eval_views is 2, but sudoku is not scored by votes; give 1."),
        (
            {"confirm_share": 0.01},
            "confirm_share is 0.01, which leaves one part of 12 tasks without a puzzle; "
            "give another share.",
        ),
        ({"confirm_share": 0.9999999}, "confirm_share is 0.9999999, which leaves one part"),
        ({"confirm_share": 0.99}, "confirm_share is 0.99, which leaves one part of 12 tasks"),
        ({"eval_part": "confirm"}, "confirm_share is 0, which leaves one part of 12 tasks"),
    ],
)
def test_what_leaves_nothing_to_evaluate_is_refused(
    sudoku: PuzzleDataset, settings: dict[str, Any], said: str
) -> None:
    model = ModelConfig.for_dataset(sudoku, hidden_size=32, num_heads=2)
    training = TrainingConfig(training_flops=1e12, batch_size=4, **settings)
    with pytest.raises(ConfigError) as caught:
        Trainer(model, training, sudoku, torch.device("cpu"))
    assert str(caught.value).startswith(said)
    assert caught.value.field == next(iter(settings)) or "eval_part" in settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("eval_views", 0),
        ("eval_views", 10**5),
        ("confirm_share", 1.0),
        ("confirm_share", -0.1),
        ("eval_part", "all"),
    ],
)
def test_impossible_settings_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainingConfig(training_flops=1.0, **{name: value})
    assert caught.value.field == name
