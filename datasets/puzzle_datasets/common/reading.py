"""Small files read with care: only regular ones, of bounded size and of the expected form."""

import errno
import json
import math
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.records import MisfitError, Record, record_from
from puzzle_datasets.common.text import byte_size, shown

MOST_BYTES = 16_000_000
"""Of a file read whole, unless told otherwise: parsed, it may take twenty times the memory."""

NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENAMETOOLONG, errno.ENXIO)
"""Errors of the system that tell that no file lies at a path, whoever asks and whenever."""

ANY_SIZE = 10**13
"""`most` of a file that is never held in memory whole."""

MOST_HOLES, SMALL = 0.9, 50_000_000
"""The largest share of a file above `SMALL` bytes that may be holes, which read as zeros: a file
that takes no room on the disk could take hours to read."""

MOST_DIGITS = 30
"""Of a whole number: the next reader may make a float of it, or a text."""

MOST_MEMORY = 300_000_000
"""Bytes of the lists, mappings and texts of JSON: small ones take thirty times their text."""
_LIST, _MAPPING, _TEXT = 104, 200, 64
"""Bytes that Python takes for a small one."""

Unread = TypeVar("Unread", bound=UserError)


@dataclass(frozen=True)
class Reader:
    """Reads one file; whatever is wrong with it is an `error`, whose field is the file.

    `remedy` tells what to do about it, `most` is the size in bytes that is read at most; a larger
    file is an error. Only regular files are opened: a pipe or device could keep one waiting for
    ever.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as name:
        ...     path = Path(name, "pair.json")
        ...     _ = path.write_text('{"first": 1, "second": 5}')
        ...     Reader(path, UserError, "restore it").object()["second"]
        5
    """

    path: Path
    error: type[UserError]
    remedy: str
    most: int = MOST_BYTES

    @contextmanager
    def opened(self) -> Iterator[BufferedReader]:
        """Yield the open file. What reading it raises is left to the caller."""
        with self._open() as stream:
            found = os.fstat(stream.fileno())
            if found.st_size > self.most:
                self._fail(
                    f"holds {byte_size(found.st_size)}, over the {byte_size(self.most)} it may"
                )
            if found.st_size > SMALL and _written(stream.fileno(), found.st_size) < (
                (1 - MOST_HOLES) * found.st_size
            ):
                self._fail(f"holds {byte_size(found.st_size)}, of which most were never written")
            yield stream

    def content(self) -> bytes:
        """Return the file's bytes."""
        with self.opened() as stream:
            try:
                content = stream.read(self.most + 1)
            except OSError as error:
                self._unread(error)
        if len(content) > self.most:  # files of the kernel tell no size
            self._fail(f"holds more than the {byte_size(self.most)} it may")
        return content

    def text(self) -> str:
        """Return the file's text, without the mark that some editors put before it."""
        try:
            return self.content().decode("utf-8-sig")
        except UnicodeDecodeError:
            self._fail("is no text in UTF-8")

    def json(self) -> Any:
        """Return the file's content, which is JSON with finite numbers."""
        try:
            return parse_json(self.text())
        except MisfitError as error:
            self._fail(error.problem)

    def object(self, format: int | None = None) -> dict[str, Any]:  # noqa: A002
        """Return the file's content, a JSON object, of this `format` if one is given."""
        content = self.json()
        if not isinstance(content, dict):
            self._fail("holds no JSON object")
        found = content.get("format", 1)
        if format is not None and (type(found) is not int or found != format):
            self._fail(f"is of format {found!r:.20}, and this version reads format {format}")
        return content

    def record(self, cls: type[Record], format: int | None = None) -> Record:  # noqa: A002
        """Return the file's content, a JSON object, as a record; see `record_from`, `object`."""
        try:
            return record_from(self.object(format), cls)
        except MisfitError as error:
            self._fail(error.problem)

    def lines(self) -> Iterator[Any]:
        """Yield what each whole line of a JSON-lines file holds; nothing where there is no file.

        A last line without its end is left out: its writer died, or still writes. `most` bounds
        each line, not the file.
        """
        if not self._exists():
            return
        with self._open() as stream:
            number = 0
            while (line := self._line(stream, number := number + 1)).endswith(b"\n"):
                try:
                    content = parse_json(line.decode())
                except UnicodeDecodeError:
                    self._fail("is no text in UTF-8", number)
                except MisfitError as error:
                    self._fail(error.problem, number)
                yield content

    def records(self, cls: type[Record]) -> Iterator[Record]:
        """Yield what each whole line of a JSON-lines file holds, as a record; see `lines`."""
        for number, content in enumerate(self.lines(), start=1):
            try:
                yield record_from(content, cls)
            except MisfitError as error:
                self._fail(error.problem, number)

    def _exists(self) -> bool:
        try:
            return self.path.exists()
        except OSError as error:
            self._unread(error)

    def _open(self) -> BufferedReader:
        """The open file; without O_NONBLOCK, a pipe would have one wait for its writer."""
        try:
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            descriptor = os.open(self.path, flags)
        except OSError as error:
            self._unread(error)
        except ValueError:
            self._fail("is no path that a system has")
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            self._fail("is no regular file")
        return os.fdopen(descriptor, "rb")

    def _line(self, stream: BufferedReader, number: int) -> bytes:
        try:
            line = stream.readline(self.most)
        except OSError as error:
            self._unread(error)
        if len(line) == self.most and not line.endswith(b"\n"):
            self._fail(f"is longer than the {byte_size(self.most)} it may be", number)
        return line

    def _unread(self, error: OSError) -> NoReturn:
        """Tell of a file that the system does not let one read."""
        raise unread(self.path, error, self.error, self.remedy) from error

    def _fail(self, problem: str, line: int | None = None) -> NoReturn:
        if line is None:
            raise self.error.of(self.path, problem, self.remedy)
        raise self.error.of(self.path, f"is damaged: line {line} {problem}", self.remedy)


