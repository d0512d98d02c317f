"""A search is over before its budget is spent where nothing more is to be expected of it."""

import math
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sweep_builders import TOTAL, measurement, sweep_folder, sweep_record, trial_record
from sweep_driver import Driver

from hrm.progress import Curve
from sweep_platform.common.errors import InputError
from sweep_platform.search import convergence
from sweep_platform.search.convergence import (
    LEAST_TRIALS,
    MOST_TRIALS,
    Convergence,
    Hypervolume,
    asked_at,
    inference_curve,
    regret,
    training_curve,
)
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.origins.inherited import Ancestor, Inherited
from sweep_platform.store.steering.messages import Verb
from sweep_platform.store.summary import summarize
from sweep_platform.store.trial import TrialState

STOP = {"stop_when": {"hypervolume_gain": 0.01, "patience": 3}}
WIDE = {"space": {"N": {"low": 1, "high": 30}}, "budget": {"trials": 30, "flops_per_trial": 1e8}}


class Ended:
    """A complete trial with a curve, as much of a summary as the area needs."""

    complete = True

    def __init__(self, number: int, curve: list[tuple[int, float]]) -> None:
        self.number = number
        self.record = trial_record(number)
        costs, solved = zip(*curve, strict=True)
        self.final = Curve(
            exact_accuracy=solved, token_accuracy=solved, inference_flops=costs, puzzles=100
        )


CURVES = st.lists(
    st.dictionaries(st.integers(1, 10**6), st.floats(0, 1), min_size=1, max_size=4).map(
        lambda curve: sorted(curve.items())
    ),
    min_size=1,
    max_size=8,
)


def area(curves: list[list[tuple[int, float]]], reference: float) -> float:
    """The area below the best accuracy at each cost, counted cost by cost."""
    points = sorted(point for curve in curves for point in curve)
    costs = [math.log10(cost) for cost, _ in points] + [reference]
    best = [max(solved for _, solved in points[: n + 1]) for n in range(len(points))]
    return sum((costs[n + 1] - costs[n]) * best[n] for n in range(len(points)))


@given(CURVES, st.randoms(use_true_random=False), st.integers(1, 4))
def test_gains_are_those_of_areas_whatever_came_first(
    curves: list[list[tuple[int, float]]], random: Any, patience: int
) -> None:
    volume, order = Hypervolume(), list(range(len(curves)))
    random.shuffle(order)
    for number in order:
        volume.add(Ended(number, curves[number]), at=float(number))  # type: ignore[arg-type]
    reference = 1 + math.log10(max(cost for curve in curves for cost, _ in curve))
    areas = [area(curves[: n + 1], reference) for n in range(len(curves))]
    gain = volume.gain(patience)
    if len(curves) <= patience or areas[-1 - patience] == 0:
        assert gain is None
    else:
        assert gain == pytest.approx(1 - areas[-1 - patience] / areas[-1], abs=1e-9)


def run(driver: Any, accuracies: list[float]) -> int:
    """Run trials one after another; the number that ran."""
    for number, accuracy in enumerate(accuracies):
        if driver.start("a") is None:
            return number
        driver.finish("a", accuracy)
    return len(accuracies)


def test_a_search_ends_that_gains_nothing(drive: Any) -> None:
    driver = drive(capacity=1, **WIDE, **STOP)
    assert run(driver, [0.2, 0.5, 0.6] + [0.6] * 20) == 6
    assert driver.scheduler.exhausted
    assert driver.search.over
    assert driver.scheduler.short_of is None, "it lacks nothing"
    assert driver.states() == ["complete"] * 6
    again = drive(capacity=1, **WIDE, **STOP)
    assert again.start("a") is None, "so it is after a restart"


def test_it_goes_on_while_it_gains_or_nothing_is_solved(drive: Any) -> None:
    driver = drive(capacity=1, **WIDE, **STOP)
    assert run(driver, [0.0] * 10 + [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]) == 16


def test_what_runs_is_trained_to_its_end_and_the_best_is_confirmed(drive: Any) -> None:
    confirm = {"confirm": {"top": 1, "replicates": 2}}
    driver = drive(capacity=2, **WIDE, **STOP, **confirm)
    assert driver.start("late")
    assert run(driver, [0.5] * 20) == 4
    driver.finish("late", 0.5)
    ran = []
    while (job := driver.start("b")) is not None:
        ran.append(job.replicate.label)
        driver.finish("b", 0.5)
    assert ran == ["confirm-0", "confirm-1"]


def test_why_it_is_over_is_kept_whatever_came_of_what_ran(drive: Any) -> None:
    driver = drive(capacity=2, **WIDE, **STOP)
    driver.start("late")
    assert run(driver, [0.5] * 20) == 4
    reason = driver.search.over
    assert reason is not None
    driver.finish("late", 0.95)
    again = drive(capacity=1, **WIDE, **STOP)
    assert again.start("a") is None, "though the last one gained much"
    assert again.search.over == reason
    assert again.display.events == [("note", f"no new trial begins: {reason}")]
    other = {"stop_when": {**STOP["stop_when"], "patience": 4}}
    assert drive(capacity=1, **WIDE, **other).start("a"), "it is asked for something else"
    assert drive(capacity=1, **WIDE).start("a")


