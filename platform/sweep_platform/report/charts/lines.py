"""The charts with a line per trial: accuracy by segments, and by training."""

import altair as alt

from hrm.charts import chart_of, heading
from puzzle_datasets.common.text import flops
from sweep_platform.report.analysis import wording
from sweep_platform.report.analysis.front import curve_points, points, trials_front
from sweep_platform.report.analysis.knobs import knob_names
from sweep_platform.report.charts import parts
from sweep_platform.report.charts.parts import Spec
from sweep_platform.store.summary import SweepSummary, TrialSummary


def segments_chart(sweep: SweepSummary) -> Spec:
    """Each trial after 1 to M_max segments, against inference FLOPs."""
    rows = [parts.row(trial, point) for trial in sweep.trials for point in points(trial)]
    return _lines(sweep, rows, parts.inference_axis(), "Each trial after 1 to M_max segments")


def training_chart(sweep: SweepSummary) -> Spec:
    """Every evaluation of each trial, against training FLOPs."""
    rows = [fields for trial in sweep.trials for fields in _evaluations(trial)]
    return _lines(sweep, rows, parts.training_axis(), "Each trial in the course of its training")


def _evaluations(trial: TrialSummary) -> list[Spec]:
    return [
        {
            **parts.row(trial, curve_points(trial.number, evaluation.curve)[-1]),
            "flops": evaluation.training_flops,
            "cost": f"{flops(evaluation.training_flops)} of training",
        }
        for evaluation in trial.evaluations
    ]


def _lines(sweep: SweepSummary, rows: list[Spec], x: alt.X, text: str) -> Spec:
    """One line per trial, coloured by the knob that the reader chooses."""
    options = [*knob_names(trial.knobs for trial in sweep.trials), "trial"]
    menu = alt.binding_select(options=options, name="Colour by ")
    by = alt.param(name="by", value=_first_varied(sweep, options), bind=menu)
    hovered = alt.selection_point(name="hovered", on="pointerover", fields=["trial"])
    y = parts.accuracy_axis(parts.highest(rows))
    base = chart_of(rows).transform_calculate(value="datum.values[by]")
    lines = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=45)).encode(
        x=x,
        y=y,
        detail="trial:N",
        color=alt.Color("value:O", title=None, scale=alt.Scale(scheme="viridis")),
        strokeDash=alt.StrokeDash(
            "kind:N",
            title=None,
            scale=alt.Scale(domain=[parts.COMPLETE, parts.OTHER], range=[[1, 0], [4, 3]]),
        ),
        opacity=alt.when(hovered).then(alt.value(1)).otherwise(alt.value(0.15)),
        tooltip=parts.tooltip(),
    )
    title = heading(
        alt.ExprRef(f"'{text}, coloured by ' + by"),
        "Number: trial on the front. Dashed: less training.",
    )
    names = parts.labels(_ends(sweep, rows), "#{trial}").encode(x=x, y=y)
    drawn = alt.layer(lines.add_params(by, hovered), names).properties(
        width=parts.WIDTH, height=parts.HEIGHT, title=title
    )
    return parts.finished(drawn)


def _ends(sweep: SweepSummary, rows: list[Spec]) -> list[Spec]:
    """The last point of each trial that is on the front."""
    best = {point.trial for point in trials_front(sweep.complete)}
    last = {fields["trial"]: fields for fields in rows if fields["trial"] in best}
    return list(last.values())


def _first_varied(sweep: SweepSummary, options: list[str]) -> str:
    """The first knob with more than one value; the trial's number if there is none."""
    varied = (
        name
        for name in options[:-1]
        if len({wording.knob(trial.knobs, name) for trial in sweep.trials}) > 1
    )
    return next(varied, options[-1])
