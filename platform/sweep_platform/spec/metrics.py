"""The one table of metrics: each with its unit, direction, and name wherever it appears.

A metric is read from a report of a trial and the trial's costs. What a sweep may optimise, what
decides at a rung, what goes to MLflow and how tables and charts call it all follow from its row.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from hrm.progress import Curve, Halting, Progress
from puzzle_datasets.common.text import byte_size, flops, percent, seconds

Direction = Literal["maximize", "minimize"]


class Role(StrEnum):
    """Kind of a metric: evidence that a trial is good, a cost, or a diagnostic."""

    QUALITY = "quality"
    COST = "cost"
    DIAGNOSTIC = "diagnostic"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One quantity that trials are measured by.

    Attributes:
        key: its name in spaces, records and MLflow.
        title: on the axis of a chart.
        column: at the head of a table.
        unit: of its numbers; empty for counts and ratios.
        role: quality, cost or diagnostic.
        direction: which way is better; None where neither is, and so no objective.
        read: its value in one report, None where the report does not have it.
        words: a value as people read it.
    """

    key: str
    title: str
    column: str
    unit: str = ""
    role: Role = Role.DIAGNOSTIC
    direction: Direction | None = None
    read: Callable[[Progress], float | None]
    words: Callable[[float], str] = "{:.4g}".format


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _field(name: str) -> Callable[[Progress], float | None]:
    return lambda progress: float(getattr(progress, name))


def _curve(read: Callable[[Curve], float]) -> Callable[[Progress], float | None]:
    return lambda progress: None if progress.curve is None else float(read(progress.curve))


def _halting(read: Callable[[Halting], float]) -> Callable[[Progress], float | None]:
    return lambda progress: None if progress.halting is None else float(read(progress.halting))


METRICS: tuple[Metric, ...] = (
    Metric(
        key="exact_accuracy",
        title="Test puzzles solved exactly",
        column="Solved",
        role=Role.QUALITY,
        direction="maximize",
        read=_curve(lambda curve: curve.exact_accuracy[-1]),
        words=percent,
    ),
    Metric(
        key="token_accuracy",
        title="Tokens right",
        column="Tokens right",
        read=_curve(lambda curve: curve.token_accuracy[-1]),
        words=percent,
    ),
    Metric(
        key="inference_flops",
        title="Inference compute per puzzle",
        column="Inference",
        unit="FLOP",
        role=Role.COST,
        direction="minimize",
        read=_curve(lambda curve: curve.inference_flops[-1]),
        words=flops,
    ),
    Metric(
        key="parameter_count",
        title="Parameters without puzzle embeddings",
        column="Parameters",
        role=Role.COST,
        direction="minimize",
        read=lambda progress: None,
        words=_count,
    ),
    Metric(
        key="device_seconds",
        title="Device time",
        column="Device time",
        unit="s",
        role=Role.COST,
        direction="minimize",
        read=_field("device_seconds"),
        words=seconds,
    ),
    Metric(
        key="halting_exact_accuracy",
        title="Solved when each puzzle halts on its own",
        column="Solved when halting",
        read=_halting(lambda halting: halting.exact_accuracy),
        words=percent,
    ),
    Metric(
        key="halting_mean_segments",
        title="Mean segments when halting",
        column="Mean segments",
        read=_halting(lambda halting: halting.mean_segments),
        words="{:.2f}".format,
    ),
    Metric(
        key="halting_inference_flops",
        title="Mean inference compute when halting",
        column="Inference when halting",
        unit="FLOP",
        read=_halting(lambda halting: halting.inference_flops),
        words=flops,
    ),
    Metric(key="loss", title="Loss", column="Loss", read=_field("loss")),
    Metric(key="lm_loss", title="Token loss", column="Token loss", read=_field("lm_loss")),
    Metric(
        key="train_exact_accuracy",
        title="Training puzzles solved exactly",
        column="Solved in training",
        read=_field("train_exact_accuracy"),
        words=percent,
    ),
    Metric(
        key="mean_segments",
        title="Mean segments in training",
        column="Segments in training",
        read=_field("mean_segments"),
    ),
    Metric(
        key="learning_rate",
        title="Learning rate",
        column="Learning rate",
        read=_field("learning_rate"),
    ),
    Metric(
        key="examples",
        title="Fresh puzzles",
        column="Puzzles",
        read=_field("examples"),
        words=_count,
    ),
    Metric(
        key="examples_per_second",
        title="Rows through one segment, per second of training",
        column="Rows/s",
        unit="1/s",
        read=_field("examples_per_second"),
        words=_count,
    ),
    Metric(
        key="peak_memory_bytes",
        title="Peak memory",
        column="Peak memory",
        unit="B",
        read=_field("peak_memory_bytes"),
        words=byte_size,
    ),
    Metric(
        key="training_flops",
        title="Training compute spent",
        column="Training spent",
        unit="FLOP",
        read=_field("training_flops"),
        words=flops,
    ),
)
"""In the order in which they are sent; the training FLOPs last, as the mark of a whole report."""

METRIC: Mapping[str, Metric] = {metric.key: metric for metric in METRICS}

OBJECTIVES: tuple[str, ...] = tuple(metric.key for metric in METRICS if metric.direction)
"""What a sweep may optimise."""

QUALITY: frozenset[str] = frozenset(m.key for m in METRICS if m.role is Role.QUALITY)
"""Objectives that say how well puzzles are solved; all others are costs."""


def direction(objective: str) -> Direction:
    """Which way an objective is better."""
    found = METRIC[objective].direction
    assert found is not None, f"{objective} is no objective"
    return found


def measured(progress: Progress) -> dict[str, float]:
    """Every metric that a report has, by key."""
    values = {metric.key: metric.read(progress) for metric in METRICS}
    return {key: value for key, value in values.items() if value is not None}


def objective_values(
    objectives: tuple[str, ...], progress: Progress, costs: Mapping[str, float]
) -> tuple[float, ...]:
    """The objectives at a report, of a trial whose `costs` were known before it started."""
    known = {**costs, **measured(progress)}
    return tuple(float(known[name]) for name in objectives)
