"""The section on how accuracy scales with compute: fitted curves, and what a target would need."""

from collections.abc import Iterator, Sequence

import altair as alt

from hrm.charts import BLUE, VERMILION, chart_of, compute_axis
from puzzle_datasets.common.text import flops, percent
from sweep_platform.report import blocks, parts
from sweep_platform.report.analysis.compute.scaling import (
    Scaling,
    inference_scaling,
    training_scaling,
)
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.analysis.points import best_trial
from sweep_platform.spec.metrics import METRIC
from sweep_platform.store.summary import SweepSummary


def scaling_section(sweep: SweepSummary) -> Iterator[blocks.Block | blocks.Missing]:
    """Accuracy against the training of the best trial, and against inference along the front."""
    trial = best_trial(sweep.complete)
    if trial is None or trial.final is None:
        yield blocks.Missing("No scaling curve: no complete trial was evaluated.")
        return
    reached = trial.final.exact_accuracy[-1]
    target = target_above(sweep.record.spec.get("targets", ()), reached)
    if target is None:
        yield blocks.Missing("No scaling curve: all puzzles are solved, or all but a few.")
        return
    asked = (
        ("training_flops", f"Training of trial {trial.number}", training_scaling(trial, target)),
        ("inference_flops", "Inference along the front", inference_scaling(sweep, target)),
    )
    for _, name, one in asked:
        if isinstance(one, Unknown):
            yield blocks.Missing(f"{name}: {one.reason}")
    found = [(key, name, one) for key, name, one in asked if isinstance(one, Scaling)]
    if not found:
        return
    yield blocks.Heading("How accuracy scales with compute")
    for key, name, one in found:
        stem = f"scaling-{key.removesuffix('_flops')}"
        yield blocks.Figure(
            stem, f"{name}: accuracy against FLOPs.", scaling_chart(key, name, one)
        )
    yield blocks.Bullets(tuple(_needed(name, one) for _, name, one in found))
    yield blocks.Paragraph(
        "A logistic curve in log FLOPs, fitted to each seed alone; bands and brackets are 95 % "
        "intervals over seeds on these puzzles. The front was picked by the accuracies that it "
        "shows, which flatters its curve."
    )


def target_above(targets: Sequence[float], reached: float) -> float | None:
    """The next of these accuracies above what was reached, or of tenths; None above 99 %."""
    tenth = min(0.99, (int(10 * reached + 1e-9) + 1) / 10)
    return min((one for one in (*targets, tenth) if one > reached), default=None)


def _needed(name: str, one: Scaling) -> str:
    if isinstance(one.needed, Unknown):
        return f"{name}: {one.needed.reason}"
    low, high = flops(one.needed.low), flops(one.needed.high)
    return (
        f"{name}: {percent(one.target)} would need {flops(one.needed.value)} [{low}, {high}]; the "
        f"curve nears {percent(one.limit)} over {one.seeds} seeds."
    )


def scaling_chart(key: str, name: str, one: Scaling) -> parts.Spec:
    """The fitted curve and its band, over what was measured."""
    rows = [
        {"flops": spent, "accuracy": at.value, "low": max(0.0, at.low), "high": min(1.0, at.high)}
        for spent, at in zip(one.flops, one.accuracy, strict=True)
    ]
    x = compute_axis(parts.axis_title(key, "log scale"))
    points = [{"flops": spent, "accuracy": share} for spent, share in one.measured]
    shown = [fields["high"] for fields in rows] + [fields["accuracy"] for fields in points]
    y = parts.accuracy_axis(shown)
    base = chart_of(rows).encode(x=x)
    band = base.mark_area(color=BLUE, opacity=0.2).encode(
        y=alt.Y("low:Q", title=METRIC["exact_accuracy"].title), y2="high:Q"
    )
    line = base.mark_line(color=BLUE, strokeWidth=2).encode(y=y)
    found = chart_of(points).mark_point(color=VERMILION, size=40).encode(x=x, y=y)
    note = "Ring: measured, of one seed. Line: fitted. Band: 95 % interval over seeds."
    return parts.finished(alt.layer(line, band, found), name, note, **parts.WIDE)
