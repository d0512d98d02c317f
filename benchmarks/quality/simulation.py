"""A simulated cluster of a few workers: trainings take as long as their FLOPs and cost as much."""

import heapq
import itertools
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from quality.table import Cell, Rung, Table

WORKERS = 4


class Work(NamedTuple):
    """A training that a worker takes up: its key, cell, seed, and the rung that comes next."""

    key: str
    cell: Cell
    seed: int
    rung: int = 0


class Method(Protocol):
    """A way to search, which a simulated cluster asks what to train."""

    def start(self) -> Work | None:
        """What a free worker is to train; None where there is nothing now."""

    def report(self, work: Work, rung: int, found: Rung) -> bool:
        """Hear what a training came to at a rung; whether it goes on."""

    def ended(self, work: Work, last: Rung) -> None:
        """Hear that a training left its worker, at the end or because it was not to go on."""


class Reached(NamedTuple):
    """Training FLOPs spent by all, and the area below the front by then."""

    spent: float
    area: float


def simulate(
    table: Table, method: Method, most: float, workers: int = WORKERS
) -> Iterator[Reached]:
    """Search until so many training FLOPs are spent or nothing is left; tell of each evaluation.

    Evaluations count as nothing. FLOPs are spent when a rung is reached.
    """
    front, spent, order = table.front(), 0.0, itertools.count()
    running: list[tuple[float, int, int, Work]] = []
    now, free = 0.0, workers
    while spent < most:
        while free and (work := method.start()) is not None:
            due = now + _step(table, work, work.rung)
            heapq.heappush(running, (due, next(order), work.rung, work))
            free -= 1
        if not running:
            return
        now, _, rung, work = heapq.heappop(running)
        found = table.training(work.cell, work.seed)[rung]
        spent += _step(table, work, rung)
        table.add(front, work.cell, rung)
        yield Reached(spent, front.area)
        if method.report(work, rung, found) and rung + 1 < table.rungs:
            due = now + _step(table, work, rung + 1)
            heapq.heappush(running, (due, next(order), rung + 1, work))
        else:
            method.ended(work, found)
            free += 1


def _step(table: Table, work: Work, rung: int) -> float:
    """FLOPs from the rung before to this one."""
    rungs = table.training(work.cell, work.seed)
    return rungs[rung].flops - (rungs[rung - 1].flops if rung else 0)
