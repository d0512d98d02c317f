"""What the charts show, read from their specifications."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from planted import planted
from scipy import stats

from sweep_platform.report.analysis.points import points, trials_front
from sweep_platform.report.pages import report_as_markdown
from sweep_platform.report.sections import outline
from sweep_platform.report.sections.compute.curves import segments_chart, training_chart
from sweep_platform.report.sections.front import front_chart
from sweep_platform.report.sections.knobs.values import knobs_chart
from sweep_platform.report.sections.models import models_chart
from sweep_platform.store.summary import SweepSummary, summarize
from sweep_platform.store.trial import TrialState

COMPLETE, STOPPED = TrialState.COMPLETE, TrialState.STOPPED


def rows(spec: Any) -> Iterator[dict[str, Any]]:
    """Every row of data in a specification."""
    for values in spec["datasets"].values():
        yield from values


@pytest.fixture
def sweep(make_sweep) -> SweepSummary:
    return summarize(make_sweep(*[COMPLETE] * 5, STOPPED, None))


def test_front_chart_marks_the_front(sweep: SweepSummary) -> None:
    shown = [row for row in rows(front_chart(sweep)) if "kind" in row]
    best = trials_front(sweep.complete)
    marked = {(row["trial"], row["M"]) for row in shown if row["kind"] == "on the front"}
    assert marked == {(p.trial, p.segments) for p in best}
    assert {row["kind"] for row in shown if row["trial"] in (5, 6)} == {"not complete"}
    assert len({(row["trial"], row["M"]) for row in shown}) == sum(
        len(points(trial)) for trial in sweep.trials
    )


def test_points_that_coincide_share_a_label(sweep: SweepSummary) -> None:
    best = trials_front(sweep.complete)
    positions = Counter((point.inference_flops, point.exact_accuracy) for point in best)
    assert max(positions.values()) == 2, "the sweep has two equal points on its front"
    labels = [row for row in rows(front_chart(sweep)) if "label" in row]
    shared = {(row["flops"], row["accuracy"]): row["label"].endswith(" +1") for row in labels}
    assert len(labels) == len(shared)
    assert shared == {at: count == 2 for at, count in positions.items()}


def test_training_chart_shows_every_evaluation(sweep: SweepSummary) -> None:
    shown = [row for row in rows(training_chart(sweep)) if "kind" in row]
    expected = {
        (trial.number, evaluation.training_flops, evaluation.exact_accuracy)
        for trial in sweep.trials
        for evaluation in trial.evaluations
    }
    assert {(row["trial"], row["flops"], row["accuracy"]) for row in shown} == expected


def test_learning_curves_are_means_with_bands_over_seeds(make_sweep) -> None:
    """Of three seeds that solve 0, 2 and 4 points more: Student's interval of their mean."""
    sweep = summarize(make_sweep(COMPLETE, replicates=3))
    shown = [row for row in rows(training_chart(sweep)) if "high" in row]
    [trial] = sweep.trials
    assert [row["accuracy"] for row in shown] == [one.exact_accuracy for one in trial.evaluations]
    each = [replicate.evaluations[-1].exact_accuracy for replicate in trial.measured]
    expected = stats.t.interval(0.95, 2, loc=np.mean(each), scale=stats.sem(each))
    assert (shown[-1]["low"], shown[-1]["high"]) == pytest.approx(expected)
    assert "95 % intervals over seeds" in report_as_markdown(outline(sweep, written=0.0))


def test_bands_are_few_where_many_trials_lead(make_sweep) -> None:
    """Equal trials stay on the front together; a band each would hide all."""
    sweep = summarize(make_sweep(COMPLETE, replicates=2))
    [one] = sweep.trials
    alike = [replace(one, record=replace(one.record, number=number)) for number in range(20)]
    shown = rows(training_chart(replace(sweep, trials=tuple(alike))))
    assert len({row["trial"] for row in shown if "high" in row}) == 8


