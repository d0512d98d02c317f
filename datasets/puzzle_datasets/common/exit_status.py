"""Exit statuses, and how an error becomes one sentence and a status."""

import errno
import os
import sys
from collections.abc import Callable

from puzzle_datasets.common.errors import RunError, UserError
from puzzle_datasets.common.page import printable
from puzzle_datasets.common.signals import sigterm_as_interrupt

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of the system that more room mends."""


def guarded(
    program: str, work: Callable[[], int], named: Callable[[str], str] = lambda field: field
) -> int:
    """Do the work and return its exit status; what a person can mend becomes one sentence.

    Args:
        program: who complains on standard error.
        work: returns an exit status.
        named: what the program's user calls a field of a `UserError`, such as its option.
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
