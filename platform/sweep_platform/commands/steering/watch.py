"""Show how a sweep stands, again and again, for as long as a driver is at work on it."""

import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from puzzle_datasets.common.page import printable
from puzzle_datasets.common.text import flops, percent
from sweep_platform.commands.status import Status, in_words, status
from sweep_platform.store.folder import SweepFolder

LEAST_SECONDS, MOST_SHARE = 2.0, 0.2
"""Between two looks, and the largest share of the time that looking takes: sweeps may be large."""


def watch(
    folder: SweepFolder,
    stream: TextIO | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> Status:
    """Show a sweep's status until no driver is at work on it, and once if none is.

    In a terminal the same place is drawn again, elsewhere what changed gets a line. Returns the
    last status. Raises `InputError` where the folder holds no sweep.
    """
    stream = stream or sys.stdout
    live = Live(console=Console(file=stream), auto_refresh=False) if stream.isatty() else None
    said = ""
    with live or nullcontext():
        while True:
            began = time.monotonic()
            found = status(folder)
            if live is not None:
                live.update(Text(in_words(found)), refresh=True)
            elif (line := _line(found)) != said:
                said = line
                print(printable(line), file=stream, flush=True)
            if found.driver is None:
                return found
            took = time.monotonic() - began
            sleep(max(LEAST_SECONDS, took / MOST_SHARE))


def _line(found: Status) -> str:
    """A status on one line, without what changes all the time."""
    states = ", ".join(f"{number} {state}" for state, number in sorted(found.trials.items()))
    share = percent(found.training_flops / found.flops_limit)
    best = max(found.front, key=lambda point: point.exact_accuracy, default=None)
    waits = sum(one.answer is None for one in found.messages)
    parts = [
        f"{found.name}: {found.state}",
        f"{states or 'no trial'} of {found.planned}",
        f"{share} of the budget",
        found.bill,
        f"best {percent(best.exact_accuracy)} at {flops(best.inference_flops)}" if best else "",
        f"{len(found.running)} running" if found.running else "",
        f"{waits} unanswered" if waits else "",
    ]
    return ", ".join(filter(None, parts))
