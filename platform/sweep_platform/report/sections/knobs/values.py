"""The section on the knobs, and its chart: a strip of trials for each value of each knob."""

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import altair as alt

from hrm.charts import VERMILION, chart_of
from puzzle_datasets.common.text import flops
from sweep_platform.report import blocks, parts, tables, wording
from sweep_platform.report.analysis.difference import Unknown
from sweep_platform.report.analysis.knobs.marginals import Marginal, marginals
from sweep_platform.report.analysis.points import KnobValue, final_points, knob_names, knob_values
from sweep_platform.store.summary import SweepSummary

_COLUMNS: tuple[tables.Column[KnobValue], ...] = (
    tables.Column("Knob", lambda row: row.knob, words=True),
    tables.knob("Value", lambda row: row.value),
    tables.number("Trials", lambda row: row.trials),
    tables.metric("exact_accuracy", lambda row: row.median_accuracy, "Median {}"),
    tables.metric("exact_accuracy", lambda row: row.best_accuracy, "Best"),
    tables.metric("inference_flops", lambda row: row.median_inference_flops, "Median {}"),
)


def knobs_section(sweep: SweepSummary) -> Iterator[blocks.Block]:
    """The complete trials by the value of each knob, where there are any."""
    rows = knob_values(sweep.complete)
    if not rows:
        return
    yield blocks.Heading("Knobs")
    yield blocks.Paragraph(
        f"Complete trials by the value of each knob ({len(sweep.complete)} in all), after all "
        "their segments; a trial whose model has no use for a knob is left out of it. This is "
        "association, not effect: the knobs varied together, the "
        "search may have tried promising values more often, several knobs change the compute as "
        "well, and few trials share a value. To claim an effect, vary one knob at equal FLOPs "
        "over several seeds."
    )
    words = "Accuracy by the value of each knob; the bar is the median."
    yield blocks.Figure("knobs", words, knobs_chart(sweep))
    yield tables.table("knobs", _COLUMNS, rows)


def means_section(sweep: SweepSummary) -> Iterator[blocks.Block | blocks.Missing]:
    """The mean accuracy at each value of each knob, after equal training."""
    found = marginals(sweep)
    if isinstance(found, Unknown):
        yield blocks.Missing(found.reason)
        return
    yield blocks.Heading("Means by value after equal training")
    yield tables.table("means", _MEANS, found.values)
    tuned = f" Of {', '.join(found.tuned)} each setting has its best value." if found.tuned else ""
    yield blocks.Paragraph(
        f"Means over complete trials, after {flops(found.training_flops)} of each replicate's "
        f"training, in brackets 95 % intervals over seeds and tasks.{tuned} Where the settings of "
        "the other knobs are not the same at all values, a difference may be one of these."
    )


_MEANS: tuple[tables.Column[Marginal], ...] = (
    tables.Column("Knob", attrgetter("knob"), words=True),
    tables.knob("Value", attrgetter("value")),
    tables.difference("Mean solved", attrgetter("accuracy"), wording.estimate),
    tables.number("Settings of the others", attrgetter("points"), key="settings"),
    tables.Column(
        "The same at all values",
        lambda one: "yes" if one.balanced else "no",
        data={"balanced": attrgetter("balanced")},
    ),
)


def knobs_chart(sweep: SweepSummary) -> parts.Spec:
    """The complete trials' accuracy by the value of each knob."""
    names = knob_names(trial.knobs for trial in sweep.complete)
    panels = [_strip(sweep, name, titled=name == names[0]) for name in names]
    note = "Complete trials after all segments, equal ones side by side. Bar: median."
    strips = alt.concat(*panels, columns=4, spacing=14).resolve_scale(xOffset="independent")
    return parts.finished(strips, "Accuracy by the value of each knob", note)


def _strip(sweep: SweepSummary, name: str, *, titled: bool) -> Any:
    rows = _rows(sweep, name)
    words = any(isinstance(fields["value"], str) for fields in rows)
    # Numbers that were drawn have many digits, of which no more than these have room.
    drawn = not words and any(isinstance(fields["value"], float) for fields in rows)
    short: dict[str, Any] = {"format": ".3~g", "formatType": "number"} if drawn else {}
    axis = alt.Axis(labelAngle=-35 if words else 0, labelOverlap=True, **short)
    y = parts.accuracy_axis((fields["accuracy"] for fields in rows), titled=titled)
    base = chart_of(rows).encode(x=alt.X("value:O", title=name, axis=axis), y=y)
    widest = max(2.0, *(abs(fields["aside"]) for fields in rows)) + 0.5
    circles = base.mark_circle(size=60, opacity=0.9).encode(
        xOffset=alt.XOffset("aside:Q", scale=alt.Scale(domain=[-widest, widest])),
        color=alt.Color(
            "flops:Q",
            title=parts.axis_title("inference_flops"),
            scale=alt.Scale(type="log", scheme="viridis"),
            legend=alt.Legend(format=".3~s", gradientLength=220, tickCount=3, titleLimit=320),
        ),
        tooltip=parts.tooltip(),
    )
    bars = base.mark_tick(thickness=3, size=30, color=VERMILION).encode(y="median(accuracy):Q")
    return alt.layer(bars, circles).properties(width=165, height=260)


def _rows(sweep: SweepSummary, name: str) -> list[parts.Spec]:
    """The complete trials' final points; equal ones are set aside so that none hides another."""
    groups: dict[tuple[str, float], list[parts.Spec]] = {}
    for trial, point in final_points(sweep.complete):
        if name in trial.knobs:
            fields = {**parts.row(trial, point), "value": parts.chart_value(trial.knobs[name])}
            groups.setdefault((str(fields["value"]), point.exact_accuracy), []).append(fields)
    return [
        {**fields, "aside": index - (len(group) - 1) / 2}
        for group in groups.values()
        for index, fields in enumerate(group)
    ]
