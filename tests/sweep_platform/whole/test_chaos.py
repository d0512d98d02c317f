"""Sweeps on three nodes of which something is killed again and again: `make chaos` runs it.

Worker, node, driver, tracking server and the way to the storage are taken away by a seeded draw,
and come back. Each sweep must end as one that nobody disturbed, bit for bit, and leave nothing
behind. Prints a table of what was done, for the record.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from chaos import HEADING, NODES, Chaos
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from raylets import Raylets
from s3_server import Gate, S3Server, environment
from sweep_survival import reported
from trackers import MlflowServer

from hrm.runs.folder import RunState
from sweep_platform.store.folder import SweepFolder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.chaos,
    pytest.mark.timeout(5400),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]

SEED, KILLS = int(os.environ.get("CHAOS_SEED", "0")), int(os.environ.get("CHAOS_KILLS", "40"))
TRIALS = 6
SWEEP = (
    *("--set", "budget.flops_per_trial=2e10"),
    *("--set", "space.learning_rate.choices=[1e-3]"),
    *("--set", "search.deterministic=true"),
    *("--set", "evaluation.at=[0.5, 1]"),
    *("--trials", str(TRIALS)),
)


@pytest.fixture
def cluster_of_chaos(
    place: Any,
    wait_until: Any,
    start: Callable[..., Any],
    mlflow_database: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Chaos, tuple[str, ...]]]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with ExitStack() as held:
        storage = S3Server(tmp_path)
        held.callback(storage.kill)
        storage.make_bucket("chaos")
        gate = Gate(storage.port)
        held.callback(gate.close)
        for name, value in environment(gate.port).items():
            monkeypatch.setenv(name, value)
        server = MlflowServer(tmp_path, mlflow_database)
        server.start()
        held.callback(server.kill)
        folder = held.enter_context(tempfile.TemporaryDirectory(prefix="ray", dir="/tmp"))
        raylets = Raylets(Path(folder), place.environment("cluster"))
        held.callback(raylets.end)
        wait_until(lambda: raylets.head.is_up)
        for _ in range(NODES):
            node = raylets.join()
            wait_until(lambda node=node: node.is_up)
        services = {"tracking": (server.kill, server.start), "storage": (gate.close, gate.open)}
        chaos = Chaos(raylets, start, np.random.default_rng(SEED), services)
        storing = ("--address", raylets.address, "--storage", "s3://chaos")
        yield chaos, (*storing, "--tracking-uri", server.uri)


def by_replicate(sweep: SweepFolder) -> dict[str, list[dict[str, Any]]]:
    return {
        f"{trial.record().signature}/{replicate.label}": reported(replicate)
        for trial in sweep.trials()
        for replicate in trial.replicates()
    }


def test_a_sweep_outlives_whatever_is_killed(
    place: Any,
    start: Callable[..., Any],
    cluster_of_chaos: tuple[Chaos, tuple[str, ...]],
    mlflow_of: Any,
    tmp_path: Path,
) -> None:
    chaos, there = cluster_of_chaos
    calm = SweepFolder(place.root / "runs/calm")
    undisturbed = start("--out", str(calm.root), *SWEEP)
    assert undisturbed.wait(900) == 0, undisturbed.said()
    expected = by_replicate(calm)
    memory = set(Path("/dev/shm").iterdir())
    print(f"\nSeed {SEED}: {KILLS} kills, sweeps of {TRIALS} trials on {NODES} nodes\n\n{HEADING}")
    number = 0
    while len(chaos.rows) < KILLS:
        number += 1
        sweep = SweepFolder(place.root / f"runs/chaos-{number}")
        words = ("--out", str(sweep.root), "--start-or-resume", *there, *SWEEP)
        chaos.run(number, sweep, KILLS - len(chaos.rows), words)
        assert by_replicate(sweep) == expected
        outcomes = [trial.outcome() for trial in sweep.trials()]
        assert [outcome and outcome.state for outcome in outcomes] == [RunState.COMPLETE] * TRIALS
        backend = JournalStorage(JournalFileBackend(str(sweep.journal)))
        [study] = optuna.get_all_study_names(backend)
        states = [one.state for one in optuna.load_study(study_name=study, storage=backend).trials]
        assert optuna.trial.TrialState.RUNNING not in states
        mlflow = mlflow_of(sweep, there[-1])
        statuses = {run.info.status for run in (*mlflow.trials, *mlflow.parents)}
        assert statuses == {"FINISHED"}, statuses
        assert len(mlflow.by_replicate()) == TRIALS
        assert not place.processes("driver"), "a process was left behind"
        print(f"sweep {number} ended as the undisturbed one, in {len(sweep.sessions())} sessions")
    chaos.raylets.end()
    assert set(Path("/dev/shm").iterdir()) <= memory
    left = [path for path in (tmp_path / "temporary").rglob("*") if path.is_file()]
    assert not left
