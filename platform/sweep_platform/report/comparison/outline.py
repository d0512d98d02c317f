"""The outline of a comparison: what each sweep found, their fronts, what they share."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any, NamedTuple

import altair as alt

from hrm.charts import BLUE, GREEN, ORANGE, PINK, SKY, VERMILION, chart_of
from puzzle_datasets.common.text import flops
from sweep_platform.common.text import knobs
from sweep_platform.report import blocks, parts, tables, wording
from sweep_platform.report.analysis.difference import Difference
from sweep_platform.report.analysis.effects import confirmed
from sweep_platform.report.analysis.evidence import EQUAL
from sweep_platform.report.analysis.intervals import (
    confirmed_accuracy,
    interval_of,
    measured_accuracy,
)
from sweep_platform.report.analysis.points import Point, best, trials_front
from sweep_platform.report.comparison.configurations import configurations
from sweep_platform.spec.schema import EvaluationSpec
from sweep_platform.store.summary import SweepSummary, TrialSummary

_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PINK, SKY)
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
MOST = len(_COLOURS)
"""Sweeps that colours and shapes can tell apart."""


def comparison(sweeps: Sequence[SweepSummary], written: float) -> blocks.Outline:
    """The whole page; each sweep is compared with the first."""
    names = labels(sweeps)
    return blocks.Outline(
        title=f"Sweeps {', '.join(names)}",
        status=f"Written {wording.moment(written)}.",
        blocks=(
            *_results(sweeps, names),
            *_fronts(sweeps, names),
            *configurations(sweeps, names),
        ),
    )


def labels(sweeps: Sequence[SweepSummary]) -> list[str]:
    """A name for each sweep: its own, or its folder where two share one."""
    names = [sweep.record.name for sweep in sweeps]
    if len(set(names)) == len(names):
        return names
    return [sweep.folder for sweep in sweeps]


class _Result(NamedTuple):
    """What a sweep found; `trial` is None where no complete trial was evaluated."""

    sweep: SweepSummary
    name: str
    trial: TrialSummary | None
    accuracy: Difference | None
    how: str


def _results(sweeps: Sequence[SweepSummary], names: Sequence[str]) -> Iterator[blocks.Block]:
    rows = [_result(sweep, name) for sweep, name in zip(sweeps, names, strict=True)]
    yield blocks.Heading("What each found")
    yield tables.table("results", _RESULTS, rows)
    yield blocks.Paragraph(
        "The best of each, with its 95 % interval: over seeds and tasks where there are three of "
        "each, else Wilson's. One that was confirmed was trained again with fresh seeds; others "
        "were picked on the puzzles that measure them, which flatters the sweep with more trials."
        f"{_unequal(sweeps)}"
    )


def _unequal(sweeps: Sequence[SweepSummary]) -> str:
    """What keeps accuracies of these sweeps from comparing, in sentences; empty without any."""
    told = ""
    if len({sweep.record.dataset.get("fingerprint") for sweep in sweeps}) > 1:
        told += " Puzzles differ: heights do not compare."
    complete = [trial for sweep in sweeps for trial in sweep.complete]
    spent = [trial.record.training_flops for trial in complete]
    if spent and max(spent) > EQUAL * min(spent):
        told += f" Trained unequally: {flops(min(spent))} to {flops(max(spent))}."
    scored = {_scored(sweep) for sweep in sweeps}
    rows = {trial.final.puzzles for trial in complete if trial.final}
    if len(scored) > 1 or len(rows) > 1:
        told += " Scored on unequal parts or views of the puzzles."
    return told


def _scored(sweep: SweepSummary) -> tuple[Any, ...]:
    """Which puzzles are scored, and in how many views."""
    asked = EvaluationSpec.model_validate(sweep.record.spec.get("evaluation", {}))
    return asked.puzzles, asked.views, asked.confirm_share


def _result(sweep: SweepSummary, name: str) -> _Result:
    if found := confirmed(sweep):
        return _Result(sweep, name, found[0].trial, confirmed_accuracy(found[0]), "confirmed")
    if top := best(sweep.complete):
        return _Result(sweep, name, top[0], measured_accuracy(sweep, top[0]), "picked")
    return _Result(sweep, name, None, None, "no complete trial")


def _of_trial(read: str) -> tables.Column[_Result]:
    return tables.metric(read, lambda one: getattr(one.trial.record, read) if one.trial else None)


_RESULTS: tuple[tables.Column[_Result], ...] = (
    tables.Column("Sweep", lambda one: one.name, words=True),
    tables.Column("Best trial", lambda one: str(one.trial.number) if one.trial else "—"),
    tables.Column("Knobs", lambda one: knobs(one.trial.knobs) if one.trial else "—", words=True),
    tables.difference("Solved", lambda one: one.accuracy, wording.estimate),
    tables.Column("Measured", lambda one: one.how, words=True),
    _of_trial("inference_flops"),
    _of_trial("training_flops"),
    tables.number("Trials", lambda one: len(one.sweep.trials)),
    tables.metric("training_flops", lambda one: one.sweep.training_flops, "In all"),
    tables.Column("Puzzles", lambda one: str(one.sweep.record.dataset["name"]), words=True),
)


def _fronts(sweeps: Sequence[SweepSummary], names: Sequence[str]) -> Iterator[blocks.Block]:
    yield blocks.Heading("Accuracy against compute")
    fronts = {
        name: (sweep, trials_front(sweep.complete))
        for name, sweep in zip(names, sweeps, strict=True)
    }
    if not any(front for _, front in fronts.values()):
        yield blocks.Paragraph("No complete trial of any of them has solved a puzzle.")
        return
    words = "The front of each sweep: share of test puzzles solved against inference FLOPs."
    yield blocks.Figure("fronts", words, _chart(fronts, _unequal(sweeps)))


def _chart(fronts: dict[str, tuple[SweepSummary, list[Point]]], note: str) -> parts.Spec:
    rows = [_row(sweep, name, point) for name, (sweep, front) in fronts.items() for point in front]
    looks = dict(zip(fronts, zip(cycle(_COLOURS), cycle(_SHAPES)), strict=False))
    colours, shapes = zip(*looks.values(), strict=True)
    base = chart_of(rows).encode(
        x=parts.inference_axis(),
        y=parts.accuracy_axis(row["high"] for row in rows),
        color=alt.Color(
            "sweep:N", title=None, scale=alt.Scale(domain=list(looks), range=list(colours))
        ),
    )
    shape = alt.Shape(
        "sweep:N", title=None, scale=alt.Scale(domain=list(looks), range=list(shapes))
    )
    drawn = alt.layer(
        base.mark_rule(opacity=0.3).encode(y="low:Q", y2="high:Q"),
        base.mark_line(interpolate="step-after", strokeWidth=2),
        base.mark_point(filled=True, size=80, opacity=1).encode(
            shape=shape, tooltip=[alt.Tooltip("sweep:N", title="Sweep"), *parts.tooltip()]
        ),
    )
    note = f"Line: the front of one sweep. Upright line: 95 % interval.{note}"
    return parts.finished(drawn, "Accuracy-compute fronts", note, **parts.WIDE)


def _row(sweep: SweepSummary, name: str, point: Point) -> parts.Spec:
    trial = next(one for one in sweep.complete if one.number == point.trial)
    found = interval_of(sweep, point)
    return {**parts.row(trial, point), "sweep": name, "low": found.low, "high": found.high}
