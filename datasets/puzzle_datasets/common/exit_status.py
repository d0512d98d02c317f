"""Exit statuses, signals, and how an error becomes one sentence and a status."""

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from puzzle_datasets.common.errors import RunError, UserError
from puzzle_datasets.common.page import printable

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of the system that more room mends."""


def guarded(
    program: str, work: Callable[[], int], named: Callable[[str], str] = lambda field: field
) -> int:
    """Do the work and return its exit status; what a person can mend becomes one sentence.

    `program` complains, and `named` tells what its user calls a field, such as its option.
    """
    with sigterm_as_interrupt():
        status, sentence = outcome(work, named)
    if sentence:
        complain(program, sentence)
    return status


def outcome(
    work: Callable[[], int], named: Callable[[str], str] = lambda field: field
) -> tuple[int, str]:
    """Do the work; its exit status and what to complain of, nothing if empty. See `guarded`."""
    try:
        status = work()
        sys.stdout.flush()
        return status, ""
    except BrokenPipeError:
        silence()
        return DONE, ""
    except UserError as error:
        return BAD_INPUT, error.sentence(None if error.field is None else named(error.field))
    except RunError as error:
        return FAILED, _ended(str(error))
    except OSError as error:
        return BAD_INPUT, _of_the_system(error)
    except KeyboardInterrupt:
        return INTERRUPTED, "interrupted."


def complain(program: str, sentence: str) -> None:
    """Tell a person what went wrong."""
    print(printable(f"{program}: {sentence}"), file=sys.stderr, flush=True)


def say(text: str) -> None:
    """Print a line at once; where nobody reads any more, work goes on in silence."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        silence()


def silence() -> None:
    """Send what is still printed nowhere: whoever read it has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _of_the_system(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.filename is None:
        return _ended(reason)
    remedy = "make room there or" if error.errno in DISK_FULL else "mend that or"
    return f"{error.filename}: {reason}; {remedy} name another place."


def _ended(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


class StopRequest:
    """A flag that a signal sets; calling it returns True once this process is to stop."""

    def __init__(self) -> None:
        self._requested = False

    def __call__(self) -> bool:
        """Return True if the process is to stop."""
        return self._requested

    def request(self) -> None:
        """Ask for an orderly end."""
        self._requested = True


@contextmanager
def stop_on_signal(notify: Callable[[], None] = lambda: None) -> Iterator[StopRequest]:
    """Yield a flag that Ctrl-C or SIGTERM sets; `notify` is called at the first.

    A second signal raises `KeyboardInterrupt`. Only the main thread hears of signals; in another
    nothing comes.
    """
    stop = StopRequest()

    def first(number: int, frame: FrameType | None) -> None:
        for one in former:
            signal.signal(one, signal.default_int_handler)
        stop.request()
        notify()

    here = threading.current_thread() is threading.main_thread()
    former = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM) if here}
    try:
        for one in former:
            signal.signal(one, first)
        yield stop
    finally:
        for one, handler in former.items():
            signal.signal(one, handler)


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM, with which schedulers end a process, raise `KeyboardInterrupt`."""
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
