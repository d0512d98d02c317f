"""Sweeps on a cluster whose nodes are lost, leave, join, and lack things."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from raylets import Raylets
from sweep_builders import first

from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.trial import TrialState

pytestmark = [
    pytest.mark.slow,
    pytest.mark.chaos,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]

Start = Callable[..., Any]
LONG = (
    *("--set", "budget.flops_per_trial=6e10"),
    *("--set", "evaluation.at=[1]"),
    *("--set", "space.learning_rate.choices=[1e-3]"),
)
"""Trials of tens of seconds, which report twenty times."""


@pytest.fixture
def raylets(place: Any, wait_until: Any) -> Iterator[Raylets]:
    """A cluster that has no place for a trial as yet."""
    with tempfile.TemporaryDirectory(prefix="ray") as folder:  # its sockets want a short path
        raylets = Raylets(Path(folder), place.environment("cluster"))
        wait_until(lambda: raylets.head.is_up)
        yield raylets
        raylets.end()


@pytest.fixture
def autoscaled(place: Any, wait_until: Any) -> Iterator[Raylets]:
    """A cluster without a place for a trial, whose autoscaler makes two when they are wanted."""
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        raylets = Raylets(Path(folder), place.environment("cluster"), most=2)
        wait_until(lambda: raylets.head.is_up)
        yield raylets
        raylets.end()


def sweep_of(place: Any, name: str) -> SweepFolder:
    return SweepFolder(place.root / "runs" / name)


def steps(sweep: SweepFolder) -> list[int]:
    """The last step that each trial reported, 0 before the first."""
    return [first(trial).last_step for trial in sweep.trials()]


def saved(sweep: SweepFolder) -> bool:
    """Whether each trial has a checkpoint."""
    return all(first(trial).checkpoint.exists() for trial in sweep.trials())


def test_a_trial_outlives_its_nodes(
    place: Any, start: Start, raylets: Raylets, wait_until: Any
) -> None:
    sweep, node = sweep_of(place, "lost"), raylets.join()
    wait_until(lambda: node.is_up)
    out = ("--out", "runs/lost", "--trials", "1", "--address", raylets.address)
    driver = start(*LONG, *out)
    for _ in range(2):
        seen = steps(sweep)
        driver.wait_until(lambda seen=seen: steps(sweep) > seen and saved(sweep))
        node.kill()
        node = raylets.join()
    assert driver.wait() == 0, driver.said()
    assert driver.said().count("its host was lost") == 2
    assert "its worker was lost" not in driver.said()
    assert [session.end for session in sweep.sessions()] == [SessionEnd.DONE]


def test_a_node_that_is_about_to_end_saves_and_gets_nothing_new(
    place: Any, start: Start, raylets: Raylets, wait_until: Any
) -> None:
    sweep, node = sweep_of(place, "notified"), raylets.join()
    wait_until(lambda: node.is_up)
    out = ("--out", "runs/notified", "--trials", "1", "--address", raylets.address)
    driver = start(*LONG, *out)
    driver.wait_until(lambda: any(steps(sweep)))
    before = steps(sweep)[0]
    node.notify()
    driver.wait_until(lambda: "is about to leave" in driver.said())
    driver.wait_until(lambda: "trial 0 goes on" in driver.said())
    node.process.wait()  # it has half a minute, as Ray is set by default
    raylets.join()
    assert driver.wait() == 0, driver.said()
    assert "was lost" not in driver.said()
    starts = [
        json.loads(line)["step"]
        for line in (first(sweep.trials()[0]).root / "sessions.jsonl").read_text().splitlines()
    ]
    assert len(starts) == 2
    assert starts[1] >= before, "it went on from where it was when the notice came"


def test_more_trials_run_at_once_when_a_node_joins(
    place: Any, start: Start, raylets: Raylets, wait_until: Any
) -> None:
    sweep, node = sweep_of(place, "joined"), raylets.join()
    wait_until(lambda: node.is_up)
    out = ("--out", "runs/joined", "--trials", "3", "--address", raylets.address)
    driver = start(*LONG, *out, "--set", "budget.flops_per_trial=3e10")
    driver.wait_until(lambda: any(steps(sweep)))
    assert len(sweep.trials()) == 1
    other = raylets.join()
    driver.wait_until(lambda: node.workers() and other.workers())
    assert driver.wait() == 0, driver.said()
    assert "2 nodes, 2 of 2 CPU cores busy" in driver.said()
    assert "goes on" not in driver.said(), "nothing was started anew"


def test_an_autoscaler_adds_nodes_for_trials_and_takes_them_away(
    place: Any, start: Start, autoscaled: Raylets, wait_until: Any
) -> None:
    def nodes() -> int:
        return sum(part.name() == "raylet" for part in autoscaled.head.parts) - 1

    out = ("--out", "runs/scaled", "--trials", "2", "--address", autoscaled.address)
    driver = start(*LONG, *out, "--set", "budget.flops_per_trial=3e10")
    assert driver.wait() == 0, driver.said()
    assert "Ray's autoscaler is asked" in driver.said()
    assert "2 nodes, 2 of 2 CPU cores busy" in driver.said()
    trials = sweep_of(place, "scaled").trials()
    assert [trial.outcome().state for trial in trials] == [TrialState.COMPLETE] * 2
    wait_until(lambda: nodes() == 0)


def test_a_node_whose_host_lacks_the_folder_is_avoided(
    place: Any, start: Start, raylets: Raylets, wait_until: Any
) -> None:
    hides = f'mount -t tmpfs none {place.root} && exec "$0" "$@"'
    private = ("unshare", "--mount", "sh", "-c", hides)
    if subprocess.run([*private, "true"], capture_output=True, check=False).returncode:
        pytest.skip("the kernel gives no mount namespace")
    sweep, blind = sweep_of(place, "blind"), raylets.join(2, *private)
    wait_until(lambda: blind.is_up)
    seeing = raylets.join()
    wait_until(lambda: seeing.is_up)
    out = ("--out", "runs/blind", "--trials", "3", "--address", raylets.address)
    driver = start(*LONG, *out, "--set", "budget.flops_per_trial=6e9")
    assert driver.wait() == 0, driver.said()
    assert f"does not see {place.root}" in driver.said()
    [said] = [line for line in driver.said().splitlines() if "any more" in line]
    assert "nothing is placed on host" in said
    assert [trial.outcome().state for trial in sweep.trials()] == [TrialState.COMPLETE] * 3


def test_two_processes_a_trial_are_lost_and_go_on_as_one_would(
    place: Any, start: Start, raylets: Raylets, wait_until: Any
) -> None:
    sweep, node = sweep_of(place, "together"), raylets.join(2)
    wait_until(lambda: node.is_up)
    two = ("--set", "resources.cpus=2", "--set", "resources.processes=2")
    out = ("--out", "runs/together", "--trials", "1", "--address", raylets.address)
    driver = start(*LONG, *out, *two)
    driver.wait_until(lambda: any(steps(sweep)) and saved(sweep))
    members = node.running("processes.member")
    assert len(members) == 2
    members[1].kill()
    driver.wait_until(lambda: "ended by signal 9" in driver.said())
    assert "trial 0 goes on: process 1 of its 2 ended" in driver.said()
    driver.wait_until(lambda: "resumed" in driver.said())
    worker = node.workers()
    assert driver.wait() == 0, driver.said()
    assert worker, "the worker outlived it"
    assert [trial.outcome().state for trial in sweep.trials()] == [TrialState.COMPLETE]
    wait_until(lambda: not any(one.is_running() for one in members))
