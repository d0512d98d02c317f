"""Nuisance values: who is tried, who again, who is measured; a function of the folders alone."""

import math
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_builders import (
    TOTAL,
    measurement,
    model_settings,
    sweep_folder,
    training_settings,
    trial_record,
)

from hrm.progress import Measurement
from sweep_platform.plan.jobs import planned_jobs
from sweep_platform.search.stages.tuning import Round, Tuning, point_of
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.replicate import Purpose, replicates
from sweep_platform.store.trial import Outcome, TrialFolder, TrialState

COMPLETE, FAILED = TrialState.COMPLETE, TrialState.FAILED
LOST = (COMPLETE, "another learning_rate did better at this point")
RATES = (0.1, 0.01, 0.001, 0.0001, 0.00001)


def spec_of(count: int, measured: int = 2) -> SweepSpec:
    rates = {"choices": RATES[:count]}
    return SweepSpec.model_validate(
        {
            "name": "toy",
            "dataset": {"name": "sudoku"},
            "space": {"N": {"choices": [1, 2]}, "learning_rate": rates},
            "nuisance": ["learning_rate"],
            "budget": {"trials": 1, "flops_per_trial": 1.0},
            "replicates": measured,
        }
    )


def point(root: Path, count: int) -> list[TrialFolder]:
    """The trials of one point, one for each learning rate."""
    sweep, made = sweep_folder(root), []
    for number, rate in enumerate(RATES[:count]):
        record = trial_record(
            number,
            parameters={"N": 1, "learning_rate": rate},
            model=model_settings(N=1),
            training=training_settings(learning_rate=rate),
        )
        made.append(sweep.trial(number, record.signature))
        made[-1].create(record)
    return made


def end(
    trial: TrialFolder,
    label: str,
    accuracy: float | None,
    state: TrialState = COMPLETE,
    tokens: float = 0.5,
) -> None:
    """Let a replicate end: with an evaluation, unless accuracy is None."""
    purpose, number = label.split("-")
    made, folder = replicates(0, Purpose(purpose), int(number) + 1)[-1], trial.replicate(label)
    folder.create(trial.record(), made)
    if accuracy is not None:
        folder.append([with_tokens(measurement(TOTAL, accuracy), tokens)])
    folder.end(Outcome(state=state, reason=f"{state} as asked", ended=1.0))


def with_tokens(one: Measurement, tokens: float) -> Measurement:
    curve = one.progress.curve
    assert curve
    curve = replace(curve, token_accuracy=(tokens,))
    return replace(one, progress=replace(one.progress, curve=curve))


def trained(found: Round) -> list[tuple[int, list[str]]]:
    """The trials and labels of a round."""
    return [(one.record().number, [r.label for r in some]) for one, some in found.train]


def lost(found: Round) -> dict[int, tuple[TrialState, str]]:
    return {one.record().number: how for one, how in found.lost}


def test_each_value_is_tried_once_then_the_better_half_again(tmp_path: Path) -> None:
    trials, tuning = point(tmp_path / "toy", 3), Tuning(spec_of(3))
    assert trained(tuning.next(trials)) == [(n, ["tune-0"]) for n in range(3)]
    end(trials[1], "tune-0", 0.25)
    assert trained(tuning.next(trials)) == [(0, ["tune-0"]), (2, ["tune-0"])]
    end(trials[0], "tune-0", 0.0)
    end(trials[2], "tune-0", 0.5)
    assert tuning.next(trials).lost == ()
    assert trained(tuning.next(trials)) == [(2, ["tune-1"]), (1, ["tune-1"])]
    end(trials[1], "tune-1", 1.0)
    end(trials[2], "tune-1", 0.5)
    found = tuning.next(trials)
    assert trained(found) == [(1, ["measure-0", "measure-1"])], "0.625 on average, against 0.5"
    assert lost(found) == {0: LOST, 2: LOST}


def test_what_is_measured_is_measured_once(tmp_path: Path) -> None:
    trials, tuning = point(tmp_path / "toy", 2), Tuning(spec_of(2))
    for trial, accuracy in zip(trials, (0.5, 0.25), strict=True):
        end(trial, "tune-0", accuracy)
    end(trials[0], "measure-0", 0.0)
    found = tuning.next(trials)
    assert trained(found) == [(0, ["measure-1"])]
    trials[1].end(Outcome(state=COMPLETE, reason="lost", ended=1.0))
    end(trials[0], "measure-1", 0.0)
    assert tuning.next(trials) == Round()


def test_what_was_measured_stays_chosen_whatever_its_rivals_come_to_later(tmp_path: Path) -> None:
    trials, tuning = point(tmp_path / "toy", 2), Tuning(spec_of(2))
    end(trials[0], "tune-0", 0.25)
    end(trials[0], "measure-0", 0.25)
    end(trials[1], "tune-0", 1.0)  # it had failed, and was tried again
    found = tuning.next(trials)
    assert trained(found) == [(0, ["measure-1"])]
    assert lost(found) == {1: LOST}


