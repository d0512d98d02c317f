"""Accuracy against inference compute, and with each puzzle halting on its own, in one pass."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from hrm.config import ConfigError
from hrm.distributed import SINGLE, ProcessGroup
from hrm.evaluation.answers import Answers, Observer
from hrm.evaluation.halting import halting_of, without_labels
from hrm.model.act import wants_to_halt
from hrm.model.flops import inference_flops
from hrm.model.losses import score_rows
from hrm.model.reasoning_model import Output, ReasoningModel
from hrm.progress import Curve, Halting
from puzzle_datasets.loading.batch import Batch

EVALUATION_SEED = 0
"""Draws the puzzles to evaluate; the same for every run, so that runs of all seeds compare."""


class Evaluation(NamedTuple):
    """A model on some puzzles: accuracy by segments, and if each puzzle halts on its own."""

    curve: Curve
    halting: Halting


@torch.inference_mode()
def evaluate(
    model: ReasoningModel,
    batches: Iterable[Batch],
    segments: int,
    group: ProcessGroup = SINGLE,
    observe: Observer | None = None,
) -> Evaluation:
    """Run every puzzle for `segments` segments and score the prediction after each.

    No row leaves early, as in the published evaluation, so one pass yields the whole curve; the
    first segment after which a row wants to halt is noted. Rows without labels do not count. In a
    `group`, each process gives its own batches. `observe` is called with all puzzles after the
    last segment.

    Raises:
        ConfigError: `segments` is below 1, or there is no row to score.
    """
    if segments < 1:
        raise ConfigError("segments", segments, "evaluate at least 1")
    totals = torch.zeros(segments, len(_SUMS), dtype=torch.float64, device=model.device)
    served = 0
    for batch in batches:
        totals += _run(model, batch.to(model.device), segments, served, observe)
        served += len(batch.inputs)
    sums = dict(zip(_SUMS, group.sum_(totals).cpu().unbind(-1), strict=True))
    count = int(sums["puzzles"][0])
    if count == 0:
        raise without_labels()
    halting = halting_of(model.config, sums["stops"], int(sums["stops_exact"].sum()))
    return Evaluation(_curve(model, sums, count), halting)


_SUMS = ("exact", "tokens", "puzzles", "stops", "stops_exact")


def _curve(model: ReasoningModel, sums: dict[str, Tensor], count: int) -> Curve:
    segments = len(sums["exact"])
    return Curve(
        exact_accuracy=tuple((sums["exact"] / count).tolist()),
        token_accuracy=tuple((sums["tokens"] / count).tolist()),
        inference_flops=tuple(inference_flops(model.config, m + 1) for m in range(segments)),
        puzzles=count,
    )


def _run(
    model: ReasoningModel, batch: Batch, segments: int, served: int, observe: Observer | None
) -> Tensor:
    """Sums over the rows after each segment, `[segments, 5]`, in the order of `_SUMS`."""
    rows = len(batch.inputs)
    x = model.embed(batch.inputs, model.puzzle_emb(batch.puzzle_identifiers))
    carry = model.initial_carry(rows)
    running = torch.ones(rows, dtype=torch.bool, device=model.device)
    sums = []
    for segment in range(1, segments + 1):
        carry, output = model(carry, x)
        stops = running & (wants_to_halt(model, output) | (segment == segments))
        running = running & ~stops
        sums.append(_sums(output, batch, stops))
    if observe is not None:
        observe(_answers(batch, output, segments, served))
    return torch.stack(sums)


def _sums(output: Output, batch: Batch, stops: Tensor) -> Tensor:
    scores = score_rows(output.logits, batch.labels)
    counts = scores.labelled > 0
    exact = scores.exact & counts
    columns = (exact, scores.token_accuracy * counts, counts, stops & counts, stops & exact)
    return torch.stack([column.double().sum() for column in columns])


def _answers(batch: Batch, output: Output, segments: int, served: int) -> Answers:
    indices = torch.arange(served, served + len(batch.inputs), device=batch.inputs.device)
    return Answers(
        indices=indices,
        inputs=batch.inputs,
        labels=batch.labels,
        predictions=output.logits.argmax(-1),
        q_halt=output.q_halt,
        segments=torch.full_like(indices, segments),
    )
