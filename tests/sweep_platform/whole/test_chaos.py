"""Sweeps on three nodes of which something is killed again and again: `make chaos` runs it.

Worker, node, driver, tracking server and the way to the storage are taken away by a seeded draw,
and come back. Each sweep must end as one that nobody disturbed, bit for bit, and leave nothing
behind. Prints a table of what was done, for the record.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
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
TRIALS, NODES = 6, 3
PAUSE = (2.0, 30.0)
"""Seconds between two kills, the least and the most."""
AWAY = (2.0, 15.0)
"""Seconds that a node or a server is away."""
SWEEP = (
    *("--set", "budget.flops_per_trial=2e10"),
    *("--set", "space.learning_rate.choices=[1e-3]"),
    *("--set", "search.deterministic=true"),
    *("--set", "evaluation.at=[0.5, 1]"),
    *("--trials", str(TRIALS)),
)


@dataclass
class Row:
    """One kill: in which sweep, when, of what, for how long, and what the sweep had by then."""

    sweep: int
    seconds: float
    what: str
    away: float
    ended: int


class Chaos:
    """Three nodes, an MLflow server and a storage, of which parts are taken away."""

    def __init__(
        self,
        raylets: Raylets,
        server: MlflowServer,
        gate: Gate,
        start: Callable[..., Any],
        generator: np.random.Generator,
    ) -> None:
        self.raylets, self.server, self.gate = raylets, server, gate
        self.start, self.generator = start, generator
        self.rows: list[Row] = []
        self.driver: Any = None
        self._gone = self._missed = False

    def run(self, number: int, sweep: SweepFolder, kills: int, bucket: str) -> None:
        """Run a sweep to its end through at most so many kills."""
        began = time.monotonic()
        words = ("--out", str(sweep.root), "--start-or-resume", "--address", self.raylets.address)
        words += ("--storage", f"s3://{bucket}", "--tracking-uri", self.server.uri, *SWEEP)
        self.driver = self.start(*words)
        while self._lasts(self._between(PAUSE), words):
            if kills:
                kills -= 1
                ended = sum(trial.outcome() is not None for trial in sweep.trials())
                what, away = self._kill(words)
                self.rows.append(Row(number, time.monotonic() - began, what, away, ended))
                _print(len(self.rows), self.rows[-1])
            assert time.monotonic() - began < 1500, self.driver.said()
        if not sweep.sessions()[-1].told:
            again = self.start(*words)
            assert again.wait() == 0, again.said()

    def _lasts(self, seconds: float, words: tuple[str, ...]) -> bool:
        """Let the sweep go on for a while; False once it is done. One that was ended goes on.

        A driver that finds no server at its start is refused, and started again when there is one.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            status = self.driver.process.poll()
            if status == 0:
                return False
            if status is not None:
                assert status in (130, -9) or (status == 2 and self._missed), self.driver.said()
                if not self._gone:
                    self._missed = False
                    self.driver = self.start(*words)
            time.sleep(0.1)
        return True

    def _kill(self, words: tuple[str, ...]) -> tuple[str, float]:
        """Take one thing away for a while."""
        what = str(self.generator.choice(["worker", "node", "driver", "tracking", "storage"]))
        away = self._between(AWAY) if what in ("node", "tracking", "storage") else 0.0
        take, bring = getattr(self, f"_{what}")()
        take()
        self._gone = what in ("tracking", "storage")
        self._missed = self._missed or self._gone
        self._lasts(away, words)
        bring()
        self._gone = False
        return what, away

    def _worker(self) -> tuple[Callable[[], object], Callable[[], object]]:
        workers = [worker for node in self.raylets.nodes for worker in node.workers()]
        return (workers[self._index(workers)].kill if workers else _nothing), _nothing

    def _node(self) -> tuple[Callable[[], object], Callable[[], object]]:
        node = self.raylets.nodes.pop(self._index(self.raylets.nodes))
        return node.kill, self.raylets.join

    def _driver(self) -> tuple[Callable[[], object], Callable[[], object]]:
        return self.driver.kill, _nothing

    def _tracking(self) -> tuple[Callable[[], object], Callable[[], object]]:
        return self.server.kill, self.server.start

    def _storage(self) -> tuple[Callable[[], object], Callable[[], object]]:
        return self.gate.close, self.gate.open

    def _between(self, bounds: tuple[float, float]) -> float:
        return float(self.generator.uniform(*bounds))

    def _index(self, things: list[Any]) -> int:
        return int(self.generator.integers(len(things)))


def _nothing() -> None: ...


@pytest.fixture
def chaos(
    place: Any,
    wait_until: Any,
    start: Callable[..., Any],
    mlflow_database: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Chaos]:
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
        yield Chaos(raylets, server, gate, start, np.random.default_rng(SEED))


def by_replicate(sweep: SweepFolder) -> dict[str, list[dict[str, Any]]]:
    return {
        f"{trial.record().signature}/{replicate.label}": reported(replicate)
        for trial in sweep.trials()
        for replicate in trial.replicates()
    }


def test_a_sweep_outlives_whatever_is_killed(
    place: Any, start: Callable[..., Any], chaos: Chaos, mlflow_of: Any, tmp_path: Path
) -> None:
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
        chaos.run(number, sweep, KILLS - len(chaos.rows), "chaos")
        assert by_replicate(sweep) == expected
        outcomes = [trial.outcome() for trial in sweep.trials()]
        assert [outcome and outcome.state for outcome in outcomes] == [RunState.COMPLETE] * TRIALS
        backend = JournalStorage(JournalFileBackend(str(sweep.journal)))
        [study] = optuna.get_all_study_names(backend)
        states = [one.state for one in optuna.load_study(study_name=study, storage=backend).trials]
        assert optuna.trial.TrialState.RUNNING not in states
        mlflow = mlflow_of(sweep, chaos.server.uri)
        statuses = {run.info.status for run in (*mlflow.trials, *mlflow.parents)}
        assert statuses == {"FINISHED"}, statuses
        assert len(mlflow.by_replicate()) == TRIALS
        assert not place.processes("driver"), "a process was left behind"
        print(f"sweep {number} ended as the undisturbed one, in {len(sweep.sessions())} sessions")
    chaos.raylets.end()
    assert set(Path("/dev/shm").iterdir()) <= memory
    left = [path for path in (tmp_path / "temporary").rglob("*") if path.is_file()]
    assert not left


HEADING = (
    "| kill | sweep | second | what | away | trials ended by then |\n|--:|--:|--:|---|--:|--:|"
)


def _print(number: int, row: Row) -> None:
    away = f"{row.away:.0f} s" if row.away else "-"
    cells = (number, row.sweep, f"{row.seconds:.0f}", row.what, away, row.ended)
    print(f"| {' | '.join(map(str, cells))} |", flush=True)
