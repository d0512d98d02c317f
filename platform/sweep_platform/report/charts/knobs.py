"""The chart of the knobs: a strip of trials for each value of each knob."""

from typing import Any

import altair as alt

from hrm.charts import VERMILION, chart_of, heading
from sweep_platform.report.analysis.front import final_point
from sweep_platform.report.analysis.knobs import knob_names
from sweep_platform.report.charts import parts
from sweep_platform.report.charts.parts import Spec
from sweep_platform.store.summary import SweepSummary


def knobs_chart(sweep: SweepSummary) -> Spec:
    """The complete trials' accuracy by the value of each knob."""
    names = knob_names(trial.knobs for trial in sweep.complete)
    panels = [_strip(sweep, name, titled=name == names[0]) for name in names]
    note = "Complete trials after all segments, equal ones side by side. Bar: median."
    strips = alt.concat(*panels, columns=4, spacing=14).resolve_scale(xOffset="independent")
    return parts.finished(
        strips.properties(title=heading("Accuracy by the value of each knob", note))
    )


def _strip(sweep: SweepSummary, name: str, *, titled: bool) -> Any:
    rows = _rows(sweep, name)
    words = any(isinstance(fields["value"], str) for fields in rows)
    axis = alt.Axis(labelAngle=-35 if words else 0)
    y = parts.accuracy_axis(parts.highest(rows), titled=titled)
    base = chart_of(rows).encode(x=alt.X("value:O", title=name, axis=axis), y=y)
    widest = max(2.0, *(abs(fields["aside"]) for fields in rows)) + 0.5
    circles = base.mark_circle(size=60, opacity=0.9).encode(
        xOffset=alt.XOffset("aside:Q", scale=alt.Scale(domain=[-widest, widest])),
        color=alt.Color(
            "flops:Q",
            title=parts.axis_title("inference_flops"),
            scale=alt.Scale(type="log", scheme="viridis"),
            legend=alt.Legend(format="~s", gradientLength=220, tickCount=3, titleLimit=320),
        ),
        tooltip=parts.tooltip(),
    )
    bars = base.mark_tick(thickness=3, size=30, color=VERMILION).encode(y="median(accuracy):Q")
    return alt.layer(bars, circles).properties(width=165, height=260)


def _rows(sweep: SweepSummary, name: str) -> list[Spec]:
    """The complete trials' final points; equal ones are set aside so that none hides another."""
    groups: dict[tuple[str, float], list[Spec]] = {}
    for trial in sweep.complete:
        point = final_point(trial)
        if point and name in trial.knobs:
            fields = {**parts.row(trial, point), "value": parts.chart_value(trial.knobs[name])}
            groups.setdefault((str(fields["value"]), point.exact_accuracy), []).append(fields)
    return [
        {**fields, "aside": index - (len(group) - 1) / 2}
        for group in groups.values()
        for index, fields in enumerate(group)
    ]