def test_where_budgets_differ_the_front_is_that_of_training_compute() -> None:
    dear, cheap = Ended(0, [(100, 0.5)]), Ended(1, [(100, 0.5)])
    dear.record, cheap.record = trial_record(training_flops=1000), trial_record(training_flops=10)
    for curve, gain in ((inference_curve, 0.0), (training_curve, 2 / 3)):
        volume = Hypervolume(curve)
        for at, one in enumerate((dear, cheap)):
            volume.add(one, at=float(at))  # type: ignore[arg-type]
        assert volume.gain(1) == pytest.approx(gain)


def test_stopped_trials_gain_nothing(drive: Any) -> None:
    rungs = {"rungs": {"at": [0.5], "minimum": 2}, "objectives": ["exact_accuracy"]}
    driver = drive(capacity=1, **WIDE, **STOP, **rungs)
    driver.start("a")
    driver.report("a", measurement(TOTAL // 2, 0.5))
    driver.finish("a", 0.5)
    while (job := driver.start("a")) is not None:  # each worse than those before
        driver.report("a", measurement(TOTAL // 2, 0.5 - job.record.number / 100))
        driver.scheduler.ended("a")
    assert driver.states() == [TrialState.COMPLETE, *[TrialState.STOPPED] * 3]


def test_the_regret_is_a_bound() -> None:
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    found = {}
    for count in (LEAST_TRIALS - 1, LEAST_TRIALS, 64):
        while len(study.trials) < count:
            trial = study.ask()
            study.tell(trial, -((trial.suggest_float("x", 0.0, 1.0) - 0.4) ** 2))
        found[count] = regret(study.trials, maximizes=True, seed=0)
    assert found[LEAST_TRIALS - 1] is None
    assert found[64] is not None
    assert -study.best_value <= found[64] < 0.5


SPACE = """\
name: toy
dataset: {name: sudoku, side: 4, train: 10, test: 10}
space: {N: {choices: [1, 2]}, T: {choices: [1, 2], when: {N: 2}}}
model: {hidden_size: 32, head_dim: 16}
budget: {trials: 4, flops_per_trial: 1.0e+9}
"""


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ("stop_when: {regret: 0.1}", "stop_when.regret"),
        ("stop_when: {patience: 3}", "stop_when"),
        ("stop_when: {hypervolume_gain: 0}", "stop_when.hypervolume_gain"),
        ("stop_when: {hypervolume_gain: 0.1, gain: 1}", "stop_when.gain"),
        (
            "objectives: [exact_accuracy, inference_flops]\nstop_when: {regret: 0.1}",
            "stop_when.regret",
        ),
    ],
)
def test_what_never_stops_a_search_is_refused(more: str, field: str) -> None:
    with pytest.raises(InputError) as found:
        SpaceFile.of(yaml.safe_load(SPACE + more)).resolve(None)
    assert found.value.field == field


def test_what_ends_out_of_turn_does_not_end_a_deterministic_search(drive: Any) -> None:
    search = {"deterministic": True, "sampler": "random"}
    near = {"stop_when": {"regret": 100.0}, "objectives": ["exact_accuracy"], "search": search}
    driver = drive(capacity=3, **WIDE, **near)
    assert all(driver.start(str(number)) for number in range(3))
    for number in range(LEAST_TRIALS - 2):
        driver.finish(str(number), number / 100)
        assert driver.start(str(number + 3))
    slow, *others = map(str, range(LEAST_TRIALS - 2, LEAST_TRIALS + 1))
    for one in others:
        driver.finish(one)
        assert driver.start("next") is None, "the slow one has to end first"
    driver.finish(slow)
    assert driver.start("next"), "it knows of too few"


def test_a_trial_that_is_promoted_counts_by_its_last_end(drive: Any) -> None:
    search = {"search": {"deterministic": True, "sampler": "random"}}
    driver = drive(
        capacity=2, **WIDE, **search, **{"stop_when": {**STOP["stop_when"], "patience": 2}}
    )
    driver.start("0")
    driver.start("1")
    driver.finish("0", 0.5)
    driver.start("2")
    driver.ask(Verb.STOP, trial=1)
    driver.scheduler.ended("1")
    driver.start("3")
    driver.finish("2", 0.5)
    driver.ask(Verb.PROMOTE, trial=1)
    assert driver.start("1").record.number == 1
    driver.finish("3", 0.5)
    assert driver.start("4") is None, "the promoted one has to end first"
    driver.finish("1", 0.9)
    assert driver.start("4"), "it gained something"


def test_a_deterministic_search_is_not_over_while_it_waits(
    drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = drive(capacity=2, **WIDE, **STOP, search={"deterministic": True})
    waited: list[bool] = []

    def reason(one: Convergence, known: Any) -> str | None:
        waited.append(not driver.search.may_propose)
        return None

    monkeypatch.setattr(Convergence, "reason", reason)
    driver.start("slow")
    driver.start("a")
    driver.finish("a")
    assert driver.start("a") is None
    driver.finish("slow")
    assert driver.start("a")
    assert waited
    assert not any(waited)


def test_a_fork_counts_its_own_trials_alone(drive: Any, make_spec: Any, tmp_path: Path) -> None:
    source = drive(capacity=1, **WIDE, **STOP)
    assert run(source, [0.5] * 20) == 4
    record = sweep_record(forked=str(source.folder.root), created=time.time())
    SweepFolder(tmp_path / "fork").create(record)
    budget = {"trials": 40, "flops_per_trial": 1e8}
    spec = make_spec(**{**WIDE, "budget": budget}, **STOP)
    fork = Driver(tmp_path / "fork", spec, 1)
    assert fork.states() == ["complete"] * 4
    assert run(fork, [0.6, 0.5, 0.6] + [0.6] * 20) == 4, "the first gained over the other sweep"
    again = Driver(tmp_path / "fork", spec, 1)
    assert again.start("a") is None, "so it is after a restart"


def test_a_regret_is_asked_after_so_many_trials_of_the_sweep_itself(
    drive: Any, make_spec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = {"objectives": ["exact_accuracy"], "stop_when": {"regret": 0.1}}
    source = drive(capacity=1, **{**WIDE, "budget": {"trials": 4, "flops_per_trial": 1e8}})
    assert run(source, [0.5] * 20) == 4
    SweepFolder(tmp_path / "fork").create(
        sweep_record(forked=str(source.folder.root), created=time.time())
    )
    asked: list[int] = []
    monkeypatch.setattr(convergence, "LEAST_TRIALS", 3)
    monkeypatch.setattr(convergence, "regret", lambda trials, *_: asked.append(len(trials)))
    fork = Driver(tmp_path / "fork", make_spec(**WIDE, **one), 1)
    run(fork, [0.5] * 4)
    fork.start("last")
    assert asked == [4 + 3, 4 + 4], "it knows of the other sweep's, too"


def test_the_regret_is_asked_at_every_twentieth_more() -> None:
    counts = [asked_at(complete) for complete in range(1000)]
    assert counts == sorted(counts)
    assert all(asked_at(count) == count <= n for n, count in enumerate(counts))
    asked = sorted(set(counts))
    assert asked[:3] == [0, LEAST_TRIALS, LEAST_TRIALS + 1]
    steps = pairwise(asked[1:])
    assert all(after - before == max(1, before // 20) for before, after in steps)


def test_the_regret_is_told_by_the_best_trials_alone() -> None:
    study = optuna.create_study(direction="minimize")
    distributions = {"x": optuna.distributions.FloatDistribution(0.0, 1.0)}
    for number in range(MOST_TRIALS + 100):
        x = number * 0.618 % 1
        value = x if number % 4 else 1e6  # a hundred far from all others
        one = optuna.create_trial(params={"x": x}, distributions=distributions, value=value)
        study.add_trial(one)
    best = sorted(study.trials, key=lambda one: one.value)[:MOST_TRIALS]
    found = regret(study.trials, maximizes=False, seed=0)
    assert found == regret(best, maximizes=False, seed=0)


def test_the_regret_of_a_sweep_is_asked_seldom_and_of_its_first_trials(
    drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def far(trials: list[Any], maximizes: bool, seed: int) -> float:
        asked.append(len(trials))
        return 1.0

    monkeypatch.setattr(convergence, "regret", far)
    wide = {**WIDE, "space": {"N": {"low": 1, "high": 90}}}
    wide["budget"] = {"trials": 60, "flops_per_trial": 1e8}
    near = {"stop_when": {"regret": 0.1}, "objectives": ["exact_accuracy"]}
    driver = drive(capacity=1, **wide, **near, search={"sampler": "random"})
    assert run(driver, [0.5] * 60) == 60
    assert asked == [n for n in range(LEAST_TRIALS, 60) if asked_at(n) == n]


def test_what_an_ancestor_spent_counts_where_compute_is_searched(make_sweep: Any) -> None:
    [trial] = summarize(make_sweep(TrialState.COMPLETE)).trials
    inherited = Inherited(
        sweep="toy",
        trial=1,
        replicate="measure-0",
        key="0001-ab/measure-0",
        sha256="0" * 64,
        lineage_flops=7,
    )
    ancestor = Ancestor(signature="ab", replicates=(inherited,))
    heir = replace(trial, record=replace(trial.record, ancestor=ancestor))
    [(own, solved)] = training_curve(trial)
    assert training_curve(heir) == [(own + 7, solved)]


def test_a_trial_that_never_began_is_not_paused(tmp_path: Path) -> None:
    trial = sweep_folder(tmp_path).trial(0, trial_record().signature)
    trial.create(trial_record())
    assert convergence._pause(trial) is None
