"""Sweeps on three nodes of which something is taken away again and again, by a seeded draw."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from raylets import Raylets

from sweep_platform.store.folder import SweepFolder

PAUSE = (2.0, 30.0)
"""Seconds between two kills, the least and the most."""
AWAY = (2.0, 15.0)
"""Seconds that a node or a server is away."""
NODES, PATIENCE = 3, 1500.0
HEADING = (
    "| kill | sweep | second | what | away | trials ended by then |\n|--:|--:|--:|---|--:|--:|"
)

Act = Callable[[], object]


@dataclass
class Row:
    """One kill: in which sweep, when, of what, for how long, and what the sweep had by then."""

    sweep: int
    seconds: float
    what: str
    away: float
    ended: int


class Chaos:
    """Three nodes and services, of which parts are taken away.

    `services` are what can be away for a while besides nodes, each by how it goes and comes back.
    """

    def __init__(
        self,
        raylets: Raylets,
        start: Callable[..., Any],
        generator: np.random.Generator,
        services: Mapping[str, tuple[Act, Act]],
        pause: tuple[float, float] = PAUSE,
    ) -> None:
        self.raylets, self._services, self._pause = raylets, services, pause
        self.start, self.generator = start, generator
        self.rows: list[Row] = []
        self.driver: Any = None
        self._gone = self._missed = False

    def run(
        self,
        number: int,
        sweep: SweepFolder,
        kills: int,
        words: tuple[str, ...],
        between: Callable[[], object] = lambda: None,
    ) -> None:
        """Run a sweep to its end through at most so many kills, and do something after each."""
        began = time.monotonic()
        self.driver = self.start(*words)
        while self.lasts(self._between(self._pause), words):
            if kills:
                kills -= 1
                ended = sum(trial.outcome() is not None for trial in sweep.trials())
                what, away = self._kill(words)
                self.rows.append(Row(number, time.monotonic() - began, what, away, ended))
                _print(len(self.rows), self.rows[-1])
            between()
            assert time.monotonic() - began < PATIENCE, self.driver.said()
        if not sweep.sessions()[-1].told:
            again = self.start(*words)
            assert again.wait() == 0, again.said()

    def lasts(self, seconds: float, words: tuple[str, ...]) -> bool:
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
        what = str(self.generator.choice(["worker", "node", "driver", *self._services]))
        away = self._between(AWAY) if what == "node" or what in self._services else 0.0
        own = {"worker": self._worker, "node": self._node, "driver": self._driver}
        take, bring = self._services[what] if what in self._services else own[what]()
        take()
        self._gone = what in self._services
        self._missed = self._missed or self._gone
        self.lasts(away, words)
        bring()
        self._gone = False
        return what, away

    def _worker(self) -> tuple[Act, Act]:
        workers = [worker for node in self.raylets.nodes for worker in node.workers()]
        return (workers[self._index(workers)].kill if workers else _nothing), _nothing

    def _node(self) -> tuple[Act, Act]:
        node = self.raylets.nodes.pop(self._index(self.raylets.nodes))
        return node.kill, self.raylets.join

    def _driver(self) -> tuple[Act, Act]:
        return self.driver.kill, _nothing

    def _between(self, bounds: tuple[float, float]) -> float:
        return float(self.generator.uniform(*bounds))

    def _index(self, things: list[Any]) -> int:
        return int(self.generator.integers(len(things)))


def _nothing() -> None: ...


def _print(number: int, row: Row) -> None:
    away = f"{row.away:.0f} s" if row.away else "-"
    cells = (number, row.sweep, f"{row.seconds:.0f}", row.what, away, row.ended)
    print(f"| {' | '.join(map(str, cells))} |", flush=True)
