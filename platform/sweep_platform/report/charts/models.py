"""The chart that compares models: the accuracy-compute front of each. Loads Altair."""

from typing import Any

import altair as alt

from hrm.models import MODELS
from sweep_platform.report.analysis.front import points, trials_front
from sweep_platform.report.charts.parts import (
    HEIGHT,
    INFERENCE,
    WIDTH,
    Spec,
    accuracy_axis,
    chart,
    compute_axis,
    row,
    title,
    tooltip,
)
from sweep_platform.report.sections.models import compared
from sweep_platform.store.summary import SweepSummary

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00")
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
"""Of `MODELS`, in their order; a model's colour is the same in every report."""


def models_chart(sweep: SweepSummary) -> Any:
    """Every point of the complete trials, in the colour and shape of its model."""
    rows = _rows(sweep)
    x = compute_axis(INFERENCE, log=True)
    y = accuracy_axis(max(fields["accuracy"] for fields in rows))
    base = chart(rows).encode(x=x, y=y, color=_scaled(alt.Color, sweep, _COLOURS))
    steps = base.transform_filter(alt.datum.best).mark_line(
        interpolate="step-after", strokeWidth=2
    )
    marks = base.mark_point(filled=True, size=70).encode(
        shape=_scaled(alt.Shape, sweep, _SHAPES),
        opacity=alt.Opacity(
            "best:N", legend=None, scale=alt.Scale(domain=[True, False], range=[1, 0.4])
        ),
        tooltip=tooltip(),
    )
    note = "Line: the front of one model. Faint: points beside their model's front."
    return alt.layer(steps, marks).properties(
        width=WIDTH, height=HEIGHT, title=title("Accuracy-compute front of each model", note)
    )


def _rows(sweep: SweepSummary) -> list[Spec]:
    return [
        {**row(trial, point), "best": point in best}
        for trials in compared(sweep).values()
        for best in [set(trials_front(trials))]
        for trial in trials
        for point in points(trial)
    ]


def _scaled(channel: Any, sweep: SweepSummary, looks: tuple[str, ...]) -> Any:
    known = dict(zip(MODELS, looks, strict=True))
    names = [name for name in MODELS if compared(sweep).get(name)]
    scale = alt.Scale(domain=names, range=[known[name] for name in names])
    return channel("model:N", title=None, scale=scale)
