"""The reports of a training run; imports no torch, so that readers stay light."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from puzzle_datasets.common.bounded import (
    Amount,
    Count,
    Flops,
    Loss,
    MeanFlops,
    Milliseconds,
    Positive,
    Share,
    SomeFlops,
)
from puzzle_datasets.common.records import ContradictionError, record_from

_ROUNDING = 1e-3
"""Of shares that were added up, some in single precision."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Accuracy after 1, 2, …, M segments against the inference FLOPs of that many segments.

    One evaluation to the largest M yields it whole, since a segment's prediction does not
    depend on how many segments follow.

    Attributes:
        exact_accuracy: share of puzzles whose every scored token is right, per segment count.
        token_accuracy: share of scored tokens that are right, averaged over puzzles (diagnostic).
        inference_flops: FLOPs for one puzzle after that many segments.
        puzzles: how many puzzles were evaluated.
    """

    exact_accuracy: tuple[Share, ...]
    token_accuracy: tuple[Share, ...]
    inference_flops: tuple[SomeFlops, ...]
    puzzles: Positive

    def __post_init__(self) -> None:
        lengths = {len(self.exact_accuracy), len(self.token_accuracy), len(self.inference_flops)}
        if len(lengths) > 1 or not self.exact_accuracy:
            raise ContradictionError("has not one point for each of its segments")
        if not all(low < high for low, high in pairwise(self.inference_flops)):
            raise ContradictionError("has inference_flops that do not rise")


@dataclass(frozen=True, kw_only=True)
class Halting:
    """The same puzzles if each stops as soon as its Q-values say so.

    Attributes:
        exact_accuracy: share of puzzles that are right when they stop.
        segments: share of puzzles that stop after 1, 2, …, M segments; they add up to 1.
        inference_flops: mean FLOPs for one puzzle.
    """

    exact_accuracy: Share
    segments: tuple[Share, ...]
    inference_flops: MeanFlops

    def __post_init__(self) -> None:
        if not self.segments:
            raise ContradictionError("has no segments")
        if abs(sum(self.segments) - 1) > _ROUNDING:
            raise ContradictionError("has shares of segments that do not add up to 1")

    @property
    def mean_segments(self) -> float:
        """Segments that a puzzle gets on average."""
        return sum(count * share for count, share in enumerate(self.segments, start=1))


@dataclass(frozen=True, kw_only=True)
class Votes:
    """ARC by vote: the answers in all views of a test input vote, and the commonest are guesses.

    Attributes:
        pass_1, pass_2: share of test inputs that the first guess, or one of the first two, solves.
        pass_1_tasks, pass_2_tasks: share of tasks all of whose evaluated inputs are so solved.
        inputs, tasks: how many were voted on.
        votes: on all inputs together.
    """

    pass_1: Share
    pass_2: Share
    pass_1_tasks: Share
    pass_2_tasks: Share
    inputs: Count
    tasks: Count
    votes: Count


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One line about a run, at a fixed optimizer step.

    Means are taken over the steps since the last line. Where no row halted since then, the means
    over halted rows repeat the last line's, at first 0.

    Attributes:
        step: optimizer steps (segments of the whole batch) done so far.
        training_flops: FLOPs spent on training so far, without evaluations.
        inherited_flops: what its ancestors had spent on the weights that training began with.
        loss: mean loss per row, halting terms included.
        lm_loss: mean token loss per row.
        train_exact_accuracy: share of halted rows whose every scored token is right.
        mean_segments: mean segments spent by halted rows.
        examples: fresh puzzles taken from the loader so far.
        device_seconds: seconds spent in training and evaluation, over all restores.
        examples_per_second: batch rows through one segment, per second of training.
        peak_memory_bytes: most memory held: by the device's allocator on CUDA, by the process
            on CPU.
        energy_joules: what its devices took in training and evaluation, over all restores, as
            `hrm.training.energy` estimates it; None where not all of it was measured.
        device_busy: share of the time since the last line that the device was busy: on CPU the
            threads of this process, on CUDA the last moments; None where that can't be told.
        micro_batch: puzzles that passed through the model at a time in each process, where these
            were fewer than configured for want of memory; else None.
        curve, halting: set when this line comes with an evaluation.
        votes: set besides these where test puzzles are answered in several views.
    """

    step: Count
    total_steps: Positive
    training_flops: Flops
    loss: Loss
    lm_loss: Loss
    train_exact_accuracy: Share
    mean_segments: Amount
    learning_rate: Amount
    examples: Count
    device_seconds: Amount
    examples_per_second: Amount
    peak_memory_bytes: Count
    energy_joules: Amount | None = None
    device_busy: Share | None = None
    inherited_flops: Flops = 0
    micro_batch: Positive | None = None
    curve: Curve | None = None
    halting: Halting | None = None
    votes: Votes | None = None

    def __post_init__(self) -> None:
        if self.step > self.total_steps:
            raise ContradictionError(f"has step {self.step} of {self.total_steps}")

    @property
    def lineage_flops(self) -> int:
        """FLOPs behind the weights: spent on this training, and on its ancestors' before."""
        return self.training_flops + self.inherited_flops

    @property
    def spent(self) -> bool:
        """Whether the training budget is spent."""
        return self.step >= self.total_steps


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One report and the Unix time in milliseconds when it was made."""

    time_ms: Milliseconds
    progress: Progress

    def plain(self) -> dict[str, Any]:
        """The measurement as JSON has it, a line of `metrics.jsonl`."""
        return asdict(self)


def measurement_from(fields: Mapping[str, Any]) -> Measurement:
    """The measurement that `Measurement.plain` wrote, also after a way through JSON."""
    return record_from(fields, Measurement)
