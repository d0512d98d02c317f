"""ARC pass@K of a model: every test input is answered in many guises, and the answers vote.

`puzzle_datasets.kinds.arc.scoring` counts and weighs votes (HRM paper, section 3.2: the commonest
answers, and among equals those that the model was surest of).
"""

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

from hrm.config import ConfigError
from hrm.evaluation.answers import Answering, Answers, answer_late
from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.kinds.arc.augment import Augmentation
from puzzle_datasets.kinds.arc.scoring import ArcScores, ArcVotes
from puzzle_datasets.kinds.arc.views import InputIndex, VotingBatch, voting_batches
from puzzle_datasets.loading.batch import Batch
from puzzle_datasets.storage.dataset import PuzzleDataset

PUBLISHED_GUISES = 1001
"""A task's own form and its 1000 augmentations."""

GUESSES = (1, 2, 10, 100, 1000)
"""K of the published pass@K; those above two only where inputs have as many guises."""

Report = Callable[[int], object]
"""Is told how many votes there are."""


def vote(
    model: ReasoningModel,
    dataset: PuzzleDataset,
    *,
    segments: int,
    batch_size: int,
    guises: int = PUBLISHED_GUISES,
    answering: Answering = answer_late,
    report: Report | None = None,
) -> ArcScores:
    """Answer each test input in up to `guises` guises, `batch_size` at a time, and score the vote.

    Raises `ConfigError` where the puzzles are not ARC's or a number is below 1.
    """
    if dataset.manifest.kind != "arc":
        problem = f"{dataset.manifest.name} can't be voted on"
        raise ConfigError(None, None, "only ARC has guises", problem=problem)
    for name, value in (("guises", guises), ("segments", segments), ("batch_size", batch_size)):
        if value < 1:
            raise ConfigError(name, value, "give at least 1")
    ballot = _Ballot(dataset)
    stream = voting_batches(dataset, batch_size=batch_size, identities=guises)
    for answers in answering(model, map(ballot.hand_out, stream), segments):
        ballot.cast(answers)
        if report is not None:
            report(ballot.count)
    return ballot.scores()


class _Ballot:
    """Which guise each puzzle of the stream has, kept until its answer is there."""

    def __init__(self, dataset: PuzzleDataset) -> None:
        self._votes = ArcVotes(dataset)
        self._input_of_row = InputIndex.of(dataset).of_row
        self._per_input = torch.zeros(int(self._input_of_row.max()) + 1, dtype=torch.int64)
        self._open: deque[_Paper] = deque()
        self._handed_out = 0

    @property
    def count(self) -> int:
        """Votes so far."""
        return int(self._per_input.sum())

    def hand_out(self, asked: VotingBatch) -> Batch:
        """Note the guises of a batch, which then is the next of the stream."""
        self._open.append(_Paper(asked, self._handed_out))
        self._handed_out += len(asked.rows)
        return asked.batch

    def cast(self, answers: Answers) -> None:
        """Count the votes of some finished puzzles, of whatever batches they are."""
        places = answers.places.cpu()
        for paper in self._open:
            mine = (places >= paper.begin) & (places < paper.end)
            if mine.any():
                self._cast(paper, places[mine] - paper.begin, answers, mine)
        while self._open and not self._open[0].missing:
            self._open.popleft()

    def _cast(self, paper: "_Paper", at: Tensor, answers: Answers, mine: Tensor) -> None:
        chosen = mine.to(answers.predictions.device)
        rows = paper.rows[at]
        confidence = answers.q_halt[chosen].sigmoid()
        self._votes.add(answers.predictions[chosen], confidence, rows, paper.guises_of(at))
        self._per_input += torch.bincount(self._input_of_row[rows], minlength=len(self._per_input))
        paper.missing -= len(at)

    def scores(self) -> ArcScores:
        """Pass@K for as many guesses as the inputs have guises, and for two at least."""
        most = int(self._per_input.max())
        return self._votes.scores([count for count in GUESSES if count <= max(2, most)])


class _Paper:
    """The rows of one batch and their guises, at places `begin` to `end` of the stream."""

    def __init__(self, asked: VotingBatch, begin: int) -> None:
        self.rows, self._augmentation = asked.rows, asked.augmentation
        self.begin, self.end = begin, begin + len(asked.rows)
        self.missing = len(asked.rows)

    def guises_of(self, at: Tensor) -> Augmentation:
        """The guises of some of the rows."""
        guises = self._augmentation
        return Augmentation(
            dihedral=guises.dihedral[at], colours=guises.colours[at], offsets=guises.offsets[at]
        )