def _written(descriptor: int, size: int) -> int:
    """Bytes of a file that are not in holes; all where the system does not tell of any."""
    written = end = 0
    try:
        while end < size:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
            end = os.lseek(descriptor, begin, os.SEEK_HOLE)
            written += end - begin
    except OSError as error:
        if error.errno != errno.ENXIO:  # which tells that only a hole is left
            written = size
    os.lseek(descriptor, 0, os.SEEK_SET)
    return written


def unread(path: Path, error: OSError, kind: type[Unread], remedy: str) -> Unread:
    """The error of a file that the system did not let one read; see `UserError.unread`."""
    problem = f"can't be read ({error.strerror or error})"
    if isinstance(error, FileNotFoundError):
        problem = "does not exist"
    return kind.of(path, problem, remedy, unread=error.errno not in NO_FILE)


def path_from(name: str, value: object, error: type[UserError]) -> Path:
    """Return what a caller gave as a path; raise the error of its argument where it is none.

    `~` is the home folder, `~user` that of a user.

    >>> path_from("folder", "data", UserError).name
    'data'
    """
    if not isinstance(value, str | Path):
        raise error(name, value, "give a path")
    try:
        path = Path(value).expanduser()
        path.lstat()
    except RuntimeError as fault:
        raise error(name, str(value), "name a user that there is, or write ./~") from fault
    except OSError as fault:
        if fault.errno != errno.ENAMETOOLONG:
            return path
        raise error(name, str(value), "give a shorter path") from fault
    except ValueError as fault:
        raise error(name, str(value), "give a path that a system has") from fault
    return path


def parse_json(text: str) -> Any:
    """Return what JSON holds; raise `MisfitError`, said of the text.

    Numbers are finite, whole ones have `MOST_DIGITS` at most, objects have each key once, and no
    text holds half of a character. What takes more than about `MOST_MEMORY` is refused before it
    is made.
    """
    lists, mappings, marks = map(text.count, '[{"')
    memory = _LIST * lists + _MAPPING * mappings + _TEXT * marks // 2
    if memory > MOST_MEMORY:
        raise MisfitError(f"would take {byte_size(memory)} of memory once it is read")
    try:
        content = json.loads(
            text,
            parse_constant=_finite,
            parse_float=_finite,
            parse_int=_whole,
            object_pairs_hook=_once,
        )
        if _ESCAPED_HALF.search(text) or _HALF.search(text):
            _require_whole(content, "")
        return content
    except RecursionError:
        raise MisfitError("is nested too deep") from None
    except ValueError as error:
        reason = error if isinstance(error, MisfitError) else MisfitError("is no JSON")
        raise reason from None


_HALF, _ESCAPED_HALF = re.compile(r"[\ud800-\udfff]"), re.compile(r"\\u[dD][89a-fA-F]")
"""Halves of a character: alone, they are no text that a file can hold."""


def _require_whole(content: Any, key: str) -> None:
    """Raise `MisfitError` for a text, or a key, with half of a character."""
    if isinstance(content, dict):
        for name, value in content.items():
            _require_whole(name, f"{key}.{name}" if key else name)
            _require_whole(value, f"{key}.{name}" if key else name)
    elif isinstance(content, list):
        for number, value in enumerate(content):
            _require_whole(value, f"{key}[{number}]")
    elif isinstance(content, str) and _HALF.search(content):
        raise MisfitError(f"holds half of a character in {shown(key)}, which is no text")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping of the pairs; of two values under one key none can be known to be meant."""
    made = dict(pairs)
    if len(made) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise MisfitError(f"has the key {shown(name)} twice")
    return made


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS + 1:
        raise MisfitError(f"holds {text[:20]}…, a number of over {MOST_DIGITS} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise MisfitError(f"holds {text[:20]}, which is no finite number")
    return number
