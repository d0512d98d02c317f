"""What the report's charts share: the data behind their points, axes, titles and looks.

Fields have our names, never a knob's, so that no knob's name is read as a path into the data.
Importing this module loads Altair.
"""

from typing import Any

import altair as alt

from puzzle_datasets.common.text import flops
from sweep_platform.common.text import knobs
from sweep_platform.report import wording
from sweep_platform.report.analysis.front import Point
from sweep_platform.store.summary import TrialSummary

Spec = dict[str, Any]
WIDTH, HEIGHT = 680, 380
COMPLETE, OTHER = "complete trial", "not complete"
INFERENCE = "Inference compute per puzzle (FLOP, log scale)"


def chart(rows: list[Spec]) -> alt.Chart:
    """An empty chart of these rows, which travel inside its specification."""
    return alt.Chart(alt.InlineData(values=rows))


def row(trial: TrialSummary, point: Point) -> Spec:
    """One point of a trial, with all that its tooltip tells."""
    low, high = point.interval
    return {
        "trial": trial.number,
        "values": _values(trial),
        "knobs": knobs(trial.knobs),
        "model": trial.model,
        "state": str(trial.state),
        "kind": COMPLETE if trial.complete else OTHER,
        "M": point.segments,
        "flops": point.inference_flops,
        "cost": f"{flops(point.inference_flops)} per puzzle",
        "accuracy": point.exact_accuracy,
        "solved": wording.accuracy(point),
        "low": low,
        "high": high,
    }


def _values(trial: TrialSummary) -> Spec:
    """What the reader may colour by; a knob without effect has no value."""
    known = {name: shown_value(value) for name, value in trial.knobs.items()}
    return {
        **dict.fromkeys(trial.record.inactive, wording.NOTHING),
        **known,
        "trial": trial.number,
    }


def shown_value(value: Any) -> Any:
    """A knob's value as a chart takes it: numbers as they are, all else as words."""
    return value if isinstance(value, int | float) else wording.value(value)


def tooltip() -> list[alt.Tooltip]:
    """The fields of `row` that a reader asks about when pointing at a mark."""
    fields = {
        "trial": "Trial",
        "knobs": "Knobs",
        "M": "Segments M",
        "state": "State",
        "solved": "Solved",
        "cost": "Compute",
    }
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in fields.items()]


def compute_axis(title: str, *, log: bool) -> alt.X:
    """FLOPs from left to right, their ticks written as 10M or 2G."""
    scale = alt.Scale(type="log", nice=False, padding=60) if log else alt.Scale(zero=True)
    axis = alt.Axis(format="~s", labelOverlap="greedy", labelSeparation=8, tickCount=8, grid=False)
    return alt.X("flops:Q", title=title, scale=scale, axis=axis)


def accuracy_axis(top: float, title: str | None = "Test puzzles solved exactly") -> alt.Y:
    """Exact accuracy from zero to `top`, or to a tenth where `top` is less."""
    scale = alt.Scale(domain=[0, max(1.03 * top, 0.1)], nice=False)
    axis = alt.Axis(format="~%", tickCount=6)
    return alt.Y("accuracy:Q", title=title, axis=axis, scale=scale)


def title(text: str | alt.ExprRef, note: str) -> alt.TitleParams:
    """A chart's title with a line on how to read it."""
    return alt.TitleParams(
        text, subtitle=note, subtitleColor="#555555", subtitlePadding=5, subtitleFontSize=12
    )


def styled(drawn: Any) -> Spec:
    """A chart's specification in the report's looks."""
    text: dict[str, Any] = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
    spec: Spec = drawn.configure(
        font="sans-serif",
        axis=alt.AxisConfig(gridColor="#ECECEC", domainColor="#888888", **text),
        legend=alt.LegendConfig(orient="top", labelLimit=320, columnPadding=14, **text),
        view=alt.ViewConfig(stroke=None),
        title=alt.TitleConfig(anchor="start", fontSize=15, offset=12),
    ).to_dict()
    del spec["$schema"]
    return spec
