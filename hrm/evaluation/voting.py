"""ARC pass@K of a model: every test input is answered in many views, and the answers vote.

`puzzle_datasets.kinds.arc.scoring` counts and weighs votes (HRM paper, section 3.2: the commonest
answers, and among equals those that the model was surest of).
"""

from collections import deque
from collections.abc import Callable

import torch

from hrm.config import ConfigError, require_least
from hrm.evaluation.answers import Answering, Answers, answer_late
from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.kinds.arc.scoring import ArcScores, ArcVotes
from puzzle_datasets.kinds.arc.views import InputIndex, VotingBatch, voting_batches
from puzzle_datasets.kinds.kind import kind_named
from puzzle_datasets.loading.batch import Batch
from puzzle_datasets.storage.dataset import PuzzleDataset

PUBLISHED_VIEWS = 1001
"""A task's own form and its 1000 augmentations."""

GUESSES = (1, 2, 10, 100, 1000)
"""K of the published pass@K; those above two only where inputs have as many views."""


def vote(
    model: ReasoningModel,
    dataset: PuzzleDataset,
    *,
    segments: int,
    batch_size: int,
    views: int = PUBLISHED_VIEWS,
    answering: Answering = answer_late,
    report: Callable[[int], object] = lambda votes: None,
) -> ArcScores:
    """Answer each test input in up to `views` views, `batch_size` at a time, and score the vote.

    `report` is told the number of votes so far. Raises `ConfigError` where the kind of the puzzles
    has no votes or a number is below 1.
    """
    if kind_named(dataset.manifest.kind).vote_scores is None:
        problem = f"{dataset.manifest.name} can't be voted on"
        raise ConfigError.of(None, problem, "only ARC has views")
    require_least(1, views=views, segments=segments, batch_size=batch_size)
    collector = VoteCollector(dataset)
    stream = voting_batches(dataset, batch_size=batch_size, views=views)
    for answers in answering(model, map(collector.hand_out, stream), segments):
        collector.collect(answers)
        report(collector.count)
    return collector.scores()


class VoteCollector:
    """Keeps the view of each puzzle of the stream until its answer is there, which then votes."""

    def __init__(self, dataset: PuzzleDataset) -> None:
        self.votes = ArcVotes(dataset)
        self._input_of_row = InputIndex.of(dataset).of_row
        self._per_input = torch.zeros(int(self._input_of_row.max()) + 1, dtype=torch.int64)
        self._pending: deque[PendingBatch] = deque()
        self._handed_out = 0

    @property
    def count(self) -> int:
        """Votes so far."""
        return int(self._per_input.sum())

    def hand_out(self, batch: VotingBatch) -> Batch:
        """Note the views of a batch, which then is the next of the stream."""
        self._pending.append(PendingBatch(batch, self._handed_out))
        self._handed_out += len(batch.rows)
        return batch.batch

    def collect(self, answers: Answers) -> None:
        """Count the votes of some finished puzzles, of whatever batches they are."""
        positions = answers.indices.cpu()
        for batch in self._pending:
            mine = (positions >= batch.begin) & (positions < batch.end)
            if mine.any():
                at = positions[mine] - batch.begin
                rows, chosen = batch.rows[at], mine.to(answers.predictions.device)
                confidence = answers.q_halt[chosen].sigmoid()
                predictions, augmentation = answers.predictions[chosen], batch.augmentation.at(at)
                self.votes.add(predictions, confidence, rows, augmentation)
                inputs = self._input_of_row[rows]
                self._per_input += torch.bincount(inputs, minlength=len(self._per_input))
                batch.missing -= len(at)
        while self._pending and not self._pending[0].missing:
            self._pending.popleft()

    def scores(self) -> ArcScores:
        """Return pass@K for as many guesses as the inputs have views, and for two at least."""
        most = int(self._per_input.max())
        return self.votes.scores([count for count in GUESSES if count <= max(2, most)])


class PendingBatch:
    """A batch that waits for answers: its rows and views, at `begin` to `end` of the stream."""

    def __init__(self, batch: VotingBatch, begin: int) -> None:
        self.rows, self.augmentation = batch.rows, batch.augmentation
        self.begin, self.end = begin, begin + len(batch.rows)
        self.missing = len(batch.rows)
