"""The report's charts as Vega-Lite specifications. Importing this module loads Altair.

Colours tell apart for the colour-blind (Okabe and Ito's palette; viridis for ordered values), and
no trial's standing is told by colour alone.
"""

from typing import Any

import altair as alt

from puzzle_datasets.common.text import flops
from sweep_platform.report import wording
from sweep_platform.report.analysis.front import (
    curve_points,
    final_point,
    knob_names,
    points,
    trials_front,
)
from sweep_platform.report.charts.models import models_chart
from sweep_platform.report.charts.parts import (
    COMPLETE,
    HEIGHT,
    INFERENCE,
    OTHER,
    WIDTH,
    Spec,
    accuracy_axis,
    chart,
    compute_axis,
    row,
    shown_value,
    styled,
    title,
    tooltip,
)
from sweep_platform.report.sections.models import compared
from sweep_platform.store.summary import SweepSummary, TrialSummary

BLUE, SKY, GREY = "#0072B2", "#56B4E9", "#9A9A9A"
FRONT = "on the front"


def draw(sweep: SweepSummary) -> dict[str, Spec]:
    """Every chart there is data for, by name: front, models, curves, training, knobs."""
    drawn: dict[str, Any] = {}
    if any(trial.final for trial in sweep.trials):
        drawn["front"] = _front(sweep)
        if compared(sweep):
            drawn["models"] = models_chart(sweep)
        drawn["curves"] = _curves(sweep)
        drawn["training"] = _training(sweep)
    if sweep.complete:
        drawn["knobs"] = _knobs(sweep)
    return {name: styled(one) for name, one in drawn.items()}


def _front(sweep: SweepSummary) -> Any:
    rows = _placed(sweep)
    reach = [fields["high" if fields["kind"] == FRONT else "accuracy"] for fields in rows]
    x, y = compute_axis(INFERENCE, log=True), accuracy_axis(max(reach))
    base = chart(rows).encode(x=x, y=y)
    top = base.transform_filter(alt.datum.kind == FRONT)
    steps = top.mark_line(interpolate="step-after", color=BLUE, strokeWidth=2)
    intervals = top.mark_rule(color=BLUE, opacity=0.3).encode(y="low:Q", y2="high:Q")
    labels = _labels([fields for fields in rows if fields["kind"] == FRONT], "#{trial} M{M}")
    note = "Label: trial and segments M. Upright line: 95 % interval."
    return alt.layer(intervals, steps, _marks(base), labels.encode(x=x, y=y)).properties(
        width=WIDTH, height=HEIGHT, title=title("Accuracy-compute front", note)
    )


def _placed(sweep: SweepSummary) -> list[Spec]:
    """Every point of every trial; those on the front come last, so that none covers them."""
    best = set(trials_front(sweep.complete))
    rows = [
        row(trial, point) | ({"kind": FRONT} if point in best else {})
        for trial in sweep.trials
        for point in points(trial)
    ]
    return sorted(rows, key=lambda fields: -_KINDS.index(fields["kind"]))


_KINDS = [FRONT, COMPLETE, OTHER]


def _labels(rows: list[Spec], name: str) -> Any:
    """The points' names; where points fall together, the first and how many more there are."""
    places: dict[tuple[int, float], list[str]] = {}
    for fields in rows:
        place = fields["flops"], fields["accuracy"]
        places.setdefault(place, []).append(name.format_map(fields))
    named = [
        {
            "flops": place[0],
            "accuracy": place[1],
            "label": first + (f" +{len(more)}" if more else ""),
        }
        for place, (first, *more) in places.items()
    ]
    text = chart(named).mark_text(align="right", dx=-6, dy=-8, fontSize=11, color="#00507D")
    return text.encode(text="label:N")


def _marks(base: alt.Chart) -> Any:
    def by_kind(values: list[Any]) -> alt.Scale:
        return alt.Scale(domain=_KINDS, range=values)

    return base.mark_point(filled=True, opacity=1).encode(
        color=alt.Color("kind:N", title=None, scale=by_kind([BLUE, SKY, GREY])),
        shape=alt.Shape("kind:N", title=None, scale=by_kind(["circle", "circle", "cross"])),
        size=alt.Size("kind:N", title=None, scale=by_kind([95, 45, 45])),
        tooltip=tooltip(),
    )


def _curves(sweep: SweepSummary) -> Any:
    rows = [row(trial, point) for trial in sweep.trials for point in points(trial)]
    x = compute_axis(INFERENCE, log=True)
    return _lines(sweep, rows, x, "Each trial after 1 to M_max segments")


def _training(sweep: SweepSummary) -> Any:
    rows = [fields for trial in sweep.trials for fields in _learned(trial)]
    x = compute_axis("Training compute spent (FLOP)", log=False)
    return _lines(sweep, rows, x, "Each trial in the course of its training")


