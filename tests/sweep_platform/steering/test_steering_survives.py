"""Wherever the driver dies over its messages, the next session comes to the same, once."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sweep_builders import measurement
from sweep_driver import Driver, Killed

from sweep_platform.store.steering.messages import Verb

ASKED: tuple[tuple[Verb, dict[str, Any]], ...] = (
    (Verb.ADD, {"N": 2, "T": 3}),
    (Verb.STOP, {"trial": 0}),
    (Verb.PROMOTE, {"trial": 1}),
    (Verb.EXTEND, {"trials": "+2"}),
    (Verb.ADD, {"N": 2, "T": 3}),
    (Verb.PAUSE, {}),
    (Verb.STOP, {"trial": 9}),
)
SPACE = {"N": {"choices": [1, 2, 3]}, "T": {"choices": [3, 4, 5, 6]}}


def begun(root: Path, spec: Any) -> Driver:
    """A session of which trial 0 runs and trial 1 was stopped at a rung."""
    driver = Driver(root, spec, capacity=2)
    driver.start("a")
    driver.start("b")
    driver.report("a", measurement(50, 0.5))
    driver.report("b", measurement(50, 0.25))
    driver.scheduler.ended("b")
    for verb, arguments in ASKED:
        driver.folder.messages.send(verb, arguments)
    return driver


def outlook(root: Path, spec: Any) -> dict[str, Any]:
    """What a session that takes up the sweep finds once it has taken all messages."""
    driver = Driver(root, spec, capacity=4)
    driver.steering.begin()
    history = driver.folder.messages.history()
    paused = driver.start("x")
    driver.scheduler.interventions.go_on()
    jobs = [job for key in "cd" if (job := driver.start(key))]
    study = driver.search.study
    numbers = [trial.record().study_number for trial in driver.folder.trials()]
    return {
        "answers": [one.state for one in history],
        "settled": [one.answer.settled for one in history if one.answer],
        "states": driver.states(),
        "points": [trial.record().parameters for trial in driver.folder.trials()],
        "study": [study.trials()[number].state.name for number in numbers],
        "promoted": [study.attribute(number, "promoted", 0) for number in numbers],
        "budget": driver.folder.record().spec["budget"],
        "paused": paused is None,
        "next": sorted(job.record.number for job in jobs),
        "begun": driver.budget.trials,
    }


@pytest.fixture
def spec(make_spec: Callable[..., Any]) -> Any:
    return make_spec(
        objectives=["exact_accuracy"],
        rungs={"at": [0.5], "minimum": 2, "keep": 0.5},
        space=SPACE,
        budget={"trials": 5, "flops_per_trial": 1e8},
    )


def kill_at(monkeypatch: pytest.MonkeyPatch, nth: int) -> Callable[[], int]:
    """Let the nth time that anything is made to last be the last thing done."""
    real, calls = os.fsync, 0

    def dying(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise Killed
        real(descriptor)

    monkeypatch.setattr(os, "fsync", dying)
    return lambda: calls


def test_a_driver_that_dies_at_any_write_leaves_nothing_undone_or_done_twice(
    tmp_path: Path, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = begun(tmp_path / "whole", spec)
    with monkeypatch.context() as patched:
        writes = kill_at(patched, 0)
        driver.steering.look()
    expected = outlook(tmp_path / "whole", spec)
    assert expected["answers"] == ["done"] * 4 + ["refused", "done", "refused"]
    assert expected["states"] == ["stopped", None, None]
    assert expected["next"] == [1, 2]
    assert expected["paused"]
    for nth in range(1, writes() + 1):
        driver = begun(tmp_path / str(nth), spec)
        with monkeypatch.context() as patched:
            kill_at(patched, nth)
            with pytest.raises(Killed):
                driver.steering.look()
        assert outlook(tmp_path / str(nth), spec) == expected, f"killed at write {nth}"
