"""What an evaluation in training finds, puzzle by puzzle, is what its sums and votes say."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hrm.canonical import canonical
from hrm.checkpoints import checkpoint
from hrm.checkpoints.checkpoint import CheckpointError
from hrm.config import ModelConfig, TrainingConfig
from hrm.evaluation.accuracy import evaluate
from hrm.evaluation.answers import Answers
from hrm.evaluation.measuring import measure
from hrm.evaluation.selection import EvaluatedPuzzles
from hrm.evaluation.voting import vote
from hrm.model.reasoning_model import Carry, Output, ReasoningModel
from hrm.progress import measurement_from
from hrm.runs import report
from hrm.training.trainer import Trainer
from puzzle_datasets.kinds.arc.scoring import ArcVotes
from puzzle_datasets.loading.batch import Batch
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import COLOUR_OFFSET as BLACK

MakeModel = Callable[..., ModelConfig]
MakeTraining = Callable[..., TrainingConfig]
CPU = torch.device("cpu")
VIEWS = 5


class Knowing(ReasoningModel):
    """A model that has the answers to some puzzles from some segment on, and black grids else.

    It is surer of some than of others, whatever the answer.
    """

    never = False

    def __init__(self, config: ModelConfig, batches: Iterable[Batch]) -> None:
        super().__init__(config)
        pairs = ((b.inputs, b.labels) for b in batches)
        self._labels = {
            key(one): label for pair in pairs for one, label in zip(*pair, strict=True)
        }

    def embed(self, inputs: Tensor, puzzle_rows: Tensor) -> Tensor:
        return inputs[..., None]

    def forward(self, carry: Carry, x: Tensor) -> tuple[Carry, Output]:
        tokens = x[..., 0]
        fresh = torch.zeros_like(x)
        segment = (carry.z_H if carry.z_H.shape == x.shape else fresh) + 1
        labels = torch.stack([self._labels[key(one)] for one in tokens]).clamp_min(0)
        knows = (tokens.sum(-1) % 8 < segment[:, 0, 0]) & (not self.never)
        answers = labels.where(knows[:, None] | (labels < BLACK), BLACK)
        logits = F.one_hot(answers.long(), self.config.vocab_size).float()
        sure = (tokens.sum(-1) % 7 - 3.0) * segment[:, 0, 0]
        return Carry(segment, segment), Output(logits, sure, -sure)


def key(inputs: Tensor) -> tuple[int, ...]:
    return tuple(inputs.tolist())


@pytest.fixture(scope="module")
def trained(arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining) -> Trainer:
    """A training with three evaluations in views."""
    config = model_config()
    training = training_config(
        config,
        20,
        evaluate_at=(0.3, 0.6, 1.0),
        eval_puzzles=None,
        eval_views=VIEWS,
    )
    trainer = Trainer(config, training, arc, CPU)
    list(trainer.run())
    return trainer


@pytest.mark.parametrize("views", [1, 3])
def test_sums_are_those_of_the_answers(
    arc: PuzzleDataset, model_config: MakeModel, views: int
) -> None:
    puzzles = EvaluatedPuzzles.of(arc, TrainingConfig(training_flops=1.0, eval_views=views))
    model = Knowing(model_config(), puzzles.batches(99))
    found = measure(model, puzzles, batch_size=4)
    evaluation = evaluate(model, puzzles.batches(4), model.config.M_max)
    assert found.evaluation == evaluation
    answers = puzzles.answers(0, 0, found.found)
    assert_sums(answers.solved, answers.halted_at, asdict(evaluation.curve), evaluation.halting)
    assert evaluation.curve.puzzles == len(answers.puzzles) == len(puzzles.rows)
    assert len(np.unique(answers.halted_at)) > 1
    assert 0 < evaluation.curve.exact_accuracy[0] < evaluation.curve.exact_accuracy[-1] < 1


def assert_sums(solved: Any, halted_at: Any, curve: dict[str, Any], halting: Any) -> None:
    rows, segments = solved.shape
    counts = [round(share * curve["puzzles"]) for share in curve["exact_accuracy"]]
    assert solved.sum(0).tolist() == counts
    shares = np.bincount(halted_at, minlength=segments + 1)[1:] / rows
    assert shares.tolist() == pytest.approx(halting.segments)
    exact = solved[np.arange(rows), halted_at - 1].mean()
    assert exact == pytest.approx(halting.exact_accuracy)


def test_answers_come_with_every_evaluation(trained: Trainer) -> None:
    evaluated = [one.progress for one in trained.measurements if one.progress.curve]
    assert [one.step for one in trained.answers] == [p.step for p in evaluated] == [6, 12, 20]
    for progress, answers in zip(evaluated, trained.answers, strict=True):
        assert progress.curve is not None
        assert answers.training_flops == progress.training_flops
        curve = asdict(progress.curve)
        assert_sums(answers.solved, answers.halted_at, curve, progress.halting)


def test_votes_are_those_of_the_whole_evaluation(arc: PuzzleDataset, trained: Trainer) -> None:
    scores = vote(trained.model, arc, segments=3, batch_size=7, views=VIEWS)
    votes = trained.measurements[-1].progress.votes
    assert votes is not None
    assert (votes.inputs, votes.tasks, votes.votes) == (scores.inputs, scores.tasks, scores.votes)
    for guesses, per_input, per_task in (
        (1, votes.pass_1, votes.pass_1_tasks),
        (2, votes.pass_2, votes.pass_2_tasks),
    ):
        rates = scores.pass_at[guesses]
        assert (per_input, per_task) == (rates.per_input, rates.per_task)
    assert measurement_from(trained.measurements[-1].plain()) == trained.measurements[-1]


def test_ranks_are_those_of_the_votes(arc: PuzzleDataset, model_config: MakeModel) -> None:
    puzzles = EvaluatedPuzzles.of(arc, TrainingConfig(training_flops=1.0, eval_views=9))
    model, expected = Knowing(model_config(), puzzles.batches(99)), ArcVotes(arc)
    asked = list(puzzles.voting_batches(8))
    answers: list[Answers] = []
    evaluate(model, (one.batch for one in asked), 3, observe=answers.append)
    for one, given in zip(asked, answers, strict=True):
        sure = given.q_halt.sigmoid()
        expected.add(given.predictions, sure, one.rows, one.augmentation)
    ranks = expected.ranks()
    assert set(ranks) == {1.0, 2.0}
    _, votes, found = measure(model, puzzles, batch_size=5)
    assert found.vote_rank.tolist() == [ranks[puzzle] for puzzle in puzzles.puzzles]
    scores = expected.scores()
    assert votes is not None
    assert votes.pass_1 == scores.pass_at[1].per_input == (ranks == 1).mean()
    assert votes.pass_1_tasks == scores.pass_at[1].per_task
    assert votes.pass_2 == scores.pass_at[2].per_input
    never = Knowing(model_config(), puzzles.batches(99))
    never.never = True
    _, votes, found = measure(never, puzzles, batch_size=5)
    assert not found.vote_rank.any()
    assert votes is not None
    assert votes.pass_2 == 0


def test_a_subset_alone_is_voted_on(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining
) -> None:
    config = model_config()
    training = training_config(config, 2, eval_puzzles=3, eval_views=2)
    trainer = Trainer(config, training, arc, CPU)
    progress = list(trainer.run())[-1]
    assert progress.votes is not None
    assert progress.curve is not None
    assert (progress.votes.inputs, progress.votes.votes) == (3, 6)
    assert progress.curve.puzzles == 6


def test_without_views_there_are_no_votes(
    arc: PuzzleDataset, model_config: MakeModel, training_config: MakeTraining
) -> None:
    config = model_config()
    trainer = Trainer(config, training_config(config, 2), arc, CPU)
    assert list(trainer.run())[-1].votes is None
    assert not trainer.answers[0].vote_rank.any()
    assert not trainer.answers[0].views.any()


def test_a_checkpoint_has_the_answers_so_far(trained: Trainer, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    first = Trainer(trained.model_config, trained.config, trained.dataset, CPU)
    list(islice(first.run(), 14))
    first.save(path)
    assert len(first.answers) == 2
    resumed = Trainer(trained.model_config, trained.config, trained.dataset, CPU)
    resumed.restore(path)
    assert resumed.answers == first.answers
    list(resumed.run(path))
    assert resumed.answers == trained.answers
    again = Trainer(trained.model_config, trained.config, trained.dataset, CPU)
    again.restore(path)
    assert again.answers == trained.answers


DAMAGE: dict[str, Callable[[list[dict[str, torch.Tensor]]], object]] = {
    "state.answers is": lambda answers: answers.pop(),
    "state.answers[0].solved is": lambda answers: answers[0].update(solved=torch.zeros(1)),
    "state.answers[1] is": lambda answers: answers[1].pop("vote_rank"),
    "holds damaged answers: one has negative": lambda answers: answers[0]["vote_rank"].fill_(-1),
    "one has rows that halt at none": lambda answers: answers[2]["halted_at"].fill_(9),
}


@pytest.mark.parametrize("said", DAMAGE)
def test_damaged_answers_are_refused(trained: Trainer, tmp_path: Path, said: str) -> None:
    path = tmp_path / "checkpoint.pt"
    trained.save(path)
    content = checkpoint.load(path)
    DAMAGE[said](content["state"]["answers"])
    checkpoint.save(path, content)
    resumed = Trainer(trained.model_config, trained.config, trained.dataset, CPU)
    with pytest.raises(CheckpointError) as caught:
        resumed.restore(path)
    assert said in str(caught.value)


def test_all_that_changes_what_is_measured_counts(model_config: MakeModel) -> None:
    plain = TrainingConfig(training_flops=1.0)
    kinds = [
        plain,
        replace(plain, eval_views=2),
        replace(plain, confirm_share=0.5),
        replace(plain, confirm_share=0.5, eval_part="confirm"),
    ]
    forms = [str(canonical(model_config(), one)) for one in kinds]
    assert len(set(forms)) == len(kinds)


def test_votes_are_reported_in_words(trained: Trainer) -> None:
    last = trained.measurements[-1].progress
    assert last.votes is not None
    assert f"pass@2 {100 * last.votes.pass_2:.1f} %" in report.line(last)
    words = report.result(last)
    assert f" of {last.votes.votes} views after 3 segments each" in words
    assert f"By {last.votes.votes} votes, pass@1 is " in words
    assert f" of {last.votes.tasks} tasks." in words
