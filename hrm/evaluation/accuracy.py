"""Accuracy against inference compute, and with each puzzle halting on its own."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from hrm.config import ConfigError, ModelConfig, require_least
from hrm.distributed import SINGLE, ProcessGroup
from hrm.evaluation.answers import Answers, Observer, answer_when_sure
from hrm.model.act import wants_to_halt
from hrm.model.flops import inference_flops, segment_flops
from hrm.model.losses import score_rows
from hrm.model.reasoning_model import ReasoningModel
from hrm.progress import Curve, Halting
from puzzle_datasets.loading.batch import Batch

EVALUATION_SEED = 0
"""Draws the puzzles to evaluate; the same for every run, so that runs of all seeds compare."""


class Evaluation(NamedTuple):
    """A model on some puzzles: accuracy by segments, and if each puzzle halts on its own."""

    curve: Curve
    halting: Halting


class RowResults(NamedTuple):
    """What an evaluation found of the rows of a batch, on the model's device.

    `solved` bool [B, M] after each segment, false without labels; `halted_at` int64 [B], the
    segment after which each row halts on its own.
    """

    solved: Tensor
    halted_at: Tensor


@torch.inference_mode()
def evaluate(
    model: ReasoningModel,
    batches: Iterable[Batch],
    segments: int,
    group: ProcessGroup = SINGLE,
    observe: Observer | None = None,
    note: Callable[[RowResults], object] = lambda results: None,
) -> Evaluation:
    """Run every puzzle for `segments` segments and score the prediction after each.

    No row leaves early, as in the published evaluation, so one pass yields the whole curve; the
    first segment after which a row wants to halt is noted. Rows without labels do not count. In a
    `group`, each process gives its own batches. `observe` is called with all puzzles after the
    last segment, `note` with what was found of them. Raises `ConfigError` where `segments` is
    below 1, or there is no row to score.
    """
    require_least(1, segments=segments)
    totals = torch.zeros(segments, len(_SUMS), dtype=torch.float64, device=model.device)
    served = 0
    for batch in batches:
        sums, results = _run(model, batch.to(model.device), segments, served, observe)
        totals += sums
        note(results)
        served += len(batch.inputs)
    total = dict(zip(_SUMS, group.sum_(totals).cpu().unbind(-1), strict=True))
    halting = _halting(model.config, total["stops"], int(total["stops_exact"].sum()))
    count = int(total["puzzles"][0])
    curve = Curve(
        exact_accuracy=tuple((total["exact"] / count).tolist()),
        token_accuracy=tuple((total["tokens"] / count).tolist()),
        inference_flops=tuple(inference_flops(model.config, m + 1) for m in range(segments)),
        puzzles=count,
    )
    return Evaluation(curve, halting)


_SUMS = ("exact", "tokens", "puzzles", "stops", "stops_exact")


def _run(
    model: ReasoningModel, batch: Batch, segments: int, served: int, observe: Observer | None
) -> tuple[Tensor, RowResults]:
    """Sums over the rows after each segment, `[segments, 5]` as `_SUMS`, and results by row."""
    rows = len(batch.inputs)
    x = model.embed(batch.inputs, model.puzzle_emb(batch.puzzle_identifiers))
    carry = model.initial_carry(rows)
    running = torch.ones(rows, dtype=torch.bool, device=model.device)
    halted_at = torch.full((rows,), segments, device=model.device)
    sums, solved = [], []
    for segment in range(1, segments + 1):
        carry, output = model(carry, x)
        stops = running & (wants_to_halt(model, output) | (segment == segments))
        running = running & ~stops
        halted_at = torch.where(stops, segment, halted_at)
        scores = score_rows(output.logits, batch.labels)
        counts = scores.labelled > 0
        exact = scores.exact & counts
        columns = (exact, scores.token_accuracy * counts, counts, stops & counts, stops & exact)
        sums.append(torch.stack([column.double().sum() for column in columns]))
        solved.append(exact)
    if observe is not None:
        indices = torch.arange(served, served + rows, device=model.device)
        spent = torch.full_like(indices, segments)
        predictions = output.logits.argmax(-1)
        observe(Answers(indices, batch.inputs, batch.labels, predictions, output.q_halt, spent))
    return torch.stack(sums), RowResults(torch.stack(solved, -1), halted_at)


def evaluate_halting(
    model: ReasoningModel, batches: Iterable[Batch], segments: int, observe: Observer | None = None
) -> Halting:
    """Score every puzzle when it stops, after `segments` at the latest.

    The numbers are those that `evaluate` derives from its fixed pass; this one spends
    `Halting.inference_flops` a puzzle and no more. Rows without labels do not count. `observe` is
    called with puzzles as they stop. Raises `ConfigError` where `segments` is below 1, or there is
    no row to score.
    """
    require_least(1, segments=segments)
    stops = torch.zeros(segments, dtype=torch.int64, device=model.device)
    exact = torch.zeros((), dtype=torch.int64, device=model.device)
    for answers in answer_when_sure(model, batches, segments):
        labelled = answers.segments[answers.labelled]
        stops += torch.bincount(labelled - 1, minlength=segments)
        exact += answers.exact.sum()
        if observe is not None:
            observe(answers)
    return _halting(model.config, stops, int(exact))


def _halting(config: ModelConfig, stops: Tensor, exact: int) -> Halting:
    """Statistics of puzzles of which `stops` `[M]` stopped after 1, …, M segments, `exact` right.

    Raises `ConfigError` where there are none.
    """
    count = int(stops.sum())
    if count == 0:
        problem = "no puzzle to evaluate has labels"
        raise ConfigError.of(None, problem, "choose another test set")
    shares = tuple((stops.double() / count).tolist())
    mean = sum(m * share for m, share in enumerate(shares, start=1))
    flops = mean * segment_flops(config)
    return Halting(exact_accuracy=exact / count, segments=shares, inference_flops=flops)
