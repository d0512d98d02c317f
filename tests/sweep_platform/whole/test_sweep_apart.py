"""A sweep on hosts that share no file system: checkpoints and puzzles go through a storage."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ray_nodes import Hosts, why_no_namespaces
from s3_server import Gate
from sweep_survival import by_signature, numbers, states

from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.storage.objects import Objects, open_objects
from sweep_platform.store.trial import TrialState

pytestmark = [
    pytest.mark.slow,
    pytest.mark.chaos,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]

Start = Callable[..., Any]
NEED = pytest.mark.skipif(
    why_no_namespaces() is not None, reason=f"no mount namespaces here: {why_no_namespaces()}"
)


@pytest.fixture
def hosts(place: Any, s3: str) -> Iterator[Hosts]:
    """Two hosts, and a head where the driver runs."""
    with closing(Hosts(place.environment("cluster"), [place.root])) as found:
        for number in (2, 3):
            found.add(number)
        found.wait_for(2)
        yield found


@NEED
def test_hosts_that_share_no_folder_come_to_the_same_numbers(
    place: Any,
    start: Start,
    finished: tuple[Any, SweepFolder],
    hosts: Hosts,
    s3: str,
    s3_gate: Gate,
    wait_until: Callable[..., None],
) -> None:
    sweep = SweepFolder(place.root / "runs/apart")
    driver = start(
        *("--out", "runs/apart", "--address", hosts.address, "--storage", f"{s3}/sweeps")
    )
    driver.wait_until(lambda: " started" in driver.said())
    driver.wait_until(lambda: any(states(sweep)))
    s3_gate.close()  # a storage that is killed and comes back
    wait_until(lambda: driver.process.poll() is not None or "can't be" in driver.said())
    s3_gate.open()
    assert driver.wait() == 0, driver.said()
    undisturbed = by_signature(finished[1])
    assert len(by_signature(sweep)) == len(undisturbed)
    for signature, trial in by_signature(sweep).items():
        assert numbers(trial) == numbers(undisturbed[signature])
    stored = open_objects(f"{s3}/sweeps/apart/checkpoints")
    held = {one.name.split("/")[0] for one in stored.list()}
    ended = zip(sweep.trials(), states(sweep), strict=True)
    assert held == {one.root.name for one, state in ended if state is TrialState.COMPLETE}
    assert_no_secrets(place.root, driver.said())


def test_a_sweep_whose_head_is_lost_goes_on_elsewhere(
    place: Any,
    start: Start,
    finished: tuple[Any, SweepFolder],
    s3: str,
    wait_until: Callable[..., None],
) -> None:
    first, second = (SweepFolder(place.root / "runs" / name) for name in ("lost", "found"))
    mirror = open_objects(f"{s3}/sweeps/lost/mirror")
    mirrors = ("--storage", f"{s3}/sweeps", "--set", "storage.mirror=true", "--trials", "12")
    head = start("--out", "runs/lost", *mirrors)
    head.wait_until(lambda: sum(map(bool, states(first))) >= 2)
    head.wait_until(lambda: packs(mirror) >= 2)
    head.kill()
    shutil.rmtree(first.root)
    where = ("--out", "runs/found", "--resume", f"{s3}/sweeps/lost")
    early = start(*where)
    assert early.wait() == 2, "another driver may still be alive"
    assert "is written by another driver" in early.said()
    mirror.write_json("newest.json", {**json.loads(mirror.read("newest.json") or b""), "beat": 1})

    late = start(*where, "--tracking-uri", f"sqlite:///{place.root}/second.db")
    assert late.wait() == 0, late.said()
    undisturbed = by_signature(finished[1])
    found = by_signature(second)
    assert len(second.trials()) == len(found) == 12
    assert all(states(second))
    for signature, trial in undisturbed.items():  # the first of them
        assert numbers(found[signature]) == numbers(trial)
    assert [session.end for session in second.sessions()] == [None, SessionEnd.DONE]


def packs(mirror: Objects) -> int:
    """How many packs there are of the mirror's generation."""
    text = mirror.read("newest.json")
    return int(json.loads(text)["packs"]) if text else 0


def assert_no_secrets(root: Path, said: str) -> None:
    """Neither records nor what was said hold the credentials of the storage."""
    files = [path.read_bytes() for path in root.rglob("*") if path.is_file()]
    assert not [one for one in (said.encode(), *files) if b"s3cr3t-of-tests" in one]
