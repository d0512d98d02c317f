"""Ctrl-C and SIGTERM: in good order at first, at once when repeated."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupting(interrupt: Callable[[], None]) -> Iterator[None]:
    """End in good order at the first Ctrl-C or SIGTERM, at once at the second."""

    def first(number: int, frame: FrameType | None) -> None:
        interrupt()
        for one in handled:
            signal.signal(one, signal.default_int_handler)

    handled = {one: signal.signal(one, first) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, before in handled.items():
            signal.signal(one, before)


@contextmanager
def own_sigterm() -> Iterator[None]:
    """Keep the handler of SIGTERM, which Ray would take over.

    Raises:
        KeyboardInterrupt: Ray heard a SIGTERM meanwhile.
    """
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGTERM, handler)
