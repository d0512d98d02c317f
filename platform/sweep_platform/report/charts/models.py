"""The chart that compares models: the accuracy-compute front of each."""

from typing import Any

import altair as alt

from hrm.charts import BLUE, GREEN, ORANGE, PINK, VERMILION, chart_of, heading
from hrm.models import MODELS
from sweep_platform.report.analysis.front import compared_models, points, trials_front
from sweep_platform.report.charts import parts
from sweep_platform.report.charts.parts import Spec
from sweep_platform.store.summary import SweepSummary

_COLOURS = (BLUE, ORANGE, GREEN, PINK, VERMILION)
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
"""Of `MODELS`, in their order; a model's colour is the same in every report."""


def models_chart(sweep: SweepSummary) -> Spec:
    """Every point of the complete trials, in the colour and shape of its model."""
    rows = _rows(sweep)
    base = chart_of(rows).encode(
        x=parts.inference_axis(),
        y=parts.accuracy_axis(parts.highest(rows)),
        color=_scaled(alt.Color, sweep, _COLOURS),
    )
    steps = base.transform_filter(alt.datum.best).mark_line(
        interpolate="step-after", strokeWidth=2
    )
    marks = base.mark_point(filled=True, size=70).encode(
        shape=_scaled(alt.Shape, sweep, _SHAPES),
        opacity=alt.Opacity(
            "best:N", legend=None, scale=alt.Scale(domain=[True, False], range=[1, 0.4])
        ),
        tooltip=parts.tooltip(),
    )
    note = "Line: the front of one model. Faint: points beside their model's front."
    drawn = alt.layer(steps, marks).properties(
        width=parts.WIDTH,
        height=parts.HEIGHT,
        title=heading("Accuracy-compute front of each model", note),
    )
    return parts.finished(drawn)


def _rows(sweep: SweepSummary) -> list[Spec]:
    return [
        {**parts.row(trial, point), "best": point in best}
        for trials in compared_models(sweep).values()
        for best in [set(trials_front(trials))]
        for trial in trials
        for point in points(trial)
    ]


def _scaled(channel: Any, sweep: SweepSummary, values: tuple[str, ...]) -> Any:
    known = dict(zip(MODELS, values, strict=True))
    names = [name for name in MODELS if compared_models(sweep).get(name)]
    scale = alt.Scale(domain=names, range=[known[name] for name in names])
    return channel("model:N", title=None, scale=scale)
