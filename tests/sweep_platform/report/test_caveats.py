"""Each limit of a sweep is named where it applies, and only there."""

from dataclasses import replace

import pytest
from sweep_builders import first
from trackers import report_again

from sweep_platform.report.blocks import Paragraph
from sweep_platform.report.sections.result import caveats, result_section
from sweep_platform.store.folder import SessionEnd
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.summary import SweepSummary, summarize
from sweep_platform.store.trial import TrialState

COMPLETE = TrialState.COMPLETE


def sentences(sweep: SweepSummary) -> str:
    return "\n".join(caveats(sweep))


def test_nothing_to_qualify_in_an_empty_sweep(make_sweep) -> None:
    assert caveats(summarize(make_sweep())) == ()


def test_few_puzzles_and_single_seeds(make_sweep) -> None:
    text = sentences(summarize(make_sweep(*[COMPLETE] * 5)))
    assert "40 puzzles: one puzzle is 2.5 points" in text
    assert "trained once, with one seed" in text
    assert "best of 5 complete trials was picked" in text


def test_equally_good_trials(make_sweep) -> None:
    assert "2 complete trials solve as many" in sentences(summarize(make_sweep(*[COMPLETE] * 6)))
    three = sentences(summarize(make_sweep(*[COMPLETE] * 3, name="three")))
    assert "solve as many" not in three


def test_one_trial_was_not_picked_among_others(make_sweep) -> None:
    text = sentences(summarize(make_sweep(COMPLETE)))
    assert "picked" not in text
    assert "seed" not in text


def test_trials_that_did_not_complete(make_sweep) -> None:
    text = sentences(summarize(make_sweep(COMPLETE, TrialState.STOPPED, TrialState.FAILED, None)))
    assert "1 trial ended early" in text
    assert "1 trial failed" in text
    assert "not final: 1 trial" in text
    assert "ended early" not in sentences(summarize(make_sweep(COMPLETE, name="other")))


def test_unequal_budgets(make_sweep) -> None:
    sweep = summarize(make_sweep(COMPLETE, COMPLETE))
    assert "unequal" not in sentences(sweep)
    first, second = sweep.trials
    more = replace(first, record=replace(first.record, training_flops=200_000_000))
    assert "from 100 MFLOP to 200 MFLOP" in sentences(replace(sweep, trials=(more, second)))


def test_a_best_value_at_the_edge_of_those_tried(make_sweep) -> None:
    sweep = summarize(make_sweep(*[COMPLETE] * 5))
    assert "N (2" not in sentences(sweep)
    assert "T (4, the largest)" in sentences(sweep)
    assert "hidden_size (" not in sentences(sweep), "two values have no inside"


@pytest.mark.parametrize(("minutes", "said"), [(2.0, True), (None, False)])
def test_a_sweep_cut_by_the_clock_says_how_much_of_it_ran(
    make_sweep, minutes: float | None, said: bool
) -> None:
    sweep = make_sweep(COMPLETE)
    record = sweep.record()
    budget = {"trials": 5, "flops_per_trial": 1e8, "minutes": minutes}
    sweep.create(replace(record, spec={**record.spec, "budget": budget}))
    sweep.session_ended(SessionEnd.DONE)
    assert ("1 trial of the 5 asked for" in sentences(summarize(sweep))) is said


def test_a_front_that_is_reached_with_fewer_segments(make_sweep) -> None:
    sweep = make_sweep(COMPLETE)
    [trial] = sweep.trials()
    assert "already after" not in sentences(summarize(sweep))
    last = [m.progress for m in first(trial).measurements() if m.progress.curve][-1]
    assert last.curve
    falling = replace(last.curve, exact_accuracy=(0.5, 0.1))
    report_again(trial, last.step + 1, curve=falling)
    text = sentences(summarize(sweep))
    assert "Trial 0 solves 20 of 40 already after 1 segment, at 3 MFLOP" in text


def test_names_have_no_edge(make_comparison) -> None:
    text = sentences(summarize(make_comparison("hrm", "looped", "transformer")))
    assert "model (" not in text


FLOOR = {"name": "guess", "words": "a guess", "token_accuracy": 0.9, "puzzles": 40}


@pytest.mark.parametrize(("floor", "beaten"), [(0.0, True), (0.9, False)])
def test_an_accuracy_that_does_not_beat_the_floor(make_sweep, floor: float, beaten: bool) -> None:
    sweep = make_sweep(COMPLETE, COMPLETE)
    assert "floor" not in sentences(summarize(sweep)), "none is recorded"
    low = FLOOR | {"exact_accuracy": 0.0, "name": "worse"}
    floors = [low, FLOOR | {"exact_accuracy": floor}]
    record = sweep.record()
    sweep.create(replace(record, dataset={**record.dataset, "floors": floors}))
    found = summarize(sweep)
    assert ("does not beat the floor" in sentences(found)) is not beaten
    assert ("guess solves 90.0 % without training" in sentences(found)) is not beaten
    [line] = [b.text for b in result_section(found) if isinstance(b, Paragraph)]
    named = "worse (a guess) solves 0.0 % (0 of 40)" if beaten else "guess (a guess) solves 90.0 %"
    assert line.startswith(f"Floor: {named}")


def test_solving_nothing_beats_no_floor(make_sweep) -> None:
    sweep = make_sweep(COMPLETE)
    record, [trial] = sweep.record(), sweep.trials()
    last = [m.progress for m in first(trial).measurements() if m.progress.curve][-1]
    assert last.curve
    none = replace(last.curve, exact_accuracy=(0.0,) * len(last.curve.exact_accuracy))
    report_again(trial, last.step + 1, curve=none)
    floors = [FLOOR | {"exact_accuracy": 0.0}]
    sweep.create(replace(record, dataset={**record.dataset, "floors": floors}))
    assert "does not beat the floor: its 95 % interval begins at 0.0 %" in sentences(
        summarize(sweep)
    )


def test_a_confirmed_accuracy_is_held_to_the_floor(make_sweep) -> None:
    """What confirms a trial counts, and not what it was picked for."""
    sweep = make_sweep(COMPLETE)
    record = sweep.record()
    floors = [FLOOR | {"exact_accuracy": 0.02}]
    sweep.create(replace(record, dataset={**record.dataset, "floors": floors}))
    found = summarize(sweep)
    assert "floor" not in sentences(found)
    [one] = found.trials
    [measured] = one.replicates
    again = replace(measured.replicate, purpose=Purpose.CONFIRM)
    worse = replace(measured.evaluations[-1].curve, exact_accuracy=(0.0, 0.0))
    evaluation = replace(measured.evaluations[-1], curve=worse)
    confirming = replace(measured, replicate=again, evaluations=(evaluation,))
    confirmed = replace(one, replicates=(measured, confirming))
    assert "does not beat the floor" in sentences(replace(found, trials=(confirmed,)))
