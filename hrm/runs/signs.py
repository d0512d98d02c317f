"""A sign of life from long work: a line whenever nothing has been said for a while."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 30.0
"""A person is left without a line for so long at most."""


class Signs:
    """Says `text()` through `say` whenever `said` has not been called for some seconds."""

    def __init__(
        self, say: Callable[[str], None], text: Callable[[], str], seconds: float
    ) -> None:
        self._say, self._text, self._seconds = say, text, seconds
        self._heard, self._ended = threading.Event(), False

    def said(self) -> None:
        """Note that something else has been said just now."""
        self._heard.set()

    def run(self) -> None:
        """Speak until `end`."""
        while not self._ended:
            if self._heard.wait(self._seconds):
                self._heard.clear()
            else:
                self._say(self._text())

    def end(self) -> None:
        """Fall silent."""
        self._ended = True
        self._heard.set()


@contextmanager
def signs_of_life(
    say: Callable[[str], None], text: Callable[[], str], seconds: float | None = None
) -> Iterator[Signs]:
    """Speak from a thread of its own, whatever this one is at; every 30 seconds if not told."""
    signs = Signs(say, text, SECONDS if seconds is None else seconds)
    thread = threading.Thread(target=signs.run, name="signs of life", daemon=True)
    thread.start()
    try:
        yield signs
    finally:
        signs.end()
        thread.join()
