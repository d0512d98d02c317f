"""Sweeps on a cluster whose nodes are lost, leave, join, and lack things."""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from raylets import Raylets
from sweep_builders import first

from sweep_platform.store.folder import SessionEnd, SweepFolder

pytestmark = [
    pytest.mark.slow,
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
    assert driver.wait(300) == 0, driver.said()
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
    assert "trial 0 goes on from its checkpoint" in driver.said()
    node.process.wait(60)  # it has half a minute, as Ray is set by default
    raylets.join()
    assert driver.wait(300) == 0, driver.said()
    assert "was lost" not in driver.said()
    starts = [
        json.loads(line)["step"]
        for line in (first(sweep.trials()[0]).root / "sessions.jsonl").read_text().splitlines()
    ]
    assert len(starts) == 2
    assert starts[1] >= before, "it went on from where it was when the notice came"
