"""The section that sets models side by side, where a sweep tried more than one, and its chart."""

from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from statistics import median
from typing import Any, NamedTuple

import altair as alt

from hrm.charts import BLUE, GREEN, ORANGE, PINK, VERMILION, chart_of
from hrm.models import MODELS
from sweep_platform.common.text import knobs
from sweep_platform.report import blocks, parts, tables, wording
from sweep_platform.report.analysis import points as analysis
from sweep_platform.report.analysis.intervals import Interval, interval_of
from sweep_platform.report.sections.settings import differences
from sweep_platform.store.summary import SweepSummary, TrialSummary

_COLOURS = (BLUE, ORANGE, GREEN, PINK, VERMILION)
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
"""Of `MODELS`, in their order; a model's colour is the same in every report."""


def models_section(sweep: SweepSummary) -> Iterator[blocks.Block]:
    """The section, where models are compared."""
    trials = analysis.compared_models(sweep)
    if not trials:
        return
    yield blocks.Heading("Models")
    yield blocks.Paragraph(
        "Complete trials by model, all after about the same training FLOPs, each point read after "
        "M segments. A line is the front of one model. The best trial of a model is the best of "
        "as many as it has, so a model with more trials had more chances."
    )
    if differing := differences(sweep):
        yield blocks.Paragraph(
            f"The models differ in other settings as well: {'; '.join(differing)}. A difference "
            "in accuracy may come from these."
        )
    words = "Accuracy against inference FLOPs per puzzle, for each model."
    yield blocks.Figure("models", words, models_chart(sweep))
    tried = Counter(trial.model for trial in sweep.trials)
    rows = [_model(sweep, name, tried[name], found) for name, found in trials.items()]
    yield tables.table("models", _COLUMNS, rows)


def _model(sweep: SweepSummary, name: str, tried: int, trials: list[TrialSummary]) -> "_Model":
    found = analysis.best(trials)
    if found is None:
        return _Model(name, tried, trials, None, None, None)
    return _Model(name, tried, trials, *found, interval_of(sweep, found[1]))


class _Model(NamedTuple):
    """A model, how many trials tried it, those that are complete, and the best of these."""

    name: str
    tried: int
    complete: list[TrialSummary]
    best: TrialSummary | None
    point: analysis.Point | None
    interval: Interval | None

    @property
    def median_accuracy(self) -> float | None:
        shares = [point.exact_accuracy for _, point in analysis.final_points(self.complete)]
        return median(shares) if shares else None

    @property
    def best_knobs(self) -> str:
        settings = self.best.knobs if self.best else {}
        return knobs({k: v for k, v in settings.items() if k != "model"}) or wording.NOTHING


_COLUMNS: tuple[tables.Column[_Model], ...] = (
    tables.Column("Model", lambda model: model.name, words=True),
    tables.Column(
        "Complete trials",
        lambda model: f"{len(model.complete)} of {model.tried}",
        data={"complete": lambda model: len(model.complete), "trials": lambda model: model.tried},
    ),
    tables.metric("exact_accuracy", lambda model: model.median_accuracy, "Median {}"),
    tables.Column(
        "Best trial",
        lambda model: str(model.best.number) if model.best else wording.NOTHING,
        data={"best_trial": lambda model: model.best.number if model.best else None},
    ),
    tables.Column("Knobs", lambda model: model.best_knobs, words=True),
    tables.solved(lambda model: model.point),
    tables.interval(lambda model: model.interval),
    tables.metric("inference_flops", lambda m: m.point.inference_flops if m.point else None),
    tables.metric("parameter_count", lambda m: m.best.record.parameter_count if m.best else None),
)


def models_chart(sweep: SweepSummary) -> parts.Spec:
    """Every point of the complete trials, in the colour and shape of its model."""
    rows = [
        {**parts.row(trial, point), "best": point in front}
        for trials in analysis.compared_models(sweep).values()
        for front in [set(analysis.trials_front(trials))]
        for trial in trials
        for point in analysis.points(trial)
    ]
    base = chart_of(rows).encode(
        x=parts.inference_axis(),
        y=parts.accuracy_axis(fields["accuracy"] for fields in rows),
        color=_scaled(alt.Color, sweep, _COLOURS),
    )
    fronts = base.transform_filter(alt.datum.best)
    steps = fronts.mark_line(interpolate="step-after", strokeWidth=2)
    faint = alt.Scale(domain=[True, False], range=[1, 0.4])
    marks = base.mark_point(filled=True, size=70).encode(
        shape=_scaled(alt.Shape, sweep, _SHAPES),
        opacity=alt.Opacity("best:N", legend=None, scale=faint),
        tooltip=parts.tooltip(),
    )
    title = "Accuracy-compute front of each model"
    note = "Line: the front of one model. Faint: points beside their model's front."
    return parts.finished(alt.layer(steps, marks), title, note, **parts.WIDE)


def _scaled(channel: Any, sweep: SweepSummary, values: tuple[str, ...]) -> Any:
    known = dict(zip(MODELS, cycle(values), strict=False))
    names = [name for name in MODELS if analysis.compared_models(sweep).get(name)]
    scale = alt.Scale(domain=names, range=[known[name] for name in names])
    return channel("model:N", title=None, scale=scale)