@pytest.mark.parametrize(
    ("count", "accuracy", "told"),
    [
        (2, 0.5, "Bands are 95 %"),
        (10, 0.5, "Bands of the most accurate trials on the front are"),
        (10, 0.0, "none of several seeds is on it"),
    ],
)
def test_whose_bands_are_drawn_hangs_on_how_many_trials_have_several_seeds(
    count: int, accuracy: float, told: str
) -> None:
    knobs = [{"N": n} for n in range(1, count + 1)]
    sweep = planted(knobs, lambda values, share: accuracy * (values["N"] == 1))
    page = report_as_markdown(outline(sweep, written=0.0))
    assert told in page
    assert "Each trial has one seed" not in page


def test_one_seed_has_no_band_and_the_report_says_so(make_sweep) -> None:
    sweep = summarize(make_sweep(COMPLETE, COMPLETE))
    assert not [row for row in rows(training_chart(sweep)) if "high" in row]
    assert "Each trial has one seed" in report_as_markdown(outline(sweep, written=0.0))


def test_no_trial_hides_another_in_the_strips(make_sweep) -> None:
    sweep = summarize(make_sweep(*[COMPLETE] * 12))
    spec = knobs_chart(sweep)
    assert [panel["layer"][0]["encoding"]["x"]["title"] for panel in spec["concat"]] == list(
        sweep.trials[0].knobs
    )
    for panel in spec["concat"]:
        shown = spec["datasets"][panel["data"]["name"]]
        drawn = [(row["value"], row["accuracy"], row["aside"]) for row in shown]
        assert len(set(drawn)) == len(drawn) == 12


@pytest.mark.parametrize("drawn", [front_chart, segments_chart, training_chart, knobs_chart])
def test_charts_are_plain_json(sweep: SweepSummary, drawn: Any) -> None:
    text = json.dumps(drawn(sweep), allow_nan=False)
    assert "$schema" not in text


def test_each_model_has_a_front_of_its_own(make_comparison) -> None:
    sweep = summarize(make_comparison("hrm", "transformer", "hrm", "transformer", "trm"))
    shown = [row for row in rows(models_chart(sweep)) if "best" in row]
    assert {row["trial"] for row in shown} == {0, 1, 2, 3, 4}
    for name in ("hrm", "transformer", "trm"):
        own = [trial for trial in sweep.complete if trial.model == name]
        expected = {(point.trial, point.segments) for point in trials_front(own)}
        best = {(row["trial"], row["M"]) for row in shown if row["model"] == name and row["best"]}
        assert best == expected


def test_a_model_keeps_its_colour_and_shape(make_comparison) -> None:
    few, more = (
        models_chart(summarize(make_comparison(*names, name=names[-1])))["layer"][1]["encoding"]
        for names in (("hrm", "trm"), ("hrm", "hrm-flat", "looped", "trm", "transformer"))
    )
    for channel in ("color", "shape"):
        scales = [encoding[channel]["scale"] for encoding in (few, more)]
        looks = [dict(zip(s["domain"], s["range"], strict=True)) for s in scales]
        assert looks[0].items() <= looks[1].items()
        assert len(set(looks[1].values())) == 5


@pytest.mark.parametrize(
    ("values", "form"),
    [((0.00417187448, 0.00613695924), ".3~g"), ((1024, 2048), None), ((True, False), None)],
)
def test_strips_shorten_numbers_that_were_drawn_alone(
    make_sweep: Any, values: tuple[Any, Any], form: str | None
) -> None:
    sweep = summarize(make_sweep(COMPLETE, COMPLETE))
    trials = tuple(
        replace(trial, record=replace(trial.record, parameters={"knob": value}))
        for trial, value in zip(sweep.trials, values, strict=True)
    )
    [panel] = knobs_chart(replace(sweep, trials=trials))["concat"]
    assert panel["layer"][0]["encoding"]["x"]["axis"].get("format") == form


def test_strips_leave_out_trials_that_have_no_use_for_the_knob(make_comparison) -> None:
    sweep = summarize(make_comparison("hrm", "transformer", "hrm"))
    spec = knobs_chart(sweep)
    trials = {
        panel["layer"][0]["encoding"]["x"]["title"]: {
            row["trial"] for row in spec["datasets"][panel["data"]["name"]]
        }
        for panel in spec["concat"]
    }
    assert trials["N"] == trials["T"] == {0, 2}
    assert trials["model"] == trials["hidden_size"] == {0, 1, 2}
