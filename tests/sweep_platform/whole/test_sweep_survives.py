"""Sweeps whose driver or workers are killed, interrupted or out of time."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil
import pytest
from sweep_builders import first
from sweep_survival import by_signature, numbers, states

from sweep_platform.cli import main
from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.pruning.told import read_rungs
from sweep_platform.store.summary import wall_seconds
from sweep_platform.store.trial import TrialState

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]

Start = Callable[..., Any]
ENDLESS = (
    *("--set", "budget.flops_per_trial=1e15"),
    *("--set", "evaluation.at=[1e-7]"),
)
"""No machine comes to the end of such a trial; it reports early, and then for hours no more."""


def reported(sweep: SweepFolder) -> int:
    """How many trials without an outcome have reported."""
    running = [t for t, state in zip(sweep.trials(), states(sweep), strict=True) if not state]
    return sum(1 for trial in running if first(trial).last_step)


def space_with(place: Any, learning_rates: str) -> tuple[str, str]:
    """The option that names a space with these learning rates."""
    path = place.root / f"{learning_rates}.yaml"
    path.write_text(place.space.read_text().replace("[1e-3, 1e30]", learning_rates))
    return "--space", str(path)


def test_a_sweep_that_is_killed_again_and_again_ends_like_one_left_alone(
    place: Any,
    start: Start,
    finished: tuple[Any, SweepFolder],
    cluster: str,
    mlflow_of: Any,
    monkeypatch: Any,
    capsys: Any,
) -> None:
    sweep = SweepFolder(place.root / "runs/killed")
    here = ("--out", "runs/killed")
    early = start(*here)
    early.wait_until(sweep.trials)
    for _ in range(3):  # as an impatient person or scheduler does, while it is still ending
        if early.process.poll() is None:
            early.process.terminate()
            with suppress(psutil.TimeoutExpired):
                early.process.wait(0.3)
    assert early.wait() == 130, early.said()
    assert "Traceback" not in early.said()

    late = start(*here, "--resume", "--address", cluster)
    late.wait_until(lambda: any(states(sweep)) and reported(sweep))
    monkeypatch.chdir(place.root)
    assert main(["--space", str(place.space), *here, "--resume"]) == 2
    assert "another process runs this sweep" in capsys.readouterr().err
    late.kill()

    last = start(*here, "--resume")
    last.wait_until(lambda: " exact accuracy " in last.said())
    for worker in place.workers():
        worker.kill()
    assert last.wait() == 0, last.said()
    assert "its worker was lost" in last.said()

    first, *later = [session.end for session in sweep.sessions()]
    assert first in (None, SessionEnd.INTERRUPTED)
    assert later == [None, SessionEnd.DONE]
    undisturbed = by_signature(finished[1])
    assert len(by_signature(sweep)) == 5
    for signature, trial in by_signature(sweep).items():
        assert numbers(trial) == numbers(undisturbed[signature])
        outcome, expected = trial.outcome(), undisturbed[signature].outcome()
        assert outcome and expected and outcome.state is expected.state
    mlflow = mlflow_of(sweep)
    assert [run.info.status for run in mlflow.parents] == ["FINISHED"]
    runs = mlflow.by_signature()
    assert set(runs) == set(by_signature(sweep))
    assert "RUNNING" not in {run.info.status for run in runs.values()}


def test_an_interrupted_sweep_reports_goes_on_and_ends_by_the_clock(
    place: Any, start: Start, cluster: str, mlflow_of: Any
) -> None:
    sweep = SweepFolder(place.root / "runs/interrupted")
    here = (*space_with(place, "[1e-3]"), "--out", "runs/interrupted")
    driver = start(*here, *ENDLESS)
    driver.wait_until(lambda: reported(sweep))
    assert place.listening() <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    os.killpg(driver.process.pid, signal.SIGINT)  # as a terminal does
    assert driver.wait() == 130, driver.said()
    assert driver.err.read_text() == ""
    assert "--resume" in driver.out.read_text().splitlines()[-1]
    assert "cut short" in (sweep.report / "report.md").read_text()
    assert (sweep.report / "report.html").exists()
    assert TrialState.PAUSED in states(sweep), "what had begun was told to save"
    mlflow = mlflow_of(sweep)
    assert [run.info.status for run in mlflow.parents] == ["KILLED"]
    assert {run.info.status for run in mlflow.trials} == {"KILLED"}

    second = start(*here, "--resume")
    second.wait_until(lambda: len(sweep.sessions()) == 2)
    second.process.terminate()
    assert second.wait() == 130, second.said()
    assert second.err.read_text() == ""
    assert [session.end for session in sweep.sessions()] == [SessionEnd.INTERRUPTED] * 2

    written = [m.time_ms / 1000 for trial in sweep.trials() for m in first(trial).measurements()]
    minutes = (wall_seconds(sweep.sessions(), written) + 8) / 60
    third = start(*here, "--resume", "--set", f"budget.minutes={minutes}", "--address", cluster)
    assert third.wait() == 3, third.said()
    assert "Incomplete: 0 of 5 trials complete" in third.said()
    assert set(states(sweep)) == {TrialState.STOPPED}
    reasons = {trial.outcome().reason for trial in sweep.trials()}
    assert reasons == {"the sweep's time was up"}
    assert "the sweep's time was up" in (sweep.report / "report.md").read_text()
    assert sum(len(numbers(trial)) for trial in sweep.trials()) > 0
    mlflow = mlflow_of(sweep)
    assert [run.info.status for run in mlflow.parents] == ["FINISHED"]
    assert len(mlflow.by_signature()) == len(sweep.trials())


@pytest.mark.chaos
def test_a_sweep_that_promotes_is_killed_and_ends_each_of_its_trials_once(
    place: Any, start: Start, cluster: str, mlflow_of: Any
) -> None:
    sweep = SweepFolder(place.root / "runs/promoted")
    rungs = "rungs={rule: promotion, at: [0.25, 0.5], minimum: 2, compare: token_accuracy}"
    here = (*space_with(place, "[1e-3]"), "--out", "runs/promoted", "--set", rungs)
    early = start(*here)
    early.wait_until(lambda: TrialState.PAUSED in states(sweep))
    early.kill()
    late = start(*here, "--resume", "--address", cluster)
    late.wait_until(lambda: any(states(sweep)) and "resumed" in late.said())
    late.kill()
    last = start(*here, "--resume")
    assert last.wait() == 0, last.said()
    assert len(by_signature(sweep)) == 5
    outcomes = [trial.outcome() for trial in sweep.trials()]
    assert {one.state for one in outcomes if one} == {TrialState.COMPLETE, TrialState.STOPPED}
    assert all(outcomes)
    assert all(len(numbers(trial)) > 0 for trial in sweep.trials()), "no step twice"
    told = read_rungs(sweep.root)
    assert told.stopped == tuple(
        n for n, one in enumerate(outcomes) if one and one.state is TrialState.STOPPED
    )
    assert told.paused, "whoever comes first pauses"
    assert "paused, of which" in (sweep.report / "report.md").read_text()
    runs = mlflow_of(sweep).by_signature()
    assert {run.info.status for run in runs.values()} == {"FINISHED", "KILLED"}


def test_a_sweep_none_of_whose_trials_learned_has_failed(
    place: Any, start: Start, cluster: str, mlflow_of: Any
) -> None:
    out = ("--out", "runs/failing", "--trials", "2", "--address", cluster)
    driver = start(*space_with(place, "[1e30]"), *out)
    assert driver.wait() == 1, driver.said()
    assert driver.err.read_text() == ""
    sweep = SweepFolder(place.root / "runs/failing")
    assert states(sweep) == [TrialState.FAILED] * 2
    mlflow = mlflow_of(sweep)
    assert {run.info.status for run in [*mlflow.parents, *mlflow.trials]} == {"FAILED"}


def test_a_worker_that_ray_kills_for_memory_says_so(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray is told that little memory is much, and so kills each worker that there is."""
    monkeypatch.setenv("RAY_memory_usage_threshold", "0.001")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "100")
    driver = start("--out", "runs/without-memory")
    driver.wait_until(lambda: "its worker was" in driver.said())
    assert "its worker was ended by Ray, for the memory of its host" in driver.said()


@pytest.mark.chaos
def test_workers_that_were_stopped_are_ended_and_their_trials_go_on(
    place: Any, start: Start
) -> None:
    """One of them has just ended a trial, and is yet to take up the next."""
    sweep = SweepFolder(place.root / "runs/stopped")
    settings = ("resources.patience=0.25", "budget.flops_per_trial=1e10", "budget.trials=4")
    words = [word for one in settings for word in ("--set", one)]
    driver = start(*space_with(place, "[1e-3]"), "--out", "runs/stopped", *words)
    driver.wait_until(lambda: any(states(sweep)))
    stopped = place.workers()
    for worker in stopped:
        worker.suspend()  # SIGSTOP: it neither works nor hears anything
    driver.wait_until(lambda: "showed no sign of life for 15 s" in driver.said())
    assert driver.wait() == 0, driver.said()
    assert not any(worker.is_running() for worker in stopped)
    assert states(sweep) == [TrialState.COMPLETE] * 4
    assert all(map(numbers, sweep.trials()))
