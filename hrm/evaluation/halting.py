"""Evaluation that really halts: a puzzle that stops leaves the batch, and its compute with it."""

from collections.abc import Iterable

import torch
from torch import Tensor

from hrm.config import ConfigError, ModelConfig
from hrm.evaluation.answers import Observer, answer_when_sure
from hrm.model.flops import segment_flops
from hrm.model.reasoning_model import ReasoningModel
from hrm.progress import Halting
from puzzle_datasets.loading.batch import Batch


def evaluate_halting(
    model: ReasoningModel,
    batches: Iterable[Batch],
    segments: int,
    observe: Observer | None = None,
) -> Halting:
    """Score every puzzle when it stops, after `segments` at the latest.

    The numbers are those that `evaluation.fixed.evaluate` derives from its fixed pass; this one
    spends `Halting.inference_flops` a puzzle and no more. Rows without labels do not count.
    `observe` is called with puzzles as they stop.

    Raises:
        ConfigError: `segments` is below 1, or there is no row to score.
    """
    if segments < 1:
        raise ConfigError("segments", segments, "evaluate at least 1")
    stops = torch.zeros(segments, dtype=torch.int64, device=model.device)
    exact = torch.zeros((), dtype=torch.int64, device=model.device)
    for answers in answer_when_sure(model, batches, segments):
        labelled = answers.segments[answers.labelled]
        stops += torch.bincount(labelled - 1, minlength=segments)
        exact += answers.exact.sum()
        if observe is not None:
            observe(answers)
    return halting_of(model.config, stops, int(exact))


def without_labels() -> ConfigError:
    """Return the error that refuses to evaluate puzzles of which none has labels."""
    problem = "no puzzle to evaluate has labels"
    return ConfigError(None, None, "choose another test set", problem=problem)


def halting_of(config: ModelConfig, stops: Tensor, exact: int) -> Halting:
    """The statistics of puzzles of which `stops` `[M]` stopped after 1, 2, …, M segments.

    `exact` of them were right then. Raises `ConfigError` where there are none.
    """
    count = int(stops.sum())
    if count == 0:
        raise without_labels()
    shares = tuple((stops.double() / count).tolist())
    mean = sum(m * share for m, share in enumerate(shares, start=1))
    return Halting(
        exact_accuracy=exact / count,
        segments=shares,
        inference_flops=mean * segment_flops(config),
    )
