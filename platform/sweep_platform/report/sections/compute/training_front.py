"""The section on what each training budget bought, and with which knobs, with its chart."""

from collections.abc import Iterator, Sequence

import altair as alt

from hrm.charts import BLUE, GREY, chart_of, compute_axis
from puzzle_datasets.common.text import flops
from sweep_platform.report import blocks, parts, tables
from sweep_platform.report.analysis.compute.training_front import (
    FEWEST,
    Buy,
    Tendency,
    tendencies,
    training_front,
    varies_budget,
)
from sweep_platform.report.analysis.points import final_points
from sweep_platform.spec.settings import BUDGET_KNOB
from sweep_platform.store.summary import SweepSummary


def training_front_section(sweep: SweepSummary) -> Iterator[blocks.Block | blocks.Missing]:
    """The best of each training budget, where that is a knob, and how knobs move along them."""
    if not varies_budget(sweep):
        return
    front = training_front(sweep.complete)
    if not front:
        yield blocks.Missing("No front of training compute: no complete trial solves a puzzle.")
        return
    yield blocks.Heading("What training compute buys")
    yield blocks.Figure(
        "training-front",
        "Share of test puzzles solved against the training FLOPs of a replicate.",
        training_front_chart(sweep, front),
    )
    yield tables.table("training-front", _columns(sweep), front)
    yield blocks.Paragraph(
        "Complete trials that no other beats in accuracy and training compute, each after a "
        "training of its own whose schedule ends with its budget. They were picked by the "
        "accuracies that they show, which flatters them."
    )
    moved = tendencies(front)
    if moved:
        yield blocks.Bullets(tuple(_said(one) for one in moved))
    else:
        yield blocks.Missing(
            f"No tendency of knobs along training compute: it takes {FEWEST} trials on the front."
        )


def _columns(sweep: SweepSummary) -> tuple[tables.Column[Buy], ...]:
    names = [name for name in sweep.record.spec["space"] if name != BUDGET_KNOB]
    return (
        tables.metric("training_flops", lambda one: one.training_flops, "Planned"),
        tables.number("Trial", lambda one: one.trial.number),
        tables.solved(lambda one: one.point),
        *(_knob(name) for name in names),
        tables.metric("inference_flops", lambda one: one.point.inference_flops),
    )


def _knob(name: str) -> tables.Column[Buy]:
    return tables.knob(name, lambda one: one.trial.knobs.get(name))


def _said(one: Tendency) -> str:
    return (
        f"For ten times the training compute the best {one.knob} is {one.factor:.2g} times as "
        "large, by the median slope along the front."
    )


def training_front_chart(sweep: SweepSummary, front: Sequence[Buy]) -> parts.Spec:
    """Every complete trial, and those of the front joined by steps."""
    best = {one.trial.number for one in front}
    rows = [
        {
            "flops": trial.record.lineage_flops,
            "accuracy": point.exact_accuracy,
            "trial": trial.number,
            "spent": flops(trial.record.lineage_flops),
            "best": trial.number in best,
        }
        for trial, point in final_points(sweep.complete)
    ]
    y = parts.accuracy_axis([point.exact_accuracy for _, point in final_points(sweep.complete)])
    x = compute_axis(parts.axis_title(BUDGET_KNOB, "of a replicate", "log scale"))
    base = chart_of(rows).encode(x=x, y=y)
    shown = [alt.Tooltip("trial:N", title="Trial"), alt.Tooltip("spent:N", title="Training")]
    steps = base.transform_filter(alt.datum.best).mark_line(
        interpolate="step-after", color=BLUE, strokeWidth=2
    )
    marks = base.mark_point(filled=True, size=45, opacity=1).encode(
        color=alt.condition(alt.datum.best, alt.value(BLUE), alt.value(GREY)), tooltip=shown
    )
    note = "A point a complete trial; blue: no other solves as many for less."
    return parts.finished(
        alt.layer(steps, marks), "What training compute buys", note, **parts.WIDE
    )
