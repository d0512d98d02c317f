"""A Markdown table whose rows may fail one by one."""

import gc
import time
from collections.abc import Callable, Sequence

import torch


class NotLookedAt(Exception):
    """A row's question can't be answered here; the message says why."""


class Table:
    """Prints its rows as they come; `whole` is false once one of them failed.

    Work that comes after `deadline`, a `time.monotonic()`, is a failed row. What could not be
    looked at is a row of its own kind, neither good nor failed.
    """

    def __init__(self, title: str, note: str, *columns: str, deadline: float) -> None:
        self.whole = True
        self._deadline = deadline
        self._columns = len(columns)
        print(f"\n## {title}\n\n{note}\n", flush=True)
        self._print(columns)
        self._print(["---"] * self._columns)

    def row(self, name: str, cells: Sequence[str]) -> None:
        """Print a row; cells that it lacks are empty."""
        self._print([name, *cells, *[""] * (self._columns - 1 - len(cells))])

    def failed(self, name: str, reason: object) -> None:
        """Print a row that says why there is none."""
        self.whole = False
        kind = f"{type(reason).__name__}: " if isinstance(reason, Exception) else ""
        first_line = (str(reason).strip() or "no reason given").splitlines()[0]
        self.row(name, [f"failed: {kind}{first_line}".replace("|", "/")])

    def attempt(self, name: str, work: Callable[[], Sequence[str]]) -> None:
        """Print the row that `work` returns, or that it failed or could not look."""
        try:
            self.require_time()
            cells = work()
        except NotLookedAt as reason:
            self.row(name, [f"not looked at: {reason}"])
        except Exception as error:
            self.failed(name, error)
        else:
            self.row(name, cells)
        release()

    def require_time(self) -> None:
        """Make a row fail that comes too late."""
        require(time.monotonic() < self._deadline, "no time was left; give more --minutes")

    def _print(self, cells: Sequence[str]) -> None:
        print("| " + " | ".join(cells) + " |", flush=True)


def release() -> None:
    """Give back the memory of the GPU that is no longer used."""
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


def require(true: bool, complaint: str) -> None:
    """Make a row fail that does not hold."""
    if not true:
        raise AssertionError(complaint)
