"""The worker's side: it starts the processes of a job, relays what they say, and ends them.

They are its children on its host, and none outlives it: each ends when it hears the worker no
more. They meet at the worker, so that no port is left to chance; all of it listens on loopback.
"""

import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sweep_platform.store.messages import Failure, Fault, TrialJob, TrialReport

ALIVE, SAVED, STOP = "alive", "saved", "stop"
"""Lines beside reports: a sign of life, the step of a new checkpoint; and that all are to end."""

LOOK_SECONDS = 0.2
FAREWELL_SECONDS = 2.0
"""After one process has ended badly, another that knows more has so long to say it."""

_MEMBER = "sweep_platform.execution.processes.member"
_LOOPBACK = "127.0.0.1"
_MEET_SECONDS = timedelta(minutes=10)


class GroupError(RuntimeError):
    """The processes of a job broke off; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def train_together(
    job: TrialJob,
    checkpoint: Path,
    stop: Callable[[], bool],
    alive: Callable[[], object],
    saved: Callable[[int], object],
) -> Iterator[TrialReport]:
    """Train a job in its own processes; of what they say, yield reports.

    Its puzzles are on this host, and the checkpoint is held here: a process that waits for another
    waits for nothing that may take long. Raises `GroupError`: one that dies ends the others, and
    the job goes on from its checkpoint, as after a lost worker.
    """
    with _Group(job, checkpoint) as group:
        told, lost = False, None
        for line in group.lines():
            if not told and stop():
                group.tell(STOP)
                told = True
            if line == ALIVE:
                alive()
            elif line is not None and line.startswith(SAVED):
                saved(int(line.removeprefix(SAVED)))
            elif line is not None:
                report = TrialReport.from_text(line)
                yield replace(report, failure=None)
                if report.failure is not None and report.failure.fault is not Fault.WORKER:
                    raise GroupError(report.failure)
                lost = report.failure or lost  # it only saw another one end, which says why itself
        if group.fault is not None:
            raise GroupError(Failure(reason=group.fault, fault=Fault.WORKER))
        if lost is not None:
            raise GroupError(lost)


class _Group:
    """A job's processes, which live as long as its context; `fault` says why they ended early."""

    def __init__(self, job: TrialJob, checkpoint: Path) -> None:
        self._job, self._checkpoint = job, checkpoint
        self.fault: str | None = None
        self._said: queue.SimpleQueue[tuple[int, str | None]] = queue.SimpleQueue()
        self._processes: list[subprocess.Popen[str]] = []
        self._ears: list[threading.Thread] = []

    def __enter__(self) -> "_Group":
        self._meeting, port = _meeting_place(self._job.processes)
        try:
            for rank in range(self._job.processes):
                self._processes.append(self._start(rank, port))
            for rank in range(self._job.processes):
                self._ears.append(threading.Thread(target=self._hear, args=(rank,), daemon=True))
                self._ears[-1].start()
            self.tell(self._job.to_text())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
            assert process.stdin is not None
            with suppress(OSError):
                process.stdin.close()
        for ear in self._ears:
            ear.join()

    def tell(self, line: str) -> None:
        """Let every process read a line."""
        for process in self._processes:
            assert process.stdin is not None
            with suppress(OSError):  # one that has ended is found out elsewhere
                process.stdin.write(line + "\n")
                process.stdin.flush()

    def lines(self) -> Iterator[str | None]:
        """What they say, None ever so often; until all have ended, or one has ended badly."""
        running = set(range(len(self._processes)))
        while running:
            try:
                rank, line = self._said.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                yield None
                continue
            if line is not None:
                yield line
                continue
            running.discard(rank)
            if status := self._processes[rank].wait():
                self.fault = self.fault or _ended(rank, len(self._processes), status)
                yield from self._last_words()
                return

    def _last_words(self) -> Iterator[str]:
        """What the other processes still say."""
        with suppress(queue.Empty):
            while True:
                _, line = self._said.get(timeout=FAREWELL_SECONDS)
                if line is not None:
                    yield line

    def _start(self, rank: int, port: int) -> "subprocess.Popen[str]":
        size = str(self._job.processes)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "MASTER_ADDR": _LOOPBACK,
            "MASTER_PORT": str(port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",  # the worker keeps the meeting place
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": size,
            **_on_loopback(),
        }
        return subprocess.Popen(
            [sys.executable, "-m", _MEMBER, str(self._checkpoint)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _hear(self, rank: int) -> None:
        """Pass on the lines of one process, and its end."""
        out = self._processes[rank].stdout
        assert out is not None
        with out:
            for line in out:
                self._said.put((rank, line.rstrip("\n")))
        self._said.put((rank, None))


def _meeting_place(size: int) -> tuple[Any, int]:
    """The store at which so many processes meet, and its port."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    listening = socket.create_server((_LOOPBACK, 0))
    port: int = listening.getsockname()[1]
    store = TCPStore(
        _LOOPBACK,
        port,
        size,
        is_master=True,
        timeout=_MEET_SECONDS,
        wait_for_workers=False,
        master_listen_fd=listening.detach(),
    )
    return store, port


def _on_loopback() -> dict[str, str]:
    """Variables by which Gloo and NCCL keep to the interface of this host alone."""
    names = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    return dict.fromkeys(("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"), names[0]) if names else {}


def _ended(rank: int, size: int, status: int) -> str:
    how = f"by signal {-status}" if status < 0 else f"with status {status}"
    return f"process {rank} of its {size} ended {how}"
