"""One model on one puzzle set: everything that `python -m hrm.evaluate` finds out."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from hrm.checkpoints.loading import Opened, require_fit, require_segments
from hrm.commands.options import flag
from hrm.config import ConfigError
from hrm.evaluation.answers import Answers, answer_late, answer_when_sure
from hrm.evaluation.findings import Findings
from hrm.evaluation.fixed import evaluate
from hrm.evaluation.halting import evaluate_halting
from hrm.evaluation.rules import RuleScores
from hrm.evaluation.voting import PUBLISHED_VIEWS, vote
from hrm.model.reasoning_model import ReasoningModel
from hrm.training.trainer import EVALUATION_SEED
from puzzle_datasets.kinds.arc.scoring import ArcScores
from puzzle_datasets.loader import evaluation_batches
from puzzle_datasets.loading.batch import Batch
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import Manifest

Report = Callable[[str], object]
"""Is told in words how far an evaluation is."""


@dataclass(frozen=True, kw_only=True)
class Examination:
    """How to evaluate; raises `ConfigError` where a number is impossible.

    Attributes:
        segments: of each puzzle, at most; None takes the model's M_max.
        halting: `fixed` gives every puzzle all segments, as the published evaluation does; `act`
            lets it leave when its Q-values say so, which gives no curve.
        batch_size: puzzles at a time.
        limit: how many test puzzles to evaluate, drawn as training draws them; None takes all.
        voting: guises of each ARC input that vote, 0 for no vote; None takes as many as are
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
                raise ConfigError(f"{flag(name)} is {value}; give at least {least}.")

    def guises(self, manifest: Manifest) -> int:
        """How many guises of an input vote on this set."""
        if manifest.kind != "arc":
            return 0
        if self.voting is not None:
            return self.voting
        return PUBLISHED_VIEWS if self.limit is None else 0


def settled(opened: Opened, dataset: PuzzleDataset, asked: Examination) -> Examination:
    """What is asked, with what it leaves to the model and the puzzles.

    Raises `ConfigError` where they don't fit each other, or what is asked fits neither.
    """
    config, manifest = opened.model.config, dataset.manifest
    require_fit(opened, manifest)
    segments = config.M_max if asked.segments is None else asked.segments
    require_segments(config, segments)
    if asked.voting and manifest.kind != "arc":
        raise ConfigError(f"--voting is {asked.voting}, but {manifest.name} is no ARC; give 0.")
    return replace(asked, segments=segments, voting=asked.guises(manifest))


def examine(
    opened: Opened, dataset: PuzzleDataset, asked: Examination, report: Report = lambda words: None
) -> Findings:
    """Evaluate a model on the test puzzles of a set.

    Raises `ConfigError` as `settled`.
    """
    asked = settled(opened, dataset, asked)
    model, segments = opened.model, asked.segments
    assert segments is not None
    watch = _Watch(dataset, report)
    batches = watch.going_in(_batches(dataset, asked), _planned(dataset, asked))
    began = time.perf_counter()
    curve = None
    if asked.halting == "fixed":
        curve, halting = evaluate(model, batches, segments, observe=watch.come_out)
    else:
        halting = evaluate_halting(model, batches, segments, watch.come_out)
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    votes = _vote(model, dataset, asked, segments, report)
    return Findings(
        segments=segments,
        puzzles=watch.scored,
        curve=curve,
        halting=halting,
        rules=watch.by_the_rules(),
        votes=votes,
        seconds=seconds,
        voting_seconds=time.perf_counter() - began,
    )


def _batches(dataset: PuzzleDataset, asked: Examination) -> Iterator[Batch]:
    return evaluation_batches(
        dataset, batch_size=asked.batch_size, limit=asked.limit, seed=EVALUATION_SEED
    )


def _planned(dataset: PuzzleDataset, asked: Examination) -> int:
    return min(len(dataset.test), asked.limit or len(dataset.test))


def _vote(
    model: ReasoningModel,
    dataset: PuzzleDataset,
    asked: Examination,
    segments: int,
    report: Report,
) -> ArcScores | None:
    if not asked.voting:
        return None
    return vote(
        model,
        dataset,
        segments=segments,
        batch_size=asked.batch_size,
        views=asked.voting,
        answering=answer_late if asked.halting == "fixed" else answer_when_sure,
        report=lambda votes: report(f"{votes:,} votes"),
    )


class _Watch:
    """Sees the puzzles go in and come out; reports, counts and judges them."""

    def __init__(self, dataset: PuzzleDataset, report: Report) -> None:
        self._rules, self._report = RuleScores(dataset), report
        self._taken = self.scored = 0

    def going_in(self, batches: Iterator[Batch], planned: int) -> Iterator[Batch]:
        """The batches as they are, reported when they are taken."""
        for batch in batches:
            self._report(f"{self._taken:,} of {planned:,} puzzles")
            self._taken += len(batch.inputs)
            yield batch

    def come_out(self, answers: Answers) -> None:
        """Count and judge finished puzzles."""
        self._rules.add(answers)
        self.scored += int(answers.labelled.sum())

    def by_the_rules(self) -> dict[str, float]:
        """What the rules say of all of them."""
        return self._rules.metrics()
