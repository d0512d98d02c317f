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
from datetime import timedelta
from typing import Any

from sweep_platform.store.messages import Failure, Fault, TrialJob, TrialReport

ALIVE, STOP = "alive", "stop"
"""Lines beside reports: a process's sign of life, and that all are to save and end."""

LOOK_SECONDS = 0.2
FAREWELL_SECONDS = 2.0
"""After one process has ended badly, another that knows more has so long to say it."""

_LOOPBACK = "127.0.0.1"
_MEET_SECONDS = timedelta(minutes=10)


def train_together(
    job: TrialJob,
    stop: Callable[[], bool] = lambda: False,
    alive: Callable[[], object] = lambda: None,
) -> Iterator[TrialReport]:
    """Do what `worker.train` does, in the job's own processes; of what they say, yield reports.

    One that dies ends the others: the job goes on from its checkpoint, as after a lost worker.
    """
    with _Group(job) as group:
        told, lost = False, None
        for line in group.lines():
            if not told and stop():
                group.tell(STOP)
                told = True
            if line == ALIVE:
                alive()
            elif line is not None:
                report = TrialReport.from_text(line)
                if report.failure is not None and report.failure.fault is Fault.WORKER:
                    lost = report  # it only saw another one end, which says why itself
                    continue
                yield report
                if report.failure is not None:
                    return
        if group.fault is not None:
            failure = Failure(reason=group.fault, fault=Fault.WORKER)
            [replicate] = job.replicates
            yield TrialReport(trial=job.trial, replicate=replicate.label, failure=failure)
        elif lost is not None:
            yield lost


class _Group:
    """A job's processes, which live as long as its context; `fault` says why they ended early."""

    def __init__(self, job: TrialJob) -> None:
        self._job = job
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
            [sys.executable, "-m", "sweep_platform.execution.processes.member"],
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
