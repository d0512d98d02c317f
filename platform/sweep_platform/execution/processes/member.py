"""One of the processes of a job: it trains its share, and ends when the worker does.

The path of its checkpoint is its argument. The job comes on standard input, in the first line; a
later one says to save and end. Reports go to standard output, a line each, and whatever else is
printed to standard error.
"""

import ctypes
import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TextIO

from sweep_platform.execution.decisions import Pulse
from sweep_platform.execution.processes.group import ALIVE, SAVED, STOP
from sweep_platform.store.messages import TrialJob

_PR_SET_PDEATHSIG = 1
"""Of Linux: the signal that this process gets when its parent dies."""


def main() -> int:
    """Train, as one of the processes of the environment; return the exit status."""
    _end_with_parent()
    out = _own_output()
    job = TrialJob.from_text(sys.stdin.readline())
    stop = threading.Event()
    threading.Thread(target=_listen, args=(stop,), daemon=True).start()

    import torch

    from hrm.runs.processes import Processes
    from sweep_platform.execution.worker import follow, lead

    torch.set_num_threads(job.threads)
    processes = Processes.found()
    device = torch.device(processes.device_name(job.device))
    group, checkpoint = processes.connect(device), Path(sys.argv[1])
    say = partial(print, file=out, flush=True)
    if processes.rank:
        reports = follow(job, checkpoint, stop.is_set, group)
    else:
        pulse = Pulse(lambda count: say(ALIVE))
        reports = lead(
            job, checkpoint, stop.is_set, pulse, lambda step: say(f"{SAVED} {step}"), group
        )
    for report in reports:
        say(report.to_text())
    processes.leave(0)
    return 0


def _end_with_parent() -> None:
    """Be ended when the worker is, even where this process hears nothing any more."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _own_output() -> TextIO:
    """The way to the worker; whatever prints to standard output from here on does not get in."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return out


def _listen(stop: threading.Event) -> None:
    """Hear when to end; end at once where there is nobody left to hear."""
    for line in sys.stdin:
        if line.strip() == STOP:
            stop.set()
    os._exit(1)


if __name__ == "__main__":
    os._exit(main())  # at once: a thread that waits for standard input would abort a slow end