def _learned(trial: TrialSummary) -> list[Spec]:
    return [
        {
            **row(trial, curve_points(trial.number, evaluation.curve)[-1]),
            "flops": evaluation.training_flops,
            "cost": f"{flops(evaluation.training_flops)} of training",
        }
        for evaluation in trial.evaluations
    ]


def _lines(sweep: SweepSummary, rows: list[Spec], x: alt.X, text: str) -> Any:
    """One line per trial, coloured by the knob that the reader chooses."""
    options = [*knob_names(trial.knobs for trial in sweep.trials), "trial"]
    menu = alt.binding_select(options=options, name="Colour by ")
    by = alt.param(name="by", value=_telling(sweep, options), bind=menu)
    hovered = alt.selection_point(name="hovered", on="pointerover", fields=["trial"])
    y = accuracy_axis(max(fields["accuracy"] for fields in rows))
    base = chart(rows).transform_calculate(value="datum.values[by]")
    lines = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=45)).encode(
        x=x,
        y=y,
        detail="trial:N",
        color=alt.Color("value:O", title=None, scale=alt.Scale(scheme="viridis")),
        strokeDash=alt.StrokeDash(
            "kind:N",
            title=None,
            scale=alt.Scale(domain=[COMPLETE, OTHER], range=[[1, 0], [4, 3]]),
        ),
        opacity=alt.when(hovered).then(alt.value(1)).otherwise(alt.value(0.15)),
        tooltip=tooltip(),
    )
    heading = title(
        alt.ExprRef(f"'{text}, coloured by ' + by"),
        "Number: trial on the front. Dashed: less training.",
    )
    labels = _labels(_ends(sweep, rows), "#{trial}").encode(x=x, y=y)
    return alt.layer(lines.add_params(by, hovered), labels).properties(
        width=WIDTH, height=HEIGHT, title=heading
    )


def _ends(sweep: SweepSummary, rows: list[Spec]) -> list[Spec]:
    """The last point of each trial that is on the front."""
    best = {point.trial for point in trials_front(sweep.complete)}
    last = {fields["trial"]: fields for fields in rows if fields["trial"] in best}
    return list(last.values())


def _telling(sweep: SweepSummary, options: list[str]) -> str:
    """The first knob with more than one value; the trial's number if there is none."""
    varied = (
        name
        for name in options[:-1]
        if len({wording.knob(trial.knobs, name) for trial in sweep.trials}) > 1
    )
    return next(varied, options[-1])


def _knobs(sweep: SweepSummary) -> Any:
    names = knob_names(trial.knobs for trial in sweep.complete)
    panels = [_strip(sweep, name, first=name == names[0]) for name in names]
    note = "Complete trials after all segments, equal ones side by side. Bar: median."
    strips = alt.concat(*panels, columns=4, spacing=14).resolve_scale(xOffset="independent")
    return strips.properties(title=title("Accuracy by the value of each knob", note))


def _strip(sweep: SweepSummary, name: str, *, first: bool) -> Any:
    rows = _spread(sweep, name)
    top = max(fields["accuracy"] for fields in rows)
    y = accuracy_axis(top, *(() if first else (None,)))
    words = any(isinstance(fields["value"], str) for fields in rows)
    axis = alt.Axis(labelAngle=-35 if words else 0)
    base = chart(rows).encode(x=alt.X("value:O", title=name, axis=axis), y=y)
    widest = max(2.0, *(abs(fields["aside"]) for fields in rows)) + 0.5
    circles = base.mark_circle(size=60, opacity=0.9).encode(
        xOffset=alt.XOffset("aside:Q", scale=alt.Scale(domain=[-widest, widest])),
        color=alt.Color(
            "flops:Q",
            title="Inference FLOP per puzzle",
            scale=alt.Scale(type="log", scheme="viridis"),
            legend=alt.Legend(format="~s", gradientLength=220, tickCount=3),
        ),
        tooltip=tooltip(),
    )
    bars = base.mark_tick(thickness=3, size=30, color="#D55E00").encode(y="median(accuracy):Q")
    return alt.layer(bars, circles).properties(width=165, height=260)


def _spread(sweep: SweepSummary, name: str) -> list[Spec]:
    """The complete trials' final points; equal ones are set aside so that none hides another."""
    groups: dict[tuple[str, float], list[Spec]] = {}
    for trial in sweep.complete:
        point = final_point(trial)
        if point and name in trial.knobs:
            fields = {**row(trial, point), "value": shown_value(trial.knobs[name])}
            place = str(fields["value"]), point.exact_accuracy
            groups.setdefault(place, []).append(fields)
    return [
        {**fields, "aside": index - (len(group) - 1) / 2}
        for group in groups.values()
        for index, fields in enumerate(group)
    ]
