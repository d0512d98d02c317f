"""Parts that the report's charts share: the data behind their points, axes, labels, tooltips.

Fields have our names, never a knob's, so that no knob's name is read as a path into the data.
"""

from typing import Any

import altair as alt

from hrm.charts import styled
from puzzle_datasets.common.text import flops
from sweep_platform.common.text import knobs
from sweep_platform.report.analysis import wording
from sweep_platform.report.analysis.front import Point
from sweep_platform.spec.metrics import METRIC
from sweep_platform.store.summary import TrialSummary

Spec = dict[str, Any]
WIDTH, HEIGHT = 680, 380
COMPLETE, OTHER = "complete trial", "not complete"


def chart(rows: list[Spec]) -> alt.Chart:
    """An empty chart of these rows, which travel inside its specification."""
    return alt.Chart(alt.InlineData(values=rows))


def row(trial: TrialSummary, point: Point) -> Spec:
    """One point of a trial, with the texts of its tooltip."""
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
        "solved": point.words,
        "low": low,
        "high": high,
    }


def _values(trial: TrialSummary) -> Spec:
    """Values that the reader may colour by; a knob without effect has none."""
    known = {name: chart_value(value) for name, value in trial.knobs.items()}
    inactive = dict.fromkeys(trial.record.inactive, wording.NOTHING)
    return {**inactive, **known, "trial": trial.number}


def chart_value(value: Any) -> Any:
    """A knob's value as a chart takes it: numbers as they are, all else as words."""
    return value if isinstance(value, int | float) else wording.knob_value(value)


def tooltip() -> list[alt.Tooltip]:
    """The fields of `row` that a reader asks about when pointing at a mark."""
    fields = {
        "trial": "Trial",
        "knobs": "Knobs",
        "M": "Segments M",
        "state": "State",
        "solved": METRIC["exact_accuracy"].column,
        "cost": "Compute",
    }
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in fields.items()]


def labels(rows: list[Spec], name: str) -> Any:
    """Names of the points; where points fall together, the first and how many more there are."""
    names: dict[tuple[int, float], list[str]] = {}
    for fields in rows:
        names.setdefault((fields["flops"], fields["accuracy"]), []).append(name.format_map(fields))
    named = [
        {"flops": cost, "accuracy": share, "label": first + (f" +{len(more)}" if more else "")}
        for (cost, share), (first, *more) in names.items()
    ]
    text = chart(named).encode(text="label:N")
    return text.mark_text(align="right", dx=-6, dy=-8, fontSize=11, color="#00507D")


def axis_title(key: str, *notes: str) -> str:
    """A metric's title with its unit: "Inference compute per puzzle (FLOP, log scale)"."""
    metric = METRIC[key]
    return f"{metric.title} ({', '.join([metric.unit, *notes])})"


def inference_axis() -> alt.X:
    """Inference FLOPs per puzzle from left to right, on a log scale."""
    scale = alt.Scale(type="log", nice=False, padding=60)
    return _compute_axis(axis_title("inference_flops", "log scale"), scale)


def training_axis() -> alt.X:
    """Training FLOPs from left to right, from zero."""
    return _compute_axis(axis_title("training_flops"), alt.Scale(zero=True))


def _compute_axis(title: str, scale: alt.Scale) -> alt.X:
    """FLOPs, their ticks written as 10M or 2G."""
    axis = alt.Axis(format="~s", labelOverlap="greedy", labelSeparation=8, tickCount=8, grid=False)
    return alt.X("flops:Q", title=title, scale=scale, axis=axis)


def accuracy_axis(top: float, *, titled: bool = True) -> alt.Y:
    """Exact accuracy from zero to `top`, or to a tenth where `top` is less."""
    scale = alt.Scale(domain=[0, max(1.03 * top, 0.1)], nice=False)
    axis = alt.Axis(format="~%", tickCount=6)
    title = METRIC["exact_accuracy"].title if titled else None
    return alt.Y("accuracy:Q", title=title, axis=axis, scale=scale)


def highest(rows: list[Spec]) -> float:
    """The greatest accuracy in the rows."""
    return max(float(fields["accuracy"]) for fields in rows)


def title(text: str | alt.ExprRef, note: str) -> alt.TitleParams:
    """A chart's title with a line on how to read it."""
    return alt.TitleParams(text, subtitle=note, subtitlePadding=5)


def finished(drawn: Any) -> Spec:
    """A chart's specification in the look that all our charts share."""
    spec: Spec = styled(drawn, orient="top", columnPadding=14).to_dict()
    del spec["$schema"]
    return spec
