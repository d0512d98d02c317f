"""What follows from work that broke off: when and where it goes on, and which nodes are avoided.

A node that leaves the cluster says nothing about a trial. A worker that ends by itself may be the
trial's doing or its node's, so both are counted. A host that lacks something is at fault alone.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sweep_platform.search.stages.live import Place
from sweep_platform.store.messages import Failure, Fault

WORKER_RETRIES = 3
"""Times that a replicate whose worker ended goes on from its checkpoint.

Then it has failed if its workers end by themselves; for want of memory, the session ends.
"""

HOST_FAULTS, WORKER_ENDS = 2, 3
"""From so many on without a success between them, a node is avoided: times that its host lacked
something, and workers, of several replicates, that ended there."""

LONGEST_REST = 60.0
"""Seconds that a replicate rests at most, while one loss follows another."""

ELSEWHERE_SECONDS = 2 * LONGEST_REST
"""Time that a lost job has for going elsewhere: the other nodes may be taken for hours."""


@dataclass(frozen=True)
class Hosts:
    """Nodes that Ray places jobs on, by id with the names of their hosts; and those that leave."""

    usable: Mapping[str, str] = field(default_factory=dict)
    leaving: frozenset[str] = frozenset()


@dataclass
class _Record:
    """What went wrong on a node since something went well there."""

    faults: int = 0
    ended: list[str] = field(default_factory=list)

    @property
    def bad(self) -> bool:
        """Whether it is the node: one replicate whose workers end may be at fault itself."""
        many = len(self.ended) >= WORKER_ENDS and len(set(self.ended)) > 1
        return many or self.faults >= HOST_FAULTS


class Losses:
    """Keeps account of a session's losses.

    `hosts` are the nodes of now, `say` tells a person a sentence.
    """

    def __init__(
        self,
        hosts: Callable[[], Hosts] = Hosts,
        say: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.hosts, self._say, self.clock = hosts, say, clock
        self._in_a_row: Counter[str] = Counter()
        self._ends: Counter[str] = Counter()
        self._left: defaultdict[str, dict[str, float]] = defaultdict(dict)
        self._records: defaultdict[str, _Record] = defaultdict(_Record)
        self._bad: set[str] = set()

    @property
    def avoided(self) -> frozenset[str]:
        """Nodes that nothing is placed on; none where there are no others."""
        alive = self.hosts().usable.keys()
        return frozenset(alive & self._bad) if alive - self._bad else frozenset()

    def shunned(self, job: str) -> frozenset[str]:
        """Nodes that a job is not placed on: for a while those too that it was just lost on.

        The latter only if there are others.
        """
        alive, now = self.hosts().usable.keys(), self.clock()
        left = {node for node, until in self._left[job].items() if now < until}
        own = alive & (self._bad | left)
        return frozenset(own) if alive - own else self.avoided

    def elsewhere(self, place: Place | None) -> bool:
        """Whether there is another node than this one, and a good one."""
        return place is not None and bool(self.hosts().usable.keys() - self._bad - {place.node})

    def progressed(self, job: str, place: Place | None) -> None:
        """Take note that a job has measured something new."""
        self._in_a_row.pop(job, None)
        if place is not None:
            self._records.pop(place.node, None)

    def rest(self, job: str) -> float:
        """Seconds that a lost job is to rest, twice as many each time in a row."""
        self._in_a_row[job] += 1
        return float(min(LONGEST_REST, 2 ** min(self._in_a_row[job] - 1, 10)))

    def lacked(self, job: str, place: Place | None, reason: str) -> None:
        """Take note that a job's host lacks something; the job goes elsewhere."""
        if place is not None:
            self._records[place.node].faults += 1
            self._blame(job, place, reason)

    def ended(self, job: str, place: Place | None, loss: Failure) -> int:
        """Take note of a worker that is gone; returns how many of the job's own have ended.

        That of a node that left the cluster is not counted.
        """
        if loss.fault is Fault.NODE:
            return 0
        if place is not None:
            self._records[place.node].ended.append(job)
            self._blame(job, place, loss.reason)
        self._ends[job] += 1
        return self._ends[job]

    def _blame(self, job: str, place: Place, reason: str) -> None:
        """Let a job go elsewhere, and all others too if its node is bad and not the only one."""
        self._left[job][place.node] = self.clock() + ELSEWHERE_SECONDS
        new = self._records[place.node].bad and place.node not in self._bad
        if new and self.elsewhere(place):
            self._bad.add(place.node)
            self._say(f"nothing is placed on host {place.host} any more: {reason}")
