"""Each answer's vote counts for the test input and in the guise that it was asked in."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hrm.config import ConfigError, ModelConfig
from hrm.evaluation.answers import Answers, answer_late, answer_when_sure
from hrm.evaluation.evaluation import RuleScores
from hrm.evaluation.voting import vote
from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.commands.prepare import prepare
from puzzle_datasets.kinds.arc.scoring import ArcVotes
from puzzle_datasets.kinds.arc.settings import ArcSettings
from puzzle_datasets.kinds.arc.views import voting_batches
from puzzle_datasets.kinds.kind import score
from puzzle_datasets.kinds.maze.source import MazeSettings
from puzzle_datasets.kinds.sudoku.source import SudokuSettings
from puzzle_datasets.loading.batch import Batch
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import IGNORE_LABEL

MakeModel = Callable[..., ModelConfig]


@pytest.fixture
def model(model_config: MakeModel) -> ReasoningModel:
    """A model with no idea, whose Q-values vary."""
    model = ReasoningModel(model_config())
    generator = torch.Generator().manual_seed(3)
    model.initialise(generator)
    for tensor in (model.puzzle_emb.weights, model.q_head.weight.data):
        tensor.normal_(generator=generator)
    return model


def answers_of(
    model: ReasoningModel,
    batches: Iterable[Batch],
    segments: int,
    right: Callable[[Tensor], Tensor],
) -> Iterator[Answers]:
    """Answer the label where `right` says so of the indices, else black grids; last come first."""
    parts, served = [], 0
    for batch in batches:
        indices = torch.arange(served, served + len(batch.inputs))
        served += len(indices)
        predictions = batch.labels.where(right(indices)[:, None], 2)
        parts.append(
            Answers(
                indices,
                batch.inputs,
                batch.labels,
                predictions,
                torch.zeros(len(indices)),
                indices,
            )
        )
    everything = Answers(*(torch.cat(fields).flip(0) for fields in zip(*parts, strict=True)))
    for at in torch.arange(served).split(5):
        yield Answers(*(field[at] for field in everything))


def test_right_answers_in_any_order_solve_everything(
    arc: PuzzleDataset, model: ReasoningModel
) -> None:
    def right(indices: Tensor) -> Tensor:
        return indices >= 0

    scores = vote(
        model, arc, segments=1, batch_size=7, views=4, answering=partial(answers_of, right=right)
    )
    assert scores.pass_at[1].per_input == scores.pass_at[1].per_task == 1
    assert scores.inputs_voted == scores.inputs
    assert scores.votes == sum(len(b.rows) for b in voting_batches(arc, batch_size=9, views=4))


def test_a_minority_is_the_second_guess(arc: PuzzleDataset, model: ReasoningModel) -> None:
    """Asked un-augmented first, the model is right once and wrong, but of one voice, thrice."""

    def right(indices: Tensor) -> Tensor:
        return indices < len(arc.test)

    scores = vote(
        model, arc, segments=1, batch_size=7, views=4, answering=partial(answers_of, right=right)
    )
    assert scores.pass_at[1].per_input < scores.pass_at[2].per_input == 1


@pytest.mark.parametrize("answering", [answer_late, answer_when_sure])
@pytest.mark.parametrize("batch_size", [3, 64])
def test_votes_are_those_counted_one_by_one(
    arc: PuzzleDataset,
    model: ReasoningModel,
    answering: Callable[..., Iterator[Answers]],
    batch_size: int,
) -> None:
    expected = ArcVotes(arc)
    for asked in voting_batches(arc, batch_size=1, views=5):
        (alone,) = answering(model, [asked.batch], 3)
        expected.add(alone.predictions, alone.q_halt.sigmoid(), asked.rows, asked.augmentation)
    counts: list[int] = []
    scores = vote(
        model,
        arc,
        segments=3,
        batch_size=batch_size,
        views=5,
        answering=answering,
        report=counts.append,
    )
    assert scores == expected.scores([1, 2])
    assert counts == sorted(counts)
    assert counts[-1] == scores.votes


def test_guesses_are_as_many_as_views(tmp_path: Path, model_config: MakeModel) -> None:
    settings = ArcSettings(canvas=4, tasks=8, augmentations="fresh", held_out="all")
    fresh = PuzzleDataset.open(prepare("arc-agi-1", settings, tmp_path))
    model = ReasoningModel(
        model_config(num_puzzle_identifiers=fresh.manifest.num_puzzle_identifiers)
    )
    model.initialise(torch.Generator().manual_seed(0))
    few = vote(model, fresh, segments=1, batch_size=64, views=9)
    many = vote(model, fresh, segments=1, batch_size=64, views=10)
    assert (list(few.pass_at), list(many.pass_at)) == ([1, 2], [1, 2, 10])


def test_what_can_not_be_voted_on_is_refused(
    arc: PuzzleDataset, model: ReasoningModel, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="views is 0; give a whole number of at least 1"):
        vote(model, arc, segments=1, batch_size=4, views=0)
    mazes = PuzzleDataset.open(prepare("maze", MazeSettings(side=5, train=4, test=4), tmp_path))
    with pytest.raises(ConfigError, match="only ARC has views"):
        vote(model, mazes, segments=1, batch_size=4)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("maze", MazeSettings(side=5, train=4, test=12)),
        ("sudoku", SudokuSettings(side=4, train=4, test=12)),
    ],
)
def test_rules_judge_as_they_do_all_at_once(
    name: str, settings: MazeSettings | SudokuSettings, tmp_path: Path
) -> None:
    dataset = PuzzleDataset.open(prepare(name, settings, tmp_path))
    inputs, labels = dataset.test.inputs.int(), dataset.test.labels.int()
    predictions = labels.clone()
    predictions[::3] = inputs[::3]
    predictions[1] = labels[0]
    rules = RuleScores(dataset)
    for at in torch.arange(12).split(5):
        none = torch.zeros(len(at))
        rules.add(Answers(at, inputs[at], labels[at], predictions[at], none, none))
    unlabelled = torch.full_like(labels[:2], IGNORE_LABEL)
    rules.add(Answers(at[:2], inputs[:2], unlabelled, labels[:2], none, none))
    expected = score(dataset, predictions)
    del expected["exact_accuracy"]
    assert rules.metrics() == pytest.approx(expected)
    assert all(value > 0 for value in expected.values())


def test_arc_has_no_rules(arc: PuzzleDataset) -> None:
    rules = RuleScores(arc)
    rules.add(Answers(*(arc.test.labels[:2].int(),) * 6))
    assert rules.metrics() == {}