def test_of_two_values_the_better_is_measured_at_once(tmp_path: Path) -> None:
    trials, tuning = point(tmp_path / "toy", 2), Tuning(spec_of(2))
    end(trials[0], "tune-0", 0.5)
    end(trials[1], "tune-0", 0.25)
    assert trained(tuning.next(trials)) == [(0, ["measure-0", "measure-1"])]


def test_the_first_round_looks_at_the_first_replicates_alone(tmp_path: Path) -> None:
    trials, tuning = point(tmp_path / "toy", 3), Tuning(spec_of(3))
    for trial, accuracy in zip(trials, (0.5, 0.4, 0.25), strict=True):
        end(trial, "tune-0", accuracy)
    end(trials[2], "tune-1", 1.0)  # of a session before a value was added, say
    assert trained(tuning.next(trials)) == [(0, ["tune-1"]), (1, ["tune-1"])]


def test_tokens_tell_apart_what_solves_nothing(tmp_path: Path) -> None:
    trials, tuning = point(tmp_path / "toy", 2), Tuning(spec_of(2))
    end(trials[0], "tune-0", 0.0, tokens=0.25)
    end(trials[1], "tune-0", 0.0, tokens=0.5)
    assert trained(tuning.next(trials)) == [(1, ["measure-0", "measure-1"])]


def test_a_value_that_fails_loses(tmp_path: Path) -> None:
    trials, tuning = point(tmp_path / "toy", 3), Tuning(spec_of(3))
    end(trials[0], "tune-0", None, FAILED)
    for trial, accuracy in zip(trials[1:], (0.25, 0.0), strict=True):
        end(trial, "tune-0", accuracy)
    end(trials[1], "tune-1", None, FAILED)
    end(trials[2], "tune-1", 0.0)
    found = tuning.next(trials)
    assert trained(found) == [(1, ["measure-0", "measure-1"])], "it came to its end once"
    assert lost(found) == {0: (FAILED, "failed as asked"), 2: LOST}


def test_a_point_whose_every_value_fails_is_not_measured(tmp_path: Path) -> None:
    trials, tuning = point(tmp_path / "toy", 2), Tuning(spec_of(2))
    for trial in trials:
        end(trial, "tune-0", None, FAILED)
    found = tuning.next(trials)
    assert found.train == ()
    assert lost(found) == dict.fromkeys(range(2), (FAILED, "failed as asked"))


def test_with_a_single_value_nothing_is_tuned(tmp_path: Path) -> None:
    [trial], tuning = point(tmp_path / "toy", 1), Tuning(spec_of(1))
    assert trained(tuning.next([trial])) == [(0, ["measure-0", "measure-1"])]
    end(trial, "measure-0", None, FAILED)
    assert trained(tuning.next([trial])) == [(0, ["measure-1"])]


def test_a_point_is_what_is_left_of_a_trial_without_its_nuisance_values() -> None:
    record = trial_record(parameters={"learning_rate": 0.1, "N": 2})
    assert point_of(record, spec_of(2)) == (("N", 2),)


@given(st.data(), st.integers(1, 5))
def test_the_best_on_average_of_the_better_half_is_measured(data: Any, count: int) -> None:
    eighths = st.integers(0, 8).map(lambda n: n / 8)
    solved = data.draw(st.lists(st.tuples(eighths, eighths), min_size=count, max_size=count))
    tuning, order = Tuning(spec_of(count)), data.draw(st.randoms(use_true_random=False))
    with TemporaryDirectory() as name:
        trials, done = point(Path(name, "toy"), count), []
        while (found := tuning.next(trials)).train:
            jobs = [(one, r.label) for one, some in found.train for r in some]
            one, label = order.choice(jobs)
            number = one.record().number
            done.append((number, label))
            end(one, label, solved[number][int(label[-1])])
    tried = [job for job in done if job[1].startswith("tune")]
    better = sorted(range(count), key=lambda n: -solved[n][0])[: math.ceil(count / 2)]
    best = max(better, key=lambda n: fmean(solved[n]))  # the first of equals
    again = better if len(better) > 1 else []
    expected = {(n, "tune-0") for n in range(count)} | {(n, "tune-1") for n in again}
    assert set(tried) == (expected if count > 1 else set())
    assert len(done) == len(set(done)), "nothing twice"
    assert {job for job in done if job not in tried} == {(best, "measure-0"), (best, "measure-1")}


@pytest.mark.parametrize("seed", [0, 7])
def test_values_are_chosen_on_other_seeds_than_measure_them(seed: int) -> None:
    spec = spec_of(2).model_copy(update={"seed": seed})
    tuning = Tuning(spec)
    measure = replicates(seed, Purpose.MEASURE, spec.replicates)
    assert not {one.seed for one in tuning._tune} & {one.seed for one in measure}


@pytest.mark.parametrize(("count", "tuned"), [(1, 0), (2, 2), (3, 3 + 2)])
def test_as_many_are_planned_as_are_tuned(count: int, tuned: int) -> None:
    assert planned_jobs(spec_of(count), points=4).tune == 4 * tuned
