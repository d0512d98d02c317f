"""What the rules of a puzzle say about answers, beside whether they are the stored ones."""

from hrm.evaluation.answers import Answers
from puzzle_datasets.kinds.maze.scoring import score_mazes
from puzzle_datasets.kinds.sudoku.scoring import score_sudokus
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import IGNORE_LABEL, PAD

EXACT = "exact_accuracy"


class RuleScores:
    """Collects answers and judges them by the rules of their set: Sudoku's and mazes'.

    Metrics are means over the labelled puzzles. Of a Sudoku: digits missing from rows, columns and
    boxes, clues changed. Of a maze: whether the path is valid, and one of the shortest. Of ARC
    there are none.
    """

    def __init__(self, dataset: PuzzleDataset) -> None:
        self._kind, self._grid = dataset.manifest.kind, dataset.manifest.grid
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, answers: Answers) -> None:
        """Judge some answers."""
        chosen = answers.labelled
        count = int(chosen.sum())
        if self._kind == "arc" or count == 0:
            return
        labels = answers.labels[chosen]
        labels = labels.where(labels != IGNORE_LABEL, PAD)
        grids = answers.inputs[chosen], labels, answers.predictions[chosen]
        if self._kind == "sudoku":
            metrics = score_sudokus(*grids, self._grid[0]).metrics()
        else:
            metrics = score_mazes(*grids, self._grid).metrics()
        for name, mean in metrics.items():
            self._sums[name] = self._sums.get(name, 0.0) + count * mean
        self._count += count

    def metrics(self) -> dict[str, float]:
        """The means by name."""
        return {n: total / self._count for n, total in self._sums.items() if n != EXACT}
