"""The one table of metrics: each with its unit, direction, and name wherever it appears.

A metric is read from a report of a trial and the trial's costs. What a sweep may optimise, what
decides at a rung, what goes to MLflow and how tables and charts call it all follow from its row.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from hrm.progress import Progress
from puzzle_datasets.common.text import byte_size, energy, flops, percent, seconds

Direction = Literal["maximize", "minimize"]


class Role(StrEnum):
    """Kind of a metric: evidence that a trial is good, a cost, or a diagnostic."""

    QUALITY = "quality"
    COST = "cost"
    DIAGNOSTIC = "diagnostic"


@dataclass(frozen=True)
class Metric:
    """One quantity that trials are measured by.

    Attributes:
        key: its name in spaces, records and MLflow.
        column: its name at the head of a table.
        title: its name on the axis of a chart.
        words: a value as people read it.
        path: where `hrm.progress.Progress` has it, the last of several values; empty for what a
            report does not have as one number.
        unit: of its numbers; empty for counts and ratios.
        role: quality, cost or diagnostic.
        direction: which way is better; None where neither is, and so no objective.
    """

    key: str
    column: str
    title: str
    words: Callable[[float], str]
    path: str
    unit: str = ""
    role: Role = Role.DIAGNOSTIC
    direction: Direction | None = None

    def read(self, progress: Progress) -> float | None:
        """Its value in one report, None where the report does not have it."""
        value: Any = progress if self.path else None
        for name in self.path.split("."):
            value = None if value is None else getattr(value, name)
        last = value[-1] if isinstance(value, tuple) else value
        return None if last is None else float(last)


_number, _whole = "{:.4g}".format, "{:,.0f}".format
_GAIN: dict[str, Any] = {"role": Role.QUALITY, "direction": "maximize"}
_COST: dict[str, Any] = {"role": Role.COST, "direction": "minimize"}

# fmt: off
METRICS: tuple[Metric, ...] = (
    Metric("exact_accuracy", "Solved", "Test puzzles solved exactly", percent,
           "curve.exact_accuracy", **_GAIN),
    Metric("pass_1", "pass@1", "Test inputs solved by the first guess", percent, "votes.pass_1",
           **_GAIN),
    Metric("pass_2", "pass@2", "Test inputs solved by one of two guesses", percent,
           "votes.pass_2", **_GAIN),
    Metric("pass_1_tasks", "Tasks, pass@1", "Tasks solved by the first guess", percent,
           "votes.pass_1_tasks", **_GAIN),
    Metric("pass_2_tasks", "Tasks, pass@2", "Tasks solved by one of two guesses", percent,
           "votes.pass_2_tasks", **_GAIN),
    Metric("exact_accuracy_at", "Solved within", "Test puzzles solved within evaluation.at_flops",
           percent, "", **_GAIN),
    Metric("curve_hypervolume", "Curve", "Area below the curve up to evaluation.at_flops", _number,
           "", **_GAIN),
    Metric("token_accuracy", "Tokens right", "Tokens right", percent, "curve.token_accuracy"),
    Metric("inference_flops", "Inference", "Inference compute per puzzle", flops,
           "curve.inference_flops", "FLOP", **_COST),
    Metric("parameter_count", "Parameters", "Parameters without puzzle embeddings", _whole, "",
           **_COST),
    Metric("device_seconds", "Device time", "Device time", seconds, "device_seconds", "s",
           **_COST),
    Metric("energy_joules", "Energy", "Energy of the devices", energy, "energy_joules", "J",
           **_COST),
    Metric("flops_to_target", "To the target", "Training compute to the highest target", flops,
           "", "FLOP", **_COST),
    Metric("halting_exact_accuracy", "Solved when halting",
           "Solved when each puzzle halts on its own", percent, "halting.exact_accuracy"),
    Metric("halting_mean_segments", "Mean segments", "Mean segments when halting",
           "{:.2f}".format, "halting.mean_segments"),
    Metric("halting_inference_flops", "Inference when halting",
           "Mean inference compute when halting", flops, "halting.inference_flops", "FLOP"),
    Metric("loss", "Loss", "Loss", _number, "loss"),
    Metric("lm_loss", "Token loss", "Token loss", _number, "lm_loss"),
    Metric("train_exact_accuracy", "Solved in training", "Training puzzles solved exactly",
           percent, "train_exact_accuracy"),
    Metric("mean_segments", "Segments in training", "Mean segments in training", _number,
           "mean_segments"),
    Metric("learning_rate", "Learning rate", "Learning rate", _number, "learning_rate"),
    Metric("examples", "Puzzles", "Fresh puzzles", _whole, "examples"),
    Metric("examples_per_second", "Rows/s", "Rows through one segment, per second of training",
           _whole, "examples_per_second", "1/s"),
    Metric("peak_memory_bytes", "Peak memory", "Peak memory", byte_size, "peak_memory_bytes", "B",
           **_COST),
    Metric("device_busy", "Device busy", "Share of the time that the device was busy", percent,
           "device_busy"),
    Metric("training_flops", "Training spent", "Training compute spent", flops, "training_flops",
           "FLOP", **_COST),
)
# fmt: on
"""In the order in which they are sent; the training FLOPs last, as the mark of a whole report."""

METRIC: Mapping[str, Metric] = {metric.key: metric for metric in METRICS}

OBJECTIVES: tuple[str, ...] = tuple(metric.key for metric in METRICS if metric.direction)
"""Keys of the metrics that a sweep may optimise."""

QUALITY: frozenset[str] = frozenset(m.key for m in METRICS if m.role is Role.QUALITY)
"""Objectives that say how well puzzles are solved; all others are costs."""

OF_VOTES: frozenset[str] = frozenset(m.key for m in METRICS if m.path.startswith("votes."))
"""Objectives that only reports with a vote have: of ARC, evaluated in several views."""


def direction(objective: str) -> Direction:
    """The direction in which an objective is better."""
    found = METRIC[objective].direction
    assert found is not None, f"{objective} is no objective"
    return found


def measured(progress: Progress) -> dict[str, float]:
    """Every metric that a report has, by key."""
    values = {metric.key: metric.read(progress) for metric in METRICS}
    return {key: value for key, value in values.items() if value is not None}


def flops_to(target: float, points: Iterable[tuple[int, float]]) -> float | None:
    """Training FLOPs at which accuracy met a target, between two evaluations by a straight line.

    `points` are training FLOPs and accuracies, in their order. Where the first meets it, that is
    the most that it took. None where none meets it.

    >>> flops_to(0.5, [(100, 0.25), (200, 0.75)])
    150.0
    """
    before: tuple[int, float] | None = None
    for spent, accuracy in points:
        if accuracy >= target and before is None:
            return float(spent)  # at most: it was not looked at earlier
        if accuracy >= target and before is not None:
            share = (target - before[1]) / (accuracy - before[1])
            return before[0] + share * (spent - before[0])
        before = spent, accuracy
    return None


def target_cost(
    targets: Iterable[float], points: Sequence[tuple[int, float]], budget: int
) -> dict[str, float]:
    """The objective `flops_to_target` of a replicate with these evaluations; empty without one.

    One that never met the highest target counts as more than its whole budget, by as much as it
    fell short: 50 points short count as half a budget more.
    """
    highest = max(targets, default=None)
    if highest is None:
        return {}
    found = flops_to(highest, points)
    short = highest - max((accuracy for _, accuracy in points), default=0.0)
    return {"flops_to_target": budget * (1 + short) if found is None else found}


def objective_values(
    objectives: tuple[str, ...], progress: Progress, costs: Mapping[str, float]
) -> tuple[float, ...]:
    """The objectives at a report, of a trial whose `costs` were known before it started.

    Training FLOPs are those spent by then, not those that the whole training will spend; those
    of ancestors, whose weights it began with, count as well.
    """
    spent = {"training_flops": progress.lineage_flops}
    known = {**measured(progress), **costs, **spent}
    return tuple(float(known[name]) for name in objectives)
