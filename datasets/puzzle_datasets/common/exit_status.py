"""Exit statuses, signals, and how an error becomes one sentence and a status."""

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TextIO, cast

from puzzle_datasets.common.errors import RunError, UserError
from puzzle_datasets.common.page import printable
from puzzle_datasets.common.text import redact, shown

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of the system that more room mends."""

UNREAD = (errno.EPIPE, errno.EIO)
"""Errors of printing to a pipe whose reader ended, and to a terminal that was closed."""

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that ask a process to end: Ctrl-C, a scheduler's, and that of a terminal closed."""


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
    """Do the work; its exit status and what to complain of, nothing if empty. See `guarded`.

    Meanwhile, what can't be encoded is printed escaped, and printing to a reader that has gone is
    silent.
    """
    try:
        with lasting_output(), _processor_time():
            _require_working_folder()
            return work(), ""
    except UserError as error:
        status = FAILED if _of_full_disk(error) else BAD_INPUT
        return status, error.sentence(None if error.field is None else named(error.field))
    except RunError as error:
        return FAILED, _ended(str(error))
    except OSError as error:
        return FAILED if _of_full_disk(error) else BAD_INPUT, _of_the_system(error)
    except MemoryError:
        return FAILED, "the memory of this machine does not suffice."
    except (ImportError, SystemError) as error:
        if (cause := _of_a_library(error)) is None:
            raise
        remedy = "have more memory free, or install it again"
        return FAILED, f"a library can't be loaded ({cause}); {remedy}."
    except RecursionError:
        return BAD_INPUT, "something given is nested too deep; give it in fewer levels."
    except UnicodeEncodeError as error:
        return BAD_INPUT, f"{shown(error.object)} can't be written as text; give other characters."
    except KeyboardInterrupt:
        return INTERRUPTED, "interrupted."


def _require_working_folder() -> None:
    """Refuse a folder that was removed: no path leads anywhere, and some libraries abort there."""
    try:
        Path.cwd()
    except OSError as error:
        problem = f"is gone ({error.strerror})"
        raise UserError.of("the working folder", problem, "change to another one") from error


def _of_full_disk(error: BaseException | None) -> bool:
    """Whether more room would mend it: no fault of what was given, but one met on the way."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


def complain(program: str, sentence: str) -> None:
    """Tell a person what went wrong, without secrets; in silence where it can't be written."""
    with suppress(OutputError), lasting_output():
        print(printable(redact(f"{program}: {sentence}")), file=sys.stderr, flush=True)


def say(text: str) -> None:
    """Print a line at once, in characters that no terminal obeys.

    Where nobody reads any more, work goes on in silence.
    """
    with lasting_output():
        print(printable(text), flush=True)


@contextmanager
def lasting_output() -> Iterator[None]:
    """Let printing never end the work: what can't be encoded is escaped, a lost reader ignored.

    On leaving, all is flushed, so that nothing is left to fail when Python ends; what ended the
    work is told before an output that can't be flushed.
    """
    former = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = cast("tuple[TextIO, TextIO]", tuple(map(_lasting, former)))
    streams = sys.stdout, sys.stderr
    try:
        yield
    except BaseException:
        with suppress(OutputError):
            _flush(streams)
        raise
    else:
        _flush(streams)
    finally:
        sys.stdout, sys.stderr = former


def _flush(streams: Sequence[TextIO]) -> None:
    for stream in streams:
        stream.flush()


def _lasting(stream: "TextIO | LastingStream | None") -> "LastingStream":
    """The stream, made lasting; one that was closed before Python began prints into nothing."""
    if isinstance(stream, LastingStream):
        return stream
    return LastingStream(Path(os.devnull).open("w") if stream is None else stream)


class OutputError(RunError):
    """What was printed could not be written, such as to a file on a full disk."""


class LastingStream:
    """A stream of text that goes on, into nothing, where nobody reads any more.

    Raises `OutputError` where it can't be written for any other reason.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write the text, if somebody reads it."""
        with self._unread_in_silence():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Have all that was written read, if somebody reads it."""
        with self._unread_in_silence():
            self._stream.flush()

    @contextmanager
    def _unread_in_silence(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # What is still buffered is tried again when Python ends.
            nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.dup2(nowhere, self._stream.fileno())
            finally:
                os.close(nowhere)
            if error.errno not in UNREAD:
                remedy = "make room there, or send the output elsewhere"
                raise OutputError(
                    f"the output can't be written ({error.strerror}); {remedy}."
                ) from error


def _of_a_library(error: BaseException | None) -> BaseException | None:
    """The cause of an error that lies in a shared library, which the system did not load.

    One that runs out of memory while it begins may leave Python no more than a `SystemError`.
    """
    while error is not None and not (
        isinstance(error, SystemError) or str(getattr(error, "path", "")).endswith(".so")
    ):
        error = error.__cause__ or error.__context__
    return error


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
    """Yield a flag that Ctrl-C, SIGTERM or SIGHUP sets; `notify` is called at the first.

    A second signal raises `KeyboardInterrupt`. Only the main thread hears of signals; in another
    nothing comes.
    """
    stop = StopRequest()

    def first(number: int, frame: FrameType | None) -> None:
        for one in heard:
            signal.signal(one, signal.default_int_handler)
        stop.request()
        notify()

    with _handled(_ENDING, first) as heard:
        yield stop


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM, with which schedulers end a process, and SIGHUP raise `KeyboardInterrupt`."""
    with _handled(_ENDING[1:], signal.default_int_handler):
        yield


@contextmanager
def _processor_time() -> Iterator[None]:
    """Have the first signal that processor time is spent raise `RunError`; it comes every second.

    One that came is ignored from then on, so that the error is told. At a hard limit nothing is.
    """

    def spent(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
        raise RunError(
            "its processor time is spent; raise the limit, as by `ulimit -St unlimited`"
        )

    here = threading.current_thread() is threading.main_thread()
    former = signal.signal(signal.SIGXCPU, spent) if here else None
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGXCPU) is spent:
            signal.signal(signal.SIGXCPU, former)


@contextmanager
def _handled(numbers: Sequence[signal.Signals], handler: Any) -> Iterator[list[signal.Signals]]:
    """Handle these signals meanwhile, but SIGHUP not where `nohup` has it ignored."""
    here = threading.current_thread() is threading.main_thread()
    former = {one: signal.getsignal(one) for one in numbers if here}
    heard = [one for one in former if one != signal.SIGHUP or former[one] is not signal.SIG_IGN]
    try:
        for one in heard:
            signal.signal(one, handler)
        yield heard
    finally:
        for one in heard:
            signal.signal(one, former[one])
