"""One model on one puzzle set: everything that `python -m hrm.evaluate` measures."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from hrm.checkpoints.loading import LoadedModel, require_fit, require_segments
from hrm.config import ConfigError
from hrm.evaluation.accuracy import EVALUATION_SEED, evaluate
from hrm.evaluation.answers import Answers, answer_late, answer_when_sure
from hrm.evaluation.halting import evaluate_halting
from hrm.evaluation.result import EvaluationResult
from hrm.evaluation.rules import RuleScores
from hrm.evaluation.voting import PUBLISHED_VIEWS, vote
from hrm.model.reasoning_model import ReasoningModel
from puzzle_datasets.kinds.arc.scoring import ArcScores
from puzzle_datasets.loader import evaluation_batches
from puzzle_datasets.loading.batch import Batch
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import Manifest

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
        for name, least in (("segments", 1), ("batch_size", 1), ("limit", 1), ("voting", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(name, value, f"give at least {least}")

    def views(self, manifest: Manifest) -> int:
        """Views of an input that vote on this set."""
        if manifest.kind != "arc":
            return 0
        if self.voting is not None:
            return self.voting
        return PUBLISHED_VIEWS if self.limit is None else 0


def resolved(
    loaded: LoadedModel, dataset: PuzzleDataset, options: EvaluationOptions
) -> EvaluationOptions:
    """Return the options with all that they leave to the model and the puzzles filled in.

    Raises:
        ConfigError: model and puzzles do not fit each other, or the options fit neither.
    """
    config, manifest = loaded.model.config, dataset.manifest
    require_fit(loaded, manifest)
    segments = config.M_max if options.segments is None else options.segments
    require_segments(config, segments)
    if options.voting and manifest.kind != "arc":
        problem = f"is {options.voting}, but {manifest.name} is no ARC"
        raise ConfigError("voting", options.voting, "give 0", problem=problem)
    return replace(options, segments=segments, voting=options.views(manifest))


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
    observed = _Observed(dataset, report)
    batches = observed.passed_in(_batches(dataset, options), _planned(dataset, options))
    began = time.perf_counter()
    curve = None
    if options.halting == "fixed":
        curve, halting = evaluate(model, batches, segments, observe=observed.answered)
    else:
        halting = evaluate_halting(model, batches, segments, observed.answered)
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    votes = _vote(model, dataset, options, segments, report)
    return EvaluationResult(
        segments=segments,
        puzzles=observed.scored,
        curve=curve,
        halting=halting,
        rules=observed.rule_scores(),
        votes=votes,
        seconds=seconds,
        voting_seconds=time.perf_counter() - began,
    )


def _batches(dataset: PuzzleDataset, options: EvaluationOptions) -> Iterator[Batch]:
    return evaluation_batches(
        dataset, batch_size=options.batch_size, limit=options.limit, seed=EVALUATION_SEED
    )


def _planned(dataset: PuzzleDataset, options: EvaluationOptions) -> int:
    return min(len(dataset.test), options.limit or len(dataset.test))


def _vote(
    model: ReasoningModel,
    dataset: PuzzleDataset,
    options: EvaluationOptions,
    segments: int,
    report: Report,
) -> ArcScores | None:
    if not options.voting:
        return None
    return vote(
        model,
        dataset,
        segments=segments,
        batch_size=options.batch_size,
        views=options.voting,
        answering=answer_late if options.halting == "fixed" else answer_when_sure,
        report=lambda votes: report(f"{votes:,} votes"),
    )


class _Observed:
    """Reports puzzles as they are taken, and counts and scores them as they are answered."""

    def __init__(self, dataset: PuzzleDataset, report: Report) -> None:
        self._rules, self._report = RuleScores(dataset), report
        self._taken = self.scored = 0

    def passed_in(self, batches: Iterator[Batch], planned: int) -> Iterator[Batch]:
        """The batches as they are, reported when they are taken."""
        for batch in batches:
            self._report(f"{self._taken:,} of {planned:,} puzzles")
            self._taken += len(batch.inputs)
            yield batch

    def answered(self, answers: Answers) -> None:
        """Count and score finished puzzles."""
        self._rules.add(answers)
        self.scored += int(answers.labelled.sum())

    def rule_scores(self) -> dict[str, float]:
        """Scores of all of them by the rules of the puzzle."""
        return self._rules.metrics()
