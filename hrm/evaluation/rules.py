"""Figures that the rules of a puzzle give for answers, beside exact matches."""

from hrm.evaluation.answers import Answers
from puzzle_datasets.kinds.kind import kind_named
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import IGNORE_LABEL, PAD

EXACT = "exact_accuracy"


class RuleScores:
    """Collects answers and judges them by the rules of their set's kind.

    Metrics are means over the labelled puzzles. Of a Sudoku: digits missing from rows, columns and
    boxes, clues changed. Of a maze: the shares of valid paths and of shortest ones. Kinds whose
    answers vote have none.
    """

    def __init__(self, dataset: PuzzleDataset) -> None:
        self._kind, self._grid = kind_named(dataset.manifest.kind), dataset.manifest.grid
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, answers: Answers) -> None:
        """Judge some answers."""
        chosen = answers.labelled
        count = int(chosen.sum())
        if count == 0:
            return
        labels = answers.labels[chosen]
        labels = labels.where(labels != IGNORE_LABEL, PAD)
        grids = answers.inputs[chosen], labels, answers.predictions[chosen]
        for name, mean in self._kind.mean_scores(*grids, self._grid).items():
            self._sums[name] = self._sums.get(name, 0.0) + count * mean
        self._count += count

    def metrics(self) -> dict[str, float]:
        """Return the means by name."""
        return {n: total / self._count for n, total in self._sums.items() if n != EXACT}
