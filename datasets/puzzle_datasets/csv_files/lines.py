"""The lines of a puzzle file: plain or gzip, with LF, CR LF or CR at their ends, blank or not."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.common.reading import ANY_SIZE, Reader

PACKED = ".gz"
LONGEST = 1_000_000
"""What is beyond so many bytes of a line is left out."""

MOST_BLANK = 1_000_000
"""Blank lines that a file may have."""

_REMEDY = "give a CSV file that can"


@contextmanager
def opened(file: Path) -> Iterator[Any]:
    """Yield the file as Arrow reads it, unpacked; `DatasetError` if it is no regular file."""
    with Reader(file, DatasetError, _REMEDY, most=ANY_SIZE).opened() as raw:
        packed = "gzip" if file.suffix == PACKED else None
        with pa.input_stream(raw, compression=packed) as stream:
            yield stream


def lines(file: Path) -> Iterator[bytes]:
    """Yield the lines that are not blank, without their ends."""
    for _, line in _numbered(file):
        yield line


def line_number(file: Path, row: int) -> int:
    """Return the number of the line, from 1, of a row below the header, whose own row is -1."""
    found = next(islice(_numbered(file), row + 1, None), None)
    return row + 2 if found is None else found[0]


def _numbered(file: Path) -> Iterator[tuple[int, bytes]]:
    with Reader(file, DatasetError, _REMEDY, most=ANY_SIZE).opened() as raw:
        unpacked = gzip.GzipFile(fileobj=raw) if file.suffix == PACKED else raw
        # One character a byte, so that any bytes can be read, and all three ends of a line.
        text = io.TextIOWrapper(unpacked, encoding="latin-1", newline=None)
        number, blank, ended = 0, 0, True
        try:
            while line := text.readline(LONGEST):
                number += ended
                if ended and (stripped := line.rstrip("\n")):
                    yield number, stripped.encode("latin-1")
                blank += line == "\n"
                if blank > MOST_BLANK:
                    raise DatasetError.of(file, f"has over {MOST_BLANK:,} blank lines", _REMEDY)
                ended = line.endswith("\n")
        except (OSError, EOFError, zlib.error) as error:
            raise DatasetError.of(file, f"can't be read ({error})", _REMEDY) from error
