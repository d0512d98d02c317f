"""One model on one puzzle set: everything that `python -m hrm.evaluate` measures."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from hrm.checkpoints.loading import LoadedModel, require_fit, require_segments
from hrm.config import ConfigError, require_least
from hrm.evaluation.accuracy import EVALUATION_SEED, evaluate, evaluate_halting
from hrm.evaluation.answers import Answers, answer_late, answer_when_sure
from hrm.evaluation.result import EvaluationResult
from hrm.evaluation.voting import PUBLISHED_VIEWS, vote
from puzzle_datasets.common.text import counted
from puzzle_datasets.kinds.kind import kind_named
from puzzle_datasets.loader import evaluation_batches
from puzzle_datasets.loading.batch import Batch
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import IGNORE_LABEL, PAD

Report = Callable[[str], object]
"""Called with words that say how far an evaluation is."""


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """Options of an evaluation. Raises `ConfigError` where a number is impossible.

    Attributes:
        segments: of each puzzle, at most; None takes the model's M_max.
        halting: `fixed` gives every puzzle all segments, as the published evaluation does; `act`
            lets it leave when its Q-values say so, which gives no curve.
        batch_size: puzzles at a time.
        limit: how many test puzzles to evaluate, drawn as training draws them; None takes all.
        voting: views of each ARC input that vote, 0 for no vote; None takes as many as are
            published, and no vote where there is a `limit`. All test inputs are voted on.
    """

    segments: int | None = None
    halting: Literal["fixed", "act"] = "fixed"
    batch_size: int = 128
    limit: int | None = None
    voting: int | None = None

    def __post_init__(self) -> None:
        require_least(1, segments=self.segments, batch_size=self.batch_size, limit=self.limit)
        require_least(0, voting=self.voting)


def resolved(
    loaded: LoadedModel, dataset: PuzzleDataset, options: EvaluationOptions
) -> EvaluationOptions:
    """Return the options with all that they leave to the model and the puzzles filled in.

    Raises `ConfigError` where model and puzzles do not fit each other, or the options fit neither.
    """
    config, manifest = loaded.model.config, dataset.manifest
    require_fit(loaded, manifest)
    segments = config.M_max if options.segments is None else options.segments
    require_segments(config, segments)
    votes = kind_named(manifest.kind).vote_scores is not None
    if options.voting and not votes:
        problem = f"is {options.voting}, but {manifest.name} is not scored by votes"
        raise ConfigError.of("voting", problem, "give 0", options.voting)
    voting = options.voting
    if voting is None:
        voting = PUBLISHED_VIEWS if votes and options.limit is None else 0
    return replace(options, segments=segments, voting=voting)


def run_evaluation(
    loaded: LoadedModel,
    dataset: PuzzleDataset,
    options: EvaluationOptions,
    report: Report = lambda words: None,
) -> EvaluationResult:
    """Evaluate a model on the test puzzles of a set. Raises `ConfigError` as `resolved` does."""
    options = resolved(loaded, dataset, options)
    model, segments = loaded.model, options.segments
    assert segments is not None
    rules, batches = RuleScores(dataset), _reported(dataset, options, report)
    began = time.perf_counter()
    curve = votes = None
    if options.halting == "fixed":
        curve, halting = evaluate(model, batches, segments, observe=rules.add)
    else:
        halting = evaluate_halting(model, batches, segments, rules.add)
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    if options.voting:
        votes = vote(
            model,
            dataset,
            segments=segments,
            batch_size=options.batch_size,
            views=options.voting,
            answering=answer_late if options.halting == "fixed" else answer_when_sure,
            report=lambda votes: report(counted(votes, "vote")),
        )
    return EvaluationResult(
        segments=segments,
        puzzles=rules.count,
        curve=curve,
        halting=halting,
        rules=rules.metrics(),
        votes=votes,
        seconds=seconds,
        voting_seconds=time.perf_counter() - began,
    )


def _reported(
    dataset: PuzzleDataset, options: EvaluationOptions, report: Report
) -> Iterator[Batch]:
    """The batches to evaluate, reported as they are taken."""
    planned, taken = min(len(dataset.test), options.limit or len(dataset.test)), 0
    for batch in evaluation_batches(
        dataset, batch_size=options.batch_size, limit=options.limit, seed=EVALUATION_SEED
    ):
        report(f"{taken:,} of {counted(planned, 'puzzle')}")
        taken += len(batch.inputs)
        yield batch


class RuleScores:
    """Collects answers, counts those with labels and judges them by the rules of the set's kind.

    Metrics are means over the `count`. Of a Sudoku: digits missing from rows, columns and
    boxes, clues changed. Of a maze: the shares of valid paths and of shortest ones. Kinds whose
    answers vote have none.
    """

    def __init__(self, dataset: PuzzleDataset) -> None:
        self._kind, self._grid = kind_named(dataset.manifest.kind), dataset.manifest.grid
        self._sums: dict[str, float] = {}
        self.count = 0

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
        self.count += count

    def metrics(self) -> dict[str, float]:
        """Return the means by name."""
        return {n: total / self.count for n, total in self._sums.items() if n != "exact_accuracy"}
