"""The outline of a comparison: what each sweep found, their fronts, what they share."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import NamedTuple

import altair as alt

from hrm.charts import BLUE, GREEN, ORANGE, PINK, SKY, VERMILION, chart_of
from puzzle_datasets.common.text import flops
from sweep_platform.common.text import knobs
from sweep_platform.report import blocks, parts, tables, wording
from sweep_platform.report.analysis.difference import Difference, Unknown
from sweep_platform.report.analysis.effects import confirmed
from sweep_platform.report.analysis.intervals import (
    confirmed_accuracy,
    interval_of,
    measured_accuracy,
)
from sweep_platform.report.analysis.points import Point, best, trials_front
from sweep_platform.report.comparison.pairing import Common, Paired, paired
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
            *_common(sweeps, names),
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
    )


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
    prints = {sweep.record.dataset.get("fingerprint") for sweep in sweeps}
    note = "" if len(prints) == 1 else " Puzzles differ: heights do not compare."
    words = "The front of each sweep: share of test puzzles solved against inference FLOPs."
    yield blocks.Figure("fronts", words, _chart(fronts, note))


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


def _common(sweeps: Sequence[SweepSummary], names: Sequence[str]) -> Iterator[blocks.Block]:
    yield blocks.Heading("The same configurations")
    first, *others = zip(sweeps, names, strict=True)
    for number, (sweep, name) in enumerate(others, start=1):
        found = paired(first[0], sweep)
        if isinstance(found, Unknown):
            yield blocks.Paragraph(found.reason)
            continue
        yield blocks.Paragraph(_introduction(found, first[1], name))
        stem = "common" if len(others) == 1 else f"common-{number}"
        yield tables.table(stem, _columns(first[1], name), found.configurations)


def _introduction(found: Paired, first: str, second: str) -> str:
    seeds = "seed and task" if found.same_seeds else "task, not by seed: their seeds differ"
    differing = "; ".join(found.differing)
    other = f"They differ in {differing}, in this order: a gain may come from any of these."
    if not found.differing:
        other = "All their settings are the same, so that gains are chance."
    return (
        f"Complete trials with the same knobs in {first} and {second}, paired by {seeds}. "
        f"{other} Brackets hold 95 % intervals, p is by Holm's correction over all rows."
    )


def _columns(first: str, second: str) -> tuple[tables.Column[Common], ...]:
    return (
        tables.Column("Knobs", lambda one: knobs(one.first.knobs), words=True),
        tables.number(f"Trial of {first}", lambda one: one.first.number),
        tables.number(f"Trial of {second}", lambda one: one.second.number),
        tables.difference(f"Points gained by {second}", lambda one: one.difference),
        tables.Column("p (Holm)", lambda one: wording.p_value(one.p), data={"p": lambda o: o.p}),
        tables.Column("Training", lambda one: flops(one.first.record.training_flops)),
    )
