"""With `search.deterministic` the seed decides what is proposed, not who finishes first."""

import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweep_builders import TOTAL, measurement
from sweep_driver import Driver

from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.messages import Decision
from sweep_platform.store.trial import TrialFolder

RUNGS = {"at": [0.5], "minimum": 2, "keep": 0.5}
Found = list[tuple[dict[str, Any], str | None, list[float] | None]]


def accuracy(parameters: dict[str, Any], replicate: int) -> float:
    """What a replicate solves: no two configurations the same."""
    n, t = parameters["N"], parameters["T"]
    return 1 / (1 + abs(n - 3) + abs(t - 5)) - n / 100 + replicate * (-1) ** t / 50


def spec_of(make_spec: Any, **changes: Any) -> SweepSpec:
    spec: SweepSpec = make_spec(
        **{
            "space": {"N": {"low": 1, "high": 6}, "T": {"low": 1, "high": 6}},
            "objectives": ["exact_accuracy"],
            "search": {"deterministic": True, "startup_trials": 2},
            "budget": {"trials": 7, "flops_per_trial": 1e8},
            **changes,
        }
    )
    return spec


def run(root: Path, spec: SweepSpec, at_once: int, chance: random.Random | None) -> Found:
    """Train all that there is: the oldest job ends first, or any; a driver may die in between."""
    driver, ids = Driver(root, spec, at_once), iter(range(10_000))
    live: list[str] = []
    while True:
        while driver.start(key := str(next(ids))) is not None:
            live.append(key)
        if not live:
            break
        key = live.pop(chance.randrange(len(live)) if chance else 0)
        end(driver, key)
        if chance and chance.random() < 0.1:
            driver, live = Driver(root, spec, at_once), []
    assert driver.scheduler.exhausted
    return told(driver)


def end(driver: Driver, key: str) -> None:
    """Let a job come to its end, or to the rung that it is stopped at."""
    job = driver.running[key]
    number = job.replicate.number
    solved = accuracy(job.record.parameters, number)
    driver.report(key, measurement(TOTAL // 2, solved))
    if driver.told(job.record.number, number) is Decision.CONTINUE:
        driver.finish(key, solved)
    else:
        driver.scheduler.ended(key)


def told(driver: Driver) -> Found:
    """Every configuration, how it ended, and what the study has of it."""
    of_study = driver.search.study.trials()
    return [
        (record.parameters, state, of_study[record.study_number].values)
        for trial, state in zip(driver.folder.trials(), driver.states(), strict=True)
        for record in [trial.record()]
    ]


@pytest.mark.parametrize("rungs", [{}, RUNGS], ids=["to the end", "with a rung"])
@pytest.mark.parametrize(("at_once", "several"), [(2, 1), (3, 1), (4, 2)])
def test_the_order_in_which_trials_end_changes_nothing(
    make_spec: Any, tmp_path: Path, at_once: int, several: int, rungs: dict[str, Any]
) -> None:
    spec = spec_of(make_spec, rungs=rungs, replicates=several)
    expected = run(tmp_path / "toy", spec, at_once, None)
    assert len(expected) == 7
    assert {state for _, state, _ in expected} >= ({"complete", "stopped"} if rungs else set())
    for seed in range(2):
        assert run(tmp_path / str(seed), spec, at_once, random.Random(seed)) == expected


def test_nor_does_it_change_who_is_screened_out(make_spec: Any, tmp_path: Path) -> None:
    screening = {"replicates": 1, "keep": 0.5, "minimum": 2}
    spec = spec_of(make_spec, replicates=3, screening=screening)
    expected = run(tmp_path / "toy", spec, 2, None)
    screened = [Driver(tmp_path / "toy", spec, 2).of_replicates(number) for number in range(7)]
    assert {len(each) for each in screened} == {1, 3}
    for seed in range(2):
        assert run(tmp_path / str(seed), spec, 2, random.Random(seed)) == expected


@settings(max_examples=8)
@given(
    seed=st.integers(0, 10**6),
    at_once=st.integers(1, 3),
    sampler=st.sampled_from(["tpe", "random", "nsga2"]),
)
def test_in_whatever_order_they_end(make_spec: Any, seed: int, at_once: int, sampler: str) -> None:
    search = {"deterministic": True, "startup_trials": 1, "sampler": sampler}
    budget = {"trials": 5, "flops_per_trial": 1e8}
    spec = spec_of(make_spec, rungs=RUNGS, search=search, budget=budget, seed=seed)
    with TemporaryDirectory() as name:
        expected = run(Path(name, "one"), spec, at_once, None)
        assert run(Path(name, "other"), spec, at_once, random.Random(seed)) == expected


def test_generations_follow_one_another(make_spec: Any, tmp_path: Path) -> None:
    search = {"deterministic": True, "startup_trials": 2, "sampler": "nsga2"}
    driver = Driver(tmp_path, spec_of(make_spec, search=search), 2)
    live = [key for key in "ab" if driver.start(key)]
    for key in "cdefgh":
        end(driver, live.pop(0))
        live += [key] if driver.start(key) else []
    kept = [one.system_attrs for one in driver.search.study.trials()]
    generations = [v for each in kept for k, v in each.items() if k.endswith("generation")]
    assert max(generations) >= 2
    assert generations == sorted(generations)


def test_a_trial_that_has_ended_is_looked_at_once(
    make_spec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, looked = Driver(tmp_path, spec_of(make_spec), 1), []
    real = TrialFolder.outcome
    for key in "abcd":
        driver.start(key)
        end(driver, key)
    assert driver.search.may_propose
    monkeypatch.setattr(TrialFolder, "outcome", lambda one: looked.append(one) or real(one))
    assert driver.search.may_propose
    assert not looked


def test_another_seed_proposes_others(make_spec: Any, tmp_path: Path) -> None:
    one, other = (
        run(tmp_path / str(seed), spec_of(make_spec, seed=seed), 2, None) for seed in (1, 2)
    )
    assert one != other


def test_a_session_of_another_size_goes_on_as_it_began(make_spec: Any, tmp_path: Path) -> None:
    spec = spec_of(make_spec)
    expected = run(tmp_path / "whole", spec, 3, None)
    driver = Driver(tmp_path / "toy", spec, 3)
    for key in "abc":
        driver.start(key)
    end(driver, "b")
    assert run(tmp_path / "toy", spec, 1, None) == expected
