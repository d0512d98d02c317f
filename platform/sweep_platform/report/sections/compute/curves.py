"""The sections on what more segments and more training buy, with charts of a line per trial."""

from collections.abc import Iterator
from typing import Any

import altair as alt

from hrm.charts import chart_of, compute_axis
from puzzle_datasets.common.text import counted, flops
from sweep_platform.report import blocks, parts, wording
from sweep_platform.report.analysis.compute.learning import bands
from sweep_platform.report.analysis.compute.scaling import Estimate
from sweep_platform.report.analysis.points import curve_points, knob_names, points, trials_front
from sweep_platform.spec.metrics import METRIC
from sweep_platform.store.summary import SweepSummary, TrialSummary

_FEW, _MOST = 3, 8
"""Trials up to which each has a band, and bands at most."""


def segments_section(sweep: SweepSummary) -> Iterator[blocks.Block]:
    """Accuracy after each number of segments, where a trial was evaluated."""
    if sweep.evaluated:
        yield blocks.Heading("What another segment buys")
        yield blocks.Paragraph(
            "One line per trial: its accuracy after 1, 2, … M_max segments. Where a line is "
            "flat, further segments cost FLOPs and solve nothing more."
        )
        words = "Accuracy after 1 to M_max segments, for every trial."
        yield blocks.Figure("curves", words, segments_chart(sweep))


def training_section(sweep: SweepSummary) -> Iterator[blocks.Block]:
    """Accuracy in the course of training, where a trial was evaluated."""
    if sweep.evaluated:
        yield blocks.Heading("What training buys")
        yield blocks.Paragraph(
            "Every evaluation of every trial, after all its segments, against the training FLOPs "
            "spent by then: the mean over its replicates. A line that still climbs at its end "
            f"asks for a larger budget. {_bands(sweep)}"
        )
        words = "Accuracy against training FLOPs, for every trial."
        yield blocks.Figure("training", words, training_chart(sweep))


def segments_chart(sweep: SweepSummary) -> parts.Spec:
    """Each trial after 1 to M_max segments, against inference FLOPs."""
    rows = [parts.row(trial, point) for trial in sweep.trials for point in points(trial)]
    return _lines(sweep, rows, parts.inference_axis(), "Each trial after 1 to M_max segments")


def training_chart(sweep: SweepSummary) -> parts.Spec:
    """Every evaluation of each trial, against training FLOPs."""
    banded = _banded(sweep)
    of_trial = {one.number: bands(one) if one.number in banded else {} for one in sweep.trials}
    rows = [
        {
            **parts.row(trial, curve_points(trial.number, evaluation.curve)[-1]),
            "flops": evaluation.lineage_flops,
            "cost": f"{flops(evaluation.lineage_flops)} of training",
            **_ends(of_trial[trial.number].get(evaluation.training_flops)),
        }
        for trial in sweep.trials
        for evaluation in trial.evaluations
    ]
    x = compute_axis(parts.axis_title("training_flops"), log=False)
    return _lines(sweep, rows, x, "Each trial in the course of its training")


def _banded(sweep: SweepSummary) -> set[int]:
    """The trials that get a band: of many the most accurate on the front, for all would be fog."""
    several = [trial.number for trial in sweep.trials if _seeds(trial) > 1]
    if len(several) <= _FEW:
        return set(several)
    front = dict.fromkeys(point.trial for point in reversed(trials_front(sweep.complete)))
    return set([number for number in front if number in several][:_MOST])


def _bands(sweep: SweepSummary) -> str:
    several = sum(_seeds(trial) > 1 for trial in sweep.trials)
    if not several:
        return "Each trial has one seed, so that nothing tells how far another seed would come."
    if not _banded(sweep):
        return "Trials on the front would have bands over seeds: none of several seeds is on it."
    single = sum(_seeds(trial) == 1 for trial in sweep.trials)
    lacking = f" {counted(single, 'trial')} of one seed can have none." if single else ""
    whose = "" if several <= _FEW else " of the most accurate trials on the front"
    return (
        f"Bands{whose} are 95 % intervals over seeds (Student's t), cut at the chart's edge: of "
        f"two seeds they say little.{lacking}"
    )


def _seeds(trial: TrialSummary) -> int:
    """How many of its replicates were evaluated."""
    return sum(one.final is not None for one in trial.measured)


def _ends(band: Estimate | None) -> parts.Spec:
    """The ends of a band, cut at what an accuracy can be; nothing where there is none."""
    return {} if band is None else {"low": max(0.0, band.low), "high": min(1.0, band.high)}


def _lines(sweep: SweepSummary, rows: list[parts.Spec], x: alt.X, text: str) -> parts.Spec:
    """One line per trial, coloured by the knob that the reader chooses, and bands."""
    options = [*knob_names(trial.knobs for trial in sweep.trials), "trial"]
    menu = alt.binding_select(options=options, name="Colour by ")
    by = alt.param(name="by", value=_first_varied(sweep, options), bind=menu)
    hovered = alt.selection_point(name="hovered", on="pointerover", fields=["trial"])
    y = parts.accuracy_axis(fields["accuracy"] for fields in rows)
    base = chart_of(rows).transform_calculate(value="datum.values[by]")
    dashes = alt.Scale(domain=[parts.COMPLETE, parts.OTHER], range=[[1, 0], [4, 3]])
    lines = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=45)).encode(
        x=x,
        y=y,
        detail="trial:N",
        color=alt.Color("value:O", title=None, scale=alt.Scale(scheme="viridis")),
        strokeDash=alt.StrokeDash("kind:N", title=None, scale=dashes),
        opacity=alt.when(hovered).then(alt.value(1)).otherwise(alt.value(0.15)),
        tooltip=parts.tooltip(),
    )
    best = {point.trial for point in trials_front(sweep.complete)}
    ends = {fields["trial"]: fields for fields in rows if fields["trial"] in best}
    names = parts.labels(list(ends.values()), "#{trial}").encode(x=x, y=y)
    title = alt.ExprRef(f"'{text}, coloured by ' + by")
    note = "Number: trial on the front. Dashed: less training."
    areas = [_area(base, x)] if any("high" in fields for fields in rows) else []
    drawn = alt.layer(lines.add_params(by, hovered), *areas, names)
    return parts.finished(drawn, title, note, **parts.WIDE)


def _area(base: alt.Chart, x: alt.X) -> Any:
    return (
        base.transform_filter("isValid(datum.high)")
        .mark_area(opacity=0.13, clip=True)
        .encode(
            x=x,
            y=alt.Y("low:Q", title=METRIC["exact_accuracy"].title),
            y2="high:Q",
            detail="trial:N",
            color=alt.Color("value:O", title=None, scale=alt.Scale(scheme="viridis")),
        )
    )


def _first_varied(sweep: SweepSummary, options: list[str]) -> str:
    """The first knob with more than one value; the trial's number if there is none."""
    for name in options[:-1]:
        if len({wording.knob(trial.knobs, name) for trial in sweep.trials}) > 1:
            return name
    return options[-1]
