"""The chart of the accuracy-compute front."""

from typing import Any

import altair as alt

from hrm.charts import BLUE, GREY, SKY, chart_of, heading
from sweep_platform.report.analysis.front import points, trials_front
from sweep_platform.report.charts import parts
from sweep_platform.report.charts.parts import Spec
from sweep_platform.store.summary import SweepSummary

FRONT = "on the front"
_KINDS = [FRONT, parts.COMPLETE, parts.OTHER]


def front_chart(sweep: SweepSummary) -> Spec:
    """Every point of every trial, those on the front joined and with their intervals.

    States differ in shape as well as in colour.
    """
    rows = _rows(sweep)
    top = max(float(fields["high" if fields["kind"] == FRONT else "accuracy"]) for fields in rows)
    x, y = parts.inference_axis(), parts.accuracy_axis(top)
    base = chart_of(rows).encode(x=x, y=y)
    best = base.transform_filter(alt.datum.kind == FRONT)
    steps = best.mark_line(interpolate="step-after", color=BLUE, strokeWidth=2)
    intervals = best.mark_rule(color=BLUE, opacity=0.3).encode(y="low:Q", y2="high:Q")
    names = parts.labels([fields for fields in rows if fields["kind"] == FRONT], "#{trial} M{M}")
    note = "Label: trial and segments M. Upright line: 95 % interval."
    drawn = alt.layer(intervals, steps, _marks(base), names.encode(x=x, y=y)).properties(
        width=parts.WIDTH, height=parts.HEIGHT, title=heading("Accuracy-compute front", note)
    )
    return parts.finished(drawn)


def _rows(sweep: SweepSummary) -> list[Spec]:
    """Every point of every trial; those on the front come last, so that none covers them."""
    best = set(trials_front(sweep.complete))
    rows = [
        parts.row(trial, point) | ({"kind": FRONT} if point in best else {})
        for trial in sweep.trials
        for point in points(trial)
    ]
    return sorted(rows, key=lambda fields: -_KINDS.index(fields["kind"]))


def _marks(base: alt.Chart) -> Any:
    def by_kind(values: list[Any]) -> alt.Scale:
        return alt.Scale(domain=_KINDS, range=values)

    return base.mark_point(filled=True, opacity=1).encode(
        color=alt.Color("kind:N", title=None, scale=by_kind([BLUE, SKY, GREY])),
        shape=alt.Shape("kind:N", title=None, scale=by_kind(["circle", "circle", "cross"])),
        size=alt.Size("kind:N", title=None, scale=by_kind([95, 45, 45])),
        tooltip=parts.tooltip(),
    )
