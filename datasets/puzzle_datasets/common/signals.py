"""Ctrl-C and SIGTERM: an orderly end at the first, an end at once at the second."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


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
