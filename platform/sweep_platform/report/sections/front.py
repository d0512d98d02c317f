"""The section on the accuracy-compute front, and its chart."""

from collections.abc import Iterator
from typing import Any

import altair as alt

from hrm.charts import BLUE, GREY, SKY, VERMILION, chart_of
from puzzle_datasets.common.text import percent
from sweep_platform.common.text import knobs
from sweep_platform.report import blocks, parts, tables
from sweep_platform.report.analysis.intervals import interval_of
from sweep_platform.report.analysis.points import Point, points, trials_front
from sweep_platform.report.published import published_set
from sweep_platform.spec.metrics import METRIC
from sweep_platform.store.summary import SweepSummary

FRONT = "on the front"
_KINDS = [FRONT, parts.COMPLETE, parts.OTHER]


def front_section(sweep: SweepSummary) -> Iterator[blocks.Block]:
    """Every trial's accuracy after each number of segments, and the points of the front."""
    yield blocks.Heading("Accuracy against compute")
    if not sweep.evaluated:
        yield blocks.Paragraph("No trial has been evaluated yet.")
        return
    yield blocks.Paragraph(
        "Each point is a trial read after M segments, from 1 to its M_max, at its last "
        "evaluation. The front holds the points of complete trials for which no other solves "
        "as many puzzles for fewer FLOPs or more for as many. Points that solve nothing are "
        "left out of it."
    )
    words = "Share of test puzzles solved against inference FLOPs per puzzle."
    yield blocks.Figure("front", words, front_chart(sweep))
    named = {trial.number: knobs(trial.knobs) for trial in sweep.trials}
    columns: tuple[tables.Column[Point], ...] = (
        tables.number("Trial", lambda point: point.trial),
        tables.number("Segments M", lambda point: point.segments),
        tables.Column("Knobs", lambda point: named[point.trial], words=True),
        tables.solved(lambda point: point),
        tables.interval(lambda point: interval_of(sweep, point)),
        tables.metric("inference_flops", lambda point: point.inference_flops),
    )
    yield from _published(sweep)
    if best := trials_front(sweep.complete):
        yield tables.table("front", columns, best)
        yield blocks.Paragraph(
            "Intervals are over seeds and tasks where a trial has three seeds or more, else "
            "Wilson's over puzzles, or over tasks where several views or pairs of one are tested."
        )
    else:
        yield blocks.Paragraph("The front is empty: no complete trial has solved a puzzle.")


def front_chart(sweep: SweepSummary) -> parts.Spec:
    """Every point of every trial, those on the front joined and with their intervals.

    States differ in shape as well as in colour.
    """
    rows, marks = _rows(sweep), _marks_of_others(sweep)
    shown = [fields["high" if fields["kind"] == FRONT else "accuracy"] for fields in rows]
    shown += [fields["accuracy"] for fields in marks]
    x, y = parts.inference_axis(), parts.accuracy_axis(shown)
    base = chart_of(rows).encode(x=x, y=y)
    best = base.transform_filter(alt.datum.kind == FRONT)
    steps = best.mark_line(interpolate="step-after", color=BLUE, strokeWidth=2)
    intervals = best.mark_rule(color=BLUE, opacity=0.3).encode(y="low:Q", y2="high:Q")
    names = parts.labels([fields for fields in rows if fields["kind"] == FRONT], "#{trial} M{M}")
    note = "Label: trial and segments M. Upright line: 95 % interval."
    layers = [intervals, steps, _marks(base), names.encode(x=x, y=y)]
    if marks:
        note += " Dotted: published, at an unknown compute."
        layers += _lines(marks, y)
    drawn = alt.layer(*layers)
    return parts.finished(drawn, "Accuracy-compute front", note, **parts.WIDE)


def _marks_of_others(sweep: SweepSummary) -> list[parts.Spec]:
    """Heights of published results of the chart's own measure; equal ones share a label."""
    found = published_set(sweep)
    if found is None or found.metric != "exact_accuracy":
        return []
    methods: dict[float, list[str]] = {}
    for one in found.results:
        methods.setdefault(one.share, []).append(one.method)
    return [
        {"accuracy": share, "label": f"{'; '.join(names)}: {percent(share)}"}
        for share, names in methods.items()
    ]


def _lines(marks: list[parts.Spec], y: alt.Y) -> list[Any]:
    base = chart_of(marks).encode(y=y)
    text = base.mark_text(align="left", dx=4, dy=-6, color=VERMILION, fontSize=11)
    return [
        base.mark_rule(color=VERMILION, strokeDash=[2, 3]),
        text.encode(text="label:N", x=alt.value(0)),
    ]


def _published(sweep: SweepSummary) -> Iterator[blocks.Block]:
    """What others published on the same puzzles, where these are the same."""
    found = published_set(sweep)
    if found is None:
        return
    name = METRIC[found.metric].column
    text = "Dotted lines are results that others published on the same puzzles."
    if found.metric != "exact_accuracy":
        text = (
            f"Others published {name} on the same puzzles, by a vote over views: that is no "
            "height of the chart, which has the mean over views. Compare with the column "
            f"{name} of all trials, where these are voted on: here {_views(sweep)}, and {name} is "
            "over test inputs. The code of the HRM paper counts tasks of which every input is "
            f"solved ({METRIC['pass_2_tasks'].column}), that of the TRM paper takes the mean over "
            "tasks of the share of their inputs."
        )
    yield blocks.Paragraph(f"{text} Their compute was not published, nor their intervals.")
    yield tables.table(
        "published",
        (
            tables.Column("Published", lambda one: one.method, words=True),
            tables.metric(found.metric, lambda one: one.share),
            tables.Column("Source", lambda one: one.source, words=True),
        ),
        found.results,
    )


def _views(sweep: SweepSummary) -> str:
    """How many views vote: "up to 8 views of each vote"."""
    views = sweep.record.spec.get("evaluation", {}).get("views", 1)
    return f"up to {views} views of each vote" if views > 1 else "none vote"


def _rows(sweep: SweepSummary) -> list[parts.Spec]:
    """Every point of every trial; those on the front come last, so that none covers them."""
    best = set(trials_front(sweep.complete))
    rows = [
        parts.row(trial, point) | (_on_front(sweep, point) if point in best else {})
        for trial in sweep.trials
        for point in points(trial)
    ]
    return sorted(rows, key=lambda fields: -_KINDS.index(fields["kind"]))


def _on_front(sweep: SweepSummary, point: Point) -> parts.Spec:
    found = interval_of(sweep, point)
    return {"kind": FRONT, "low": found.low, "high": found.high}


def _marks(base: alt.Chart) -> Any:
    def by_kind(channel: Any, *values: Any) -> Any:
        return channel("kind:N", title=None, scale=alt.Scale(domain=_KINDS, range=list(values)))

    return base.mark_point(filled=True, opacity=1).encode(
        color=by_kind(alt.Color, BLUE, SKY, GREY),
        shape=by_kind(alt.Shape, "circle", "circle", "cross"),
        size=by_kind(alt.Size, 95, 45, 45),
        tooltip=parts.tooltip(),
    )
